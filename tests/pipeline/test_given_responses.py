"""The flagship recipe over local files of its sources' shape: responses that came with the problems are not requested again."""

import json
import os
import subprocess
import sys

import polars as pl
import pytest
import yaml

from factory.run.layout import RunLayout
from factory.run.parts import read_dropped, read_parts
from factory.sources.problems import read_problems
from tests.servers.running import servers

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
    """Files in the shape of OpenR1-Math-220k and Bespoke-Stratos-17k, and how many whole responses a problem has."""
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
    env = {**os.environ, "FACTORY_PROGRESS": "off"}
    command = [sys.executable, "-m", "factory.cli.main", *map(str, words)]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=120)


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
        assert f"there already: {count} of the {given} that came with the problems" in dry.stdout
        assert f"still missing: {48 - count}" in dry.stdout
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
