"""The flagship recipe over local files of its sources' shape: responses that came with the problems are not requested again."""

import json

import polars as pl
import pytest
import yaml

from factory.cli.main import build_app
from factory.config.load import load_recipe
from factory.config.problems import ProblemsSection
from factory.pipeline.run import run_recipe
from factory.publishing.card import render_card
from factory.run.layout import RunLayout
from factory.run.parts import read_dropped, read_parts
from factory.sources.problems import read_problems
from factory.steps import problems as problems_step
from tests.servers.running import servers
from tests.support.cli import run_factory

SAMPLES = 3
LEAKED = (
    "What is the smallest positive perfect cube that can be written as the sum of three consecutive integers?"
)
"""A problem of MATH-500."""


def chain(number, answer):
    words = f"Let me work on number {number} of these, slowly: step {number * 7} leads to {number * 13} and then on."
    return f"<think>\n{words}\n</think>\nIt is \\boxed{{{answer}}}."


@pytest.fixture
def published(tmp_path):
    """Files in the shape of OpenR1-Math-220k and Bespoke-Stratos-17k, and how many complete responses each problem has."""
    drawn = read_problems("procedural:all?count=14&seed=5").rows
    texts, golds = drawn["problem"].to_list(), drawn["answer"].to_list()
    counts = [0, 1, 2, 3, 5, 1, 2, 0, 4, 3]
    openr1, there = [], {}
    for place, count in enumerate(counts):
        whole = [chain(100 * place + n, golds[place]) for n in range(count)]
        cut = ["<think>\nlet us see"] * (place % 2)
        bare = [f"It is \\boxed{{{golds[place]}}}."] * (place % 3 == 0)
        openr1.append(
            {
                "problem": texts[place],
                "answer": golds[place],
                "uuid": f"u-{place}",
                "source": "olympiads",
                "generations": [*whole, *cut, *bare],
                "is_reasoning_complete": [True] * count + [False] * len(cut) + [True] * len(bare),
            }
        )
        there[texts[place]] = count
    openr1.append(
        {**openr1[0], "problem": LEAKED, "answer": "27", "uuid": "u-x", "generations": [chain(999, 27)]}
    )
    thought = "<|begin_of_thought|>\n\n{}\n\n<|end_of_thought|>\n\n<|begin_of_solution|>\n\n{}\n\n<|end_of_solution|>"
    stratos = []
    for place in (9, 10, 11, 12, 13):  # the first is in both sets
        said = thought.format(f"First thoughts of {place * 31}, then others.", f"\\boxed{{{golds[place]}}}")
        chat = [{"from": "user", "value": texts[place]}, {"from": "assistant", "value": said}]
        stratos.append({"system": "Think first.", "conversations": chat})
        there[texts[place]] = there.get(texts[place], 0) + 1
    pl.DataFrame(openr1, strict=False).write_parquet(tmp_path / "openr1.parquet")
    (tmp_path / "stratos.jsonl").write_text("".join(json.dumps(row) + "\n" for row in stratos))
    return there


def factory(folder, *words):
    return run_factory(*words, cwd=folder)


def test_exactly_the_missing_responses_of_the_flagship_are_requested(published, tmp_path):
    with servers() as serve:
        server = serve()
        sources = [
            {"path": "openr1.parquet", "licence": "apache-2.0", "revision": "abc123"},
            {"path": "stratos.jsonl", "model": "deepseek-r1"},
        ]
        changes = {
            "problems.sources": sources, "generate.teacher": "vllm", "generate.model": "fake-r1",
            "generate.base_url": server.url, "generate.price": [1.0, 2.0], "generate.samples": SAMPLES,
            "generate.max_tokens": 64, "train": None,
        }  # fmt: skip
        words = [w for key, value in changes.items() for w in ("--set", f"{key}={json.dumps(value)}")]
        command = ["run", "phi4_mini_reasoning", *words, "--until", "sft-set", "--out", "made"]
        dry = factory(tmp_path, *command, "--dry-run")
        assert dry.returncode == 0, dry.stderr
        assert "16 problems x 3 samples = 48 responses" in dry.stdout
        # The problem that leaks and the one of both sets, which dedup makes one, are two more.
        count = sum(min(n, SAMPLES) for n in published.values()) + 1 + 1
        given = sum(published.values()) + 1 + 5 + 4
        assert f"{given} responses came with the problems: {count} of these samples are there" in dry.stdout
        assert f"there, {48 - count} are missing" in dry.stdout
        assert "openr1 (problem, answer) -> responses from generations[*]" in dry.stdout
        assert server.get("stats")["asked"] == 0
        done = factory(tmp_path, *command)
        assert done.returncode == 0, done.stderr
        missing = {text: max(SAMPLES - n, 0) for text, n in published.items()}
        assert server.get("stats")["asked"] == sum(missing.values())
    at = RunLayout(tmp_path / "made")
    rows = read_parts(at.responses)
    asked = rows.filter(pl.col("sampler") == "vllm").group_by("problem").len()
    assert dict(asked.iter_rows()) == {text: n for text, n in missing.items() if n}
    assert (
        rows.group_by("problem_id").agg(pl.col("sample_index").n_unique() == pl.len())["sample_index"].all()
    )
    there = rows.filter(pl.col("sampler") == "import")
    assert there.height == given - 1
    assert read_dropped(at.responses)["reason"].to_list() == ["problem_not_asked"]
    for name in ("temperature", "top_p", "max_tokens", "usd", "prompt_tokens", "served_model"):
        assert there[name].null_count() == there.height, name
    manifest = json.loads((at.responses / "_manifest.json").read_text())
    assert manifest["totals"]["reused"] == there.height
    assert manifest["totals"]["spared"] == 42 - sum(missing.values())
    assert manifest["totals"]["usd_spared"] > 0
    assert set(read_parts(at.selected("midtrain"))["teacher"]) >= {"import"}
    recipe = yaml.safe_load(at.recipe.read_text())
    assert recipe["problems"]["sources"][0]["revision"] == "abc123"
    again = factory(tmp_path, "run", "made/recipe.yaml", "--until", "sft-set", "--out", "made")
    assert again.returncode == 0, again.stderr
    assert json.loads((at.responses / "_manifest.json").read_text()) == manifest
    card = factory(tmp_path, "card", "made", "--out", "card.md")
    assert card.returncode == 0, card.stderr
    text = (tmp_path / "card.md").read_text().partition("## The recipe")[0]
    origins = text.partition("Responses that came with their problems")[2].partition("\n**")[0]
    assert "| openr1 | abc123 | deepseek-r1 | apache-2.0 |" in origins, origins
    assert "| stratos | - | deepseek-r1 |" in origins, origins
    sampling = text.partition("How the responses were sampled")[2].partition("\n**")[0]
    assert "| import | deepseek-r1 | - | - | - |" in sampling, sampling
    assert "| vllm | fake-r1 | 0.6 | 0.95 | 64 |" in sampling, sampling


def layouts(texts, golds):
    """Rows in published layouts: right and wrong answers of each problem, none of them the gold's only place."""
    for number, (text, gold) in enumerate(zip(texts, golds, strict=True)):
        ask = [{"role": "user", "content": text}]
        words = [
            " ".join(
                f"step {step} of way {way} in case {number} gives {step * 7919 + way * 31 + number}"
                for step in range(8)
            )
            for way in range(3)
        ]
        traces = [
            f"<think>\n{w}\n</think>\nIt is \\boxed{{{a}}}."
            for w, a in zip(words, (gold, f"{gold}7", f"{gold}9"), strict=True)
        ]
        yield number, text, gold, ask, traces, words


OPENTHOUGHTS = (
    "<|begin_of_thought|>\n\n{}\n\n<|end_of_thought|>\n\n<|begin_of_solution|>\n\n{}\n\n<|end_of_solution|>"
)
SHAPES = {
    "openr1": lambda n, text, gold, ask, traces, words: {
        "problem": text,
        "answer": gold,
        "generations": traces,
    },
    "messages": lambda n, text, gold, ask, traces, words: [
        {"messages": [*ask, {"role": "assistant", "content": each}], "answer": gold} for each in traces
    ],
    "sharegpt": lambda n, text, gold, ask, traces, words: [
        {
            "conversations": [{"from": "human", "value": text}, {"from": "gpt", "value": each}],
            "ground_truth": gold,
        }
        for each in traces
    ],
    "open-math-reasoning": lambda n, text, gold, ask, traces, words: [
        {
            "problem": text,
            "generated_solution": each,
            "expected_answer": gold,
            "generation_model": "QwQ-32B",
            "inference_mode": "cot",
        }
        for each in traces
    ],
    "am-distilled": lambda n, text, gold, ask, traces, words: [
        {
            "messages": [
                {**ask[0], "info": {"reference_answer": gold, "think_content": None, "answer_content": None}},
                {
                    "role": "assistant",
                    "content": each,
                    "info": {
                        "reference_answer": None,
                        "think_content": w,
                        "answer_content": each.partition("</think>")[2],
                    },
                },
            ]
        }
        for each, w in zip(traces, words, strict=True)
    ],
    "prompt-completion": lambda n, text, gold, ask, traces, words: [
        {"prompt": ask, "completion": [{"role": "assistant", "content": each}], "answer": gold}
        for each in traces
    ],
    "prompt-completion plain": lambda n, text, gold, ask, traces, words: [
        {"prompt": text, "completion": each, "answer": gold} for each in traces
    ],
    "openthoughts": lambda n, text, gold, ask, traces, words: [
        {
            "system": "Think first.",
            "conversations": [
                {"from": "user", "value": text},
                {"from": "assistant", "value": OPENTHOUGHTS.format(w, each.partition("</think>")[2].strip())},
            ],
            "answer": gold,
        }
        for each, w in zip(traces, words, strict=True)
    ],
    "openthoughts-metadata": lambda n, text, gold, ask, traces, words: [
        {
            "problem": text,
            "deepseek_reasoning": w,
            "deepseek_solution": each.partition("</think>")[2].strip(),
            "ground_truth_solution": f"So $\\boxed{{{gold}}}$",
            "domain": "math",
            "source": "numina",
        }
        for each, w in zip(traces, words, strict=True)
    ],
    "reasoning_content": lambda n, text, gold, ask, traces, words: [
        {
            "messages": [
                ask[0],
                {
                    "role": "assistant",
                    "content": each.partition("</think>")[2].strip(),
                    "reasoning_content": w,
                },
            ],
            "answer": gold,
        }
        for each, w in zip(traces, words, strict=True)
    ],
    "columns": lambda n, text, gold, ask, traces, words: [
        {"question": text, "gold": gold, "response": each, "model": "mine"} for each in traces
    ],
}


def test_traces_in_many_layouts_become_four_sets_and_a_card_without_a_request(tmp_path):
    """The teacher's address answers nobody, so that a single request would stop the run."""
    drawn = read_problems("procedural:all?count=240&seed=11").rows
    drawn = drawn.filter(pl.col("answer").str.contains(r"^\d+$")).head(6 * len(SHAPES))
    assert drawn.height == 6 * len(SHAPES)
    cases = list(layouts(drawn["problem"], drawn["answer"]))
    sources = []
    for place, (name, shape) in enumerate(SHAPES.items()):
        made = [shape(*case) for case in cases[6 * place : 6 * place + 6]]
        rows = [row for each in made for row in (each if isinstance(each, list) else [each])]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        sources.append({"path": str(tmp_path / f"{name}.jsonl"), "licence": "MIT"})
    recipe = {
        "name": "given",
        "problems": {"sources": sources},
        "decontamination": {"against": ["aime24"]},
        "generate": {"samples": 3, "teacher": "vllm", "model": "nobody", "base_url": "http://127.0.0.1:9/v1"},
        "difficulty": {"student": "teacher"},
        "preference": {"max_pairs": 4, "max_length_bias": 9, "max_format_bias": 1},
        "datasets": {"sft_rows": 3},
        "train": None,
    }
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(recipe))
    run_recipe(load_recipe(tmp_path / "r.yaml"), tmp_path / "made")
    at = RunLayout(tmp_path / "made")
    read = read_parts(at.problems)
    assert read.select("problem", "answer").rows() == drawn.select("problem", "answer").rows()
    verdicts = read_parts(at.verdicts).sort("problem", "sample_index")
    assert verdicts["verdict"].value_counts().sort("verdict").rows() == [
        ("correct", 6 * len(SHAPES)),
        ("incorrect", 12 * len(SHAPES)),
    ]
    assert set(verdicts["sampler"]) == {"import"}
    models = {
        "openr1": "deepseek-r1",
        "am-distilled": "deepseek-r1",
        "openthoughts-metadata": "deepseek-r1",
        "open-math-reasoning": "QwQ-32B",
        "columns": "mine",
    }
    for name, model in (
        verdicts.select(pl.col("metadata").str.json_path_match("$.source_set"), "model").unique().rows()
    ):
        assert model == models.get(name, "unknown")
    sizes = {name: read_parts(at.selected(name)).height for name in ("midtrain", "sft", "preference", "rl")}
    used = (
        read_parts(at.selected("sft"))["problem_id"].to_list()
        + read_parts(at.selected("preference"))["problem_id"].to_list()
    )
    assert sizes == {
        "midtrain": 6 * len(SHAPES),
        "sft": 3,
        "preference": 4,
        "rl": read_parts(at.clean_problems).height - len(set(used)),
    }
    assert set(read_parts(at.selected("rl"))["answer_kind"]) == {"math"}
    assert not (at.run / "difficulty/rollouts").exists()
    text = render_card(at.run).partition("## The recipe")[0]
    assert "no response was requested" in text
    for never in ("32,768", "0.6", "0.95", "step by step"):
        assert never not in text.partition("## What is in it")[0], never
    for name in ("midtrain", "sft", "preference", "rl"):
        words = ["select", str(at.verdicts), "--set", name, "--out", str(tmp_path / name), "--sft-rows", "3"]
        words += ["--max-pairs", "4", "--max-length-bias", "9", "--max-format-bias", "1"]
        build_app().main(args=words, standalone_mode=False)
        chosen = read_parts(tmp_path / name)
        if name == "rl":
            assert chosen.height == read_parts(at.clean_problems).height
        else:
            assert chosen.height == sizes[name]
            assert chosen.columns == read_parts(at.selected(name)).columns


def test_responses_stay_with_their_problem_where_files_number_their_rows_alike(tmp_path):
    plain = [{"id": str(i), "problem": f"How much is {i} and one?", "answer": str(i + 1)} for i in range(6)]
    twice = [{"problem": plain[5]["problem"], "answer": "6", "id": "5"}]
    traces = [
        {
            "id": str(i),
            "problem": f"How much is {i} times three?",
            "answer": str(3 * i),
            "generation": chain(i, 3 * i),
        }
        for i in range(6)
    ]
    for name, rows in {"plain": [*plain, *twice], "traces": traces, "more": plain[:2]}.items():
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for order in (("plain", "traces", "more"), ("traces", "plain", "more")):
        section = ProblemsSection(sources=[str(tmp_path / f"{name}.jsonl") for name in order])
        out = tmp_path / "-".join(order)
        problems_step.run(section, out / "p", out / "h", out / "r", seed=0)
        found, responses = read_parts(out / "p"), read_parts(out / "r")
        assert found["id"].is_unique().all()
        assert sorted(found["problem"]) == sorted(row["problem"] for row in [*plain, *traces])
        joined = responses.join(found, left_on="problem_id", right_on="id")
        assert joined.height == 6
        assert all(
            f"\\boxed{{{gold}}}" in said for gold, said in joined.select("answer", "content").iter_rows()
        )
        assert set(read_dropped(out / "p")["reason"]) <= {"same_problem", "duplicate_id"}
        assert read_dropped(out / "p").height == 3
