"""Which teacher is worth its price: the columns of a pilot are those of a count by hand, asked or recorded."""

import json
from pathlib import Path

import polars as pl
import pytest

import factory as f
from factory.cli.main import build_app
from factory.config.generate import GenerateSection
from factory.config.pilot import PilotSection
from factory.errors import Stopped, UsageError
from factory.run.parts import read_parts
from factory.steps import pilot
from tests.servers.running import servers
from tests.support.cli import run_factory

SHARED = Path(__file__).parents[3] / "shared" / "data" / "traces"


def rows(model, right, wrong, cut=0, words=4):
    """Traces of a model: on problems that all models share."""
    made = []
    for number in range(right + wrong + cut):
        answer = number if number < right else number + 1
        work = " ".join(f"{model}{number * 1000 + k}" for k in range(words))
        text = f"<think>\n{work}\n" + (
            "" if number >= right + wrong else f"</think>\nIt is \\boxed{{{answer}}}."
        )
        made.append(
            {"problem": f"What is {number} + 0, asked for the time {number}?", "answer": str(number), "response": text, "model": model}
        )  # fmt: skip
    return made


def run(given, out, *teachers, **changes):
    section = GenerateSection(samples=1, max_tokens=64, prompt="{problem}")
    asked = PilotSection(teachers=list(teachers), **changes)
    return pilot.run([str(given)], out, section, asked, store=out / "store", seed=0)


def write(path, made):
    path.write_text("".join(json.dumps(row) + "\n" for row in made), "utf-8")
    return path


def test_recorded_traces_are_counted_by_model(tmp_path):
    given = write(
        tmp_path / "traces.jsonl",
        rows("good", 18, 2) + rows("fair", 10, 10, words=40) + rows("cut", 10, 0, cut=10),
    )
    found = {each.teacher: each for each in run(given, tmp_path / "out")}
    assert list(found) == ["good", "fair", "cut"] or list(found) == ["good", "cut", "fair"]
    good, fair = found["good"], found["fair"]
    assert (good.accepted, good.responses, good.problems) == (18, 20, 20)
    assert good.yield_ == pytest.approx(0.9) and good.low < 0.9 < good.high
    assert (fair.accepted, fair.yield_) == (10, pytest.approx(0.5))
    assert fair.tokens > 3 * good.tokens and not fair.counted and fair.usd is None
    assert good.behind == "" and fair.behind.startswith("+40.0")
    assert found["cut"].accepted == 10
    assert good.surprisal is None


def test_of_many_problems_so_many_are_drawn_and_the_same_for_all(tmp_path):
    given = write(tmp_path / "traces.jsonl", rows("a", 30, 10) + rows("b", 20, 20))
    found = run(given, tmp_path / "out", problems=15)
    assert {each.problems for each in found} == {15}
    first = [(each.teacher, each.accepted) for each in found]
    assert [(each.teacher, each.accepted) for each in run(given, tmp_path / "out", problems=15)] == first


def test_teachers_are_asked_the_same_problems_and_priced(tmp_path):
    problems = write(
        tmp_path / "problems.jsonl",
        [{"problem": f"What is {n} times one, please?", "answer": str(n)} for n in range(12)],
    )
    with servers() as serve:
        one, two = serve(tokens=20), serve(tokens=50)
        names = [
            f"teacher=vllm,model=m{n},base_url={server.url},price=1/{price}"
            for n, server, price in ((1, one, 2), (2, two, 4))
        ]
        found = {each.teacher: each for each in run(problems, tmp_path / "out", *names, problems=8)}
        assert [server.get("stats")["asked"] for server in (one, two)] == [8, 8]
        for name, price in (("vllm-m1", 2.0), ("vllm-m2", 4.0)):
            told = read_parts(tmp_path / "out" / name / "verdicts")
            paid = sum(
                (row["prompt_tokens"] * 1.0 + row["completion_tokens"] * price) / 1e6
                for row in told.iter_rows(named=True)
            )
            each = found[name]
            assert each.usd == pytest.approx(paid) and each.counted
            right = told.filter(pl.col("verdict") == "correct").height
            assert each.accepted == right
            assert each.usd_per_accepted == (pytest.approx(paid / right) if right else None)
            assert each.tokens == pytest.approx(told["completion_tokens"].mean())
        again = run(problems, tmp_path / "out", *names, problems=8)
        assert [server.get("stats")["asked"] for server in (one, two)] == [8, 8] and len(again) == 2
    same = [set(read_parts(tmp_path / "out" / name / "verdicts")["problem"]) for name in found]
    assert same[0] == same[1]


def named(server, number, price=20):
    return f"teacher=vllm,model=m{number},base_url={server.url},price=1/{price}"


def problems_file(tmp_path, count=12):
    rows = [{"problem": f"What is {n} times one, please?", "answer": str(n)} for n in range(count)]
    return write(tmp_path / "problems.jsonl", rows)


def test_all_teachers_together_spend_no_more_than_the_cap(tmp_path):
    """Not the cap each: the second one finds what the first has left, also when the pilot is started again."""
    given, cap = problems_file(tmp_path, 20), 0.03
    section = GenerateSection(samples=1, max_tokens=64, prompt="{problem}", max_usd=cap, concurrency=1)
    with servers() as serve:
        one, two = serve(tokens=50), serve(tokens=50)
        asked = PilotSection(teachers=[named(one, 1), named(two, 2)], problems=20)
        for _ in range(3):
            with pytest.raises(Stopped):
                pilot.run([str(given)], tmp_path / "out", section, asked, store=tmp_path / "store", seed=0)
        counts = [server.get("stats")["asked"] for server in (one, two)]
        assert counts[0] == 20 and 0 < counts[1] < 20
        assert sum(counts) * 50 * 20 / 1e6 <= cap


@pytest.mark.parametrize(
    ("teacher", "changes", "said"),
    [
        ("qwqq", {}, "no teacher called qwqq"),
        ("deepseek-r1", {}, "DEEPSEEK_API_KEY"),
        ("procedural", {"student": "nowhere"}, "nowhere is not a checkpoint folder"),
    ],
)
def test_nobody_is_asked_before_every_teacher_and_the_student_are_known(
    tmp_path, monkeypatch, teacher, changes, said
):
    monkeypatch.delenv("DEEPSEEK_API_KEY", raising=False)
    with servers() as serve:
        server = serve(tokens=20)
        with pytest.raises(UsageError, match=said):
            run(problems_file(tmp_path), tmp_path / "out", named(server, 1), teacher, **changes)
        assert server.get("stats")["asked"] == 0


def test_nobody_is_asked_where_a_package_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr("factory.pipeline.checks.find_spec", lambda name: None)
    with servers() as serve:
        server = serve(tokens=20)
        teacher, given, out = named(server, 1), problems_file(tmp_path), tmp_path / "out"
        words = ["pilot", str(given), "--out", str(out), "--teacher", teacher]
        for call in (
            lambda: build_app().main(args=words, standalone_mode=False),
            lambda: f.pilot(str(given), [teacher], out),
        ):
            with pytest.raises(UsageError, match="a pilot needs scipy - pip install"):
                call()
        assert server.get("stats")["asked"] == 0


def test_more_text_is_not_less_diverse_and_repetition_is(tmp_path):
    long = rows("long", 10, 0, words=300)
    same = [
        row | {"model": "same", "response": rows("x", 1, 0, words=60)[0]["response"]}
        for row in rows("same", 10, 0)
    ]
    found = {each.teacher: each for each in run(write(tmp_path / "t.jsonl", long + same), tmp_path / "out")}
    assert found["long"].diversity > 0.95 and found["same"].diversity < 0.2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--teacher", "qwqq"], "no teacher called qwqq"),
        (["--teacher", "teacher=vllm,modl=x"], "modl unknown key"),
        (["--teacher", "model=x"], "teacher"),
        (["--teacher", "procedural", "--teacher", "procedural"], "named twice"),
        (["--problems", "0"], "--problems"),
        ([], "there are no traces in it"),
        (["--student", "nowhere"], "nowhere is not a checkpoint folder"),
    ],
)
def test_mistakes_are_one_line(words, said, tmp_path):
    given = write(tmp_path / "p.jsonl", [{"problem": "What is 1 + 1?", "answer": "2"}])
    done = run_factory("teachers", "pilot", given, "--out", tmp_path / "out", *words)
    assert done.returncode == 2 and said in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


def test_problems_without_answers_cannot_be_piloted(tmp_path):
    given = write(tmp_path / "p.jsonl", [{"problem": "What is love, in one word?"}])
    with pytest.raises(UsageError, match="none of the problems has an answer"):
        run(given, tmp_path / "out", "procedural")


def test_the_verb_shows_a_table_and_json(tmp_path, capsys):
    given = write(tmp_path / "traces.jsonl", rows("good", 18, 2) + rows("fair", 10, 10))
    words = ["pilot", str(given), "--out", str(tmp_path / "out")]
    build_app().main(args=words, standalone_mode=False)
    shown = capsys.readouterr().out
    assert "18 of 20" in shown and "not priced" in shown and "good before fair: +40.0" in shown
    build_app().main(args=[*words, "--json"], standalone_mode=False)
    assert json.loads(capsys.readouterr().out)["tables"][0]["rows"][0]["teacher"] == "good"
    assert json.loads((tmp_path / "out" / "pilot.json").read_text("utf-8"))["teachers"][0]["accepted"] == 18


@pytest.mark.skipif(not SHARED.exists(), reason="the shared traces are not here")
def test_published_traces_of_several_models_equal_a_count_by_hand(tmp_path):
    given = pl.read_ndjson(SHARED / "mip_overthinking_long_cot.jsonl", infer_schema_length=None)
    given = given.filter(pl.col("problem").is_in(given["problem"].unique(maintain_order=True)[:25].to_list()))
    path = write(tmp_path / "traces.jsonl", given.to_dicts())
    found = {each.teacher: each for each in run(path, tmp_path / "out", problems=10_000)}
    assert len(found) >= 4
    verdicts = read_parts(tmp_path / "out" / "recorded" / "verdicts")
    known = verdicts.filter(pl.col("answer").is_not_null())
    assert set(found) == set(known["model"]) and found
    for name, each in found.items():
        mine = known.filter(pl.col("model") == name)
        whole = mine.filter(
            pl.col("verdict") == "correct", pl.col("status").is_in(["complete", "no_reasoning"])
        )
        assert (each.responses, each.accepted) == (mine.height, whole.height)
        assert each.responses <= given.filter(pl.col("model") == name).height
