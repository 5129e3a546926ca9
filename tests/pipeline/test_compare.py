"""Which set is better: sets of any origin made comparable, real students trained and asked, verdicts in words."""

import json
import random

import polars as pl
import pytest

from factory.cli.main import build_app
from factory.config.compare import CompareSection
from factory.datasets.render import render_completion
from factory.errors import UsageError
from factory.evaluation.comparison import Compared, Comparison
from factory.evaluation.crossed import Difference
from factory.pipeline.compare import compare
from factory.run.parts import read_parts
from factory.sampling.procedural import Habits, write_trace
from factory.sources.families import EVERY_FAMILY
from factory.sources.procedural import draw_problems
from factory.steps import compare_sets
from schemas import COMPLETION
from tests.support.cli import start_factory

CHAINS = "procedural:modular_chain?count={}&seed={}&style=terse&levels=middle&steps=2-2&modulus=7&repeats=0"


def traces(count, seed, *, shuffled=False):
    """Right chains; shuffled, their steps stand in any order."""
    made = []
    for problem in draw_problems(CHAINS.format(count, seed)):
        rng = random.Random(f"{seed}{problem['problem']}")
        habits = Habits(slip_rate=0, loop_rate=0, cut_rate=0)
        params = json.loads(problem["metadata"])["params"]
        trace = write_trace(EVERY_FAMILY["modular_chain"], params, rng, habits, terse=True)
        steps = trace.reasoning.split("; ")
        if shuffled:
            rng.shuffle(steps)
        text = render_completion("; ".join(steps), trace.content)
        made.append({"problem": problem["problem"], "answer": problem["answer"], "response": text})
    return made


def write_traces(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return str(path)


def write_set(folder, rows):
    """A training set as `factory select` leaves it."""
    folder.mkdir(parents=True)
    empty = pl.DataFrame(pl.from_arrow(COMPLETION.empty()))
    frame = pl.DataFrame(
        [
            {
                "prompt": [{"role": "user", "content": row["problem"]}],
                "completion": [{"role": "assistant", "content": row["response"]}],
                "problem_id": f"p{number}",
                "source": "made",
                "response_id": f"r{number}",
                "teacher": "t",
                "model": "m",
                "answer": row["answer"],
                "verdict": "correct",
            }
            for number, row in enumerate(rows)
        ]
    )
    missing = [
        pl.lit(None, dtype=kind).alias(name) for name, kind in empty.schema.items() if name not in frame
    ]
    frame.with_columns(missing).select(empty.columns).write_parquet(folder / "train-00000-of-00001.parquet")
    return str(folder)


def read(path, out, **changes):
    return compare_sets.read_set(path, out, CompareSection(**changes))


def test_a_set_and_traces_come_to_the_same_rows(tmp_path):
    rows = traces(20, 1)
    ready = read(write_set(tmp_path / "ready", rows), tmp_path / "a")
    found = read(write_traces(tmp_path / "t.jsonl", rows), tmp_path / "b")
    assert (ready.summary.origin, found.summary.origin) == ("training set", "traces")
    one, two = (
        read_parts(tmp_path / name).select("prompt", "completion", "answer", "problem").sort("problem")
        for name in "ab"
    )
    assert one.equals(two)
    assert read(str(tmp_path / "ready"), tmp_path / "a").made is False


def test_traces_are_worded_as_asked_and_cut_ones_are_dropped(tmp_path):
    rows = traces(6, 2)
    rows[0]["response"] = "<think>\n1+1=2; and then"
    done = read(write_traces(tmp_path / "t.jsonl", rows), tmp_path / "out", prompt="Solve: {problem}")
    made = read_parts(tmp_path / "out")
    assert made.height == 5 and done.manifest["dropped"] == {"incomplete_or_empty": 1}
    assert all(
        row["prompt"][0]["content"] == f"Solve: {row['problem']}" for row in made.iter_rows(named=True)
    )


@pytest.mark.parametrize(
    "rows",
    [[{"problem": "What is 1 + 1?", "answer": "2"}], [{"problem": "1 + 1?", "response": "<think>\nhm"}]],
)
def test_what_holds_no_traces_is_one_line(tmp_path, rows):
    with pytest.raises(UsageError, match=r"neither training rows nor traces|no complete response"):
        read(write_traces(tmp_path / "t.jsonl", rows), tmp_path / "out")


def test_names_are_short_and_differ():
    names = compare_sets.set_names(["a/sft.jsonl", "b/sft.parquet", "runs/x/", "hf/y.tar.gz"])
    assert names == ["sft-1", "sft-2", "x", "y"]
    assert compare_sets.set_names(["v1.5", "../..", "a b/c d", "naïve", "..", "v1.5.parquet"]) == [
        "v1.5-1", "set-1", "c-d", "naïve", "set-2", "v1.5-2"
    ]  # fmt: skip


def prepared(tmp_path, first, second, **changes):
    section = CompareSection(**{"limit": 40} | changes)
    sets = {"a": tmp_path / "sets/a/rows", "b": tmp_path / "sets/b/rows"}
    for path, rows in zip(sets.values(), (first, second), strict=True):
        compare_sets.read_set(write_traces(tmp_path / f"{path.parent.name}.jsonl", rows), path, section)
    compare_sets.write_questions(sets, tmp_path / "questions", section)
    clean = {}
    for name, path in sets.items():
        clean[name] = path.with_name("clean")
        compare_sets.clean_set(path, tmp_path / "questions", clean[name])
    done = compare_sets.finish_sets(clean, tmp_path / "sets", section)
    questions = read_parts(tmp_path / "questions")
    return questions, {name: pl.read_parquet(tmp_path / f"sets/{name}/set/*.parquet") for name in sets}, done


def asked_in(rows):
    return set(rows["prompt"].list.first().struct.field("content"))


def test_questions_are_taken_out_of_all_sets_in_equal_shares(tmp_path):
    shared, own, others = traces(100, 3), traces(100, 4), traces(100, 5)
    questions, sets, _ = prepared(tmp_path, shared + own, shared + others)
    texts = set(questions["problem"])
    assert questions.height == len(texts) == 40 and questions["answer"].null_count() == 0
    for rows in sets.values():
        assert not texts & asked_in(rows) and rows.height >= 150
    from_one = texts & {row["problem"] for row in shared + own}
    from_two = texts & {row["problem"] for row in shared + others}
    assert min(len(from_one), len(from_two)) >= 20


def test_named_questions_that_a_set_holds_leave_it(tmp_path):
    rows = traces(60, 6)
    path = tmp_path / "questions.jsonl"
    write_traces(path, [{"problem": row["problem"], "answer": row["answer"]} for row in rows[:25]])
    questions, sets, _ = prepared(tmp_path, rows, traces(60, 7), questions=str(path))
    assert questions.height == 25
    assert not asked_in(sets["a"]) & {row["problem"] for row in rows[:25]}
    assert sets["a"].height <= 35


def test_too_few_problems_with_answers_ask_for_questions(tmp_path):
    with pytest.raises(UsageError, match="questions can be taken out"):
        prepared(tmp_path, traces(30, 8), traces(30, 9))


def test_matched_lengths_are_the_same_in_both_sets(tmp_path):
    longer = [
        row | {"response": row["response"].replace("</think>", "; check again\n</think>")}
        for row in traces(150, 10)
    ]
    plain = traces(150, 11)
    _, sets, done = prepared(tmp_path, plain + longer[:20], longer + plain[:40], match_lengths=True)
    sizes = [
        rows["completion"].list.first().struct.field("content").str.len_bytes() for rows in sets.values()
    ]
    assert sizes[0].len() == sizes[1].len() > 30
    assert abs(sizes[0].mean() - sizes[1].mean()) < 3
    assert all(
        each.manifest["rows_out"] == rows.height
        for each, rows in zip(done.values(), sets.values(), strict=True)
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["{one}"], "a comparison needs two sets"),
        (["{one}", "{one}", "--seeds", "2"], "--seeds"),
        (["{one}", "nowhere.jsonl"], "nowhere.jsonl"),
        (["{one}", "{one}", "--budget-tokens", "1000", "--questions", CHAINS.format(30, 99)], "--budget-tokens to 32,768"),
        pytest.param(["{one}", "{long}", "--questions", CHAINS.format(30, 99)], "longer than the 512 tokens that tiny_base reads", marks=pytest.mark.long),
        pytest.param(["{one}", "{one}", "--student", "nobody/nothing", "--questions", CHAINS.format(30, 99)], "nobody/nothing", marks=pytest.mark.long),
        (["{one}", "{one}", "--questions", "aime2"], "aime2"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(words, said, tmp_path):
    one = write_traces(tmp_path / "one.jsonl", traces(30, 12))
    longer = [
        row | {"response": row["response"].replace("<think>", "<think>\n" + "so; " * 400)}
        for row in traces(9, 2)
    ]
    long = write_traces(tmp_path / "long.jsonl", traces(20, 12) + longer)
    done = start_factory(
        "compare", *(word.format(one=one, long=long) for word in words), "--out", tmp_path / "out"
    )
    assert done.returncode in (1, 2) and said in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.long
def test_the_better_set_is_found_by_students_that_are_trained_and_asked(tmp_path, capsys):
    """The whole way, small: right chains against chains whose steps are shuffled. Run again, nothing is done again."""
    good = write_set(tmp_path / "good", traces(400, 13))
    poor = write_traces(tmp_path / "poor.jsonl", traces(400, 13, shuffled=True))
    out = tmp_path / "out"
    section = CompareSection(
        seeds=3, budget_tokens=40_000, questions=CHAINS.format(40, 98), limit=40, max_tokens=48
    )
    found = compare([poor, good], out, section)
    assert [each.name for each in found.sets] == ["good", "poor"]
    (pair,) = found.pairs
    assert pair.better == "good" and pair.low > 0 and "good is better than poor by" in found.verdicts[0]
    students = sorted(out.glob("students/*/student.json"))
    facts = [json.loads(path.read_text("utf-8")) for path in students]
    assert len(facts) == 6 and len({each["seed"] for each in facts}) == 6
    sizes = [each["tokens"] for each in facts]
    assert max(sizes) <= 1.05 * min(sizes) and max(sizes) <= found.tokens  # equal tokens, whatever the set
    assert not list(out.glob("students/*/train"))
    times = [path.stat().st_mtime_ns for path in students]
    words = [
        "compare",
        poor,
        good,
        "--out",
        str(out),
        "--seeds",
        "3",
        "--budget-tokens",
        "40000",
        "--max-tokens",
        "48",
    ]
    build_app().main(
        args=[*words, "--limit", "40", "--questions", CHAINS.format(40, 98)], standalone_mode=False
    )
    shown = capsys.readouterr().out
    assert "good is better than poor" in shown
    assert [path.stat().st_mtime_ns for path in students] == times
    page = (out / "comparison.html").read_text("utf-8")
    assert "good is better than poor" in page and "<script" not in page
    assert json.loads((out / "result.json").read_text("utf-8"))["pairs"][0]["first"] == "good"


def comparison(*, means=(0.5, 0.4), sizes=(70.0, 70.0), pair=None, plan=None):
    sets = [
        Compared(name, name, "traces", 100, 0, size, 1.0, mean, 0.02, mean / 2, 1.0)
        for name, mean, size in zip("ab", means, sizes, strict=True)
    ]
    pair = pair or Difference("a", "b", 0.1, 0.02, 0.18, 0.9)
    return Comparison(sets, [pair], [pair], {}, 400, 5, 120_000, "tiny_base", False, plan or {})


def test_verdicts_in_words():
    assert comparison().verdicts == [
        "a is better than b by 10.0 points (2.0 to 18.0; 5 seeds, 400 questions); 90 of 100 repeats would say the same"
    ]
    none = Difference("a", "b", 0.01, -0.02, 0.04, 0.8)
    assert comparison(pair=none).verdicts == [
        "a and b: no difference found; a may be up to 4.0 points better or 2.0 worse (5 seeds, 400 questions); 80 of 100 "
        "repeats would say the same"
    ]


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"means": (0.01, 0.0)}, "no student answers more than 2%"),
        ({"means": (1.0, 0.99)}, "every student answers almost all"),
        (
            {"plan": {"overlong": {"b": 0.07}, "max_length": 512}},
            "7% of the rows of b are longer than a pack of 512",
        ),
        ({"sizes": (70.0, 100.0)}, "the rows differ in length (70 to 100 tokens)"),
    ],
)
def test_what_a_reader_must_know_first(facts, said):
    assert any(said in each for each in comparison(**facts).warnings)
    assert not comparison().warnings
