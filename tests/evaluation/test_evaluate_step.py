import json
import math
import re
from dataclasses import asdict

import polars as pl
import pytest
from click.testing import CliRunner

from factory.cli.main import build_app
from factory.config.evaluation import EvaluationSection
from factory.config.verify import VerifySection
from factory.errors import FactoryError, UsageError
from factory.evaluation import PROTOCOLS, stage_deltas, summarise
from factory.evaluation.benchmarks import benchmark_name, load_benchmark
from factory.run.parts import MANIFEST, check_parts, read_parts
from factory.steps import evaluate as step
from schemas import VERDICT

SPEC = "procedural:modular_chain?count=40&seed=1&steps=3&modulus=10&style=terse"
KEYS = {
    "questions", "samples", "pass_at_1", "low", "high", "pass_at_k", "majority_at_k", "truncated_share", "tokens_mean",
}  # fmt: skip


def evaluated(out, *, samples=3, seed=0, stage="sft", benchmarks=(SPEC,), store=None, **settings):
    section = EvaluationSection(benchmarks=list(benchmarks), samples=samples, **settings)
    return step.run(
        "procedural",
        out,
        section,
        VerifySection(workers=1),
        held_out=None,
        store=store or out / "store",
        seed=seed,
        stage=stage,
    )


def test_writes_graded_parts_and_a_summary(tmp_path):
    summary = evaluated(tmp_path)
    written = json.loads((tmp_path / "summary.json").read_text())
    assert written == {key: value for key, value in asdict(summary).items() if key != "made"}
    assert (written["stage"], written["model"]) == ("sft", "procedural")
    assert written["sampling"] == {
        "samples": 3,
        "temperature": 0.6,
        "top_p": 0.95,
        "max_tokens": 32768,
        "limit": None,
    }
    row = written["benchmarks"]["procedural-modular_chain"]
    assert set(row) >= KEYS
    assert (row["questions"], row["samples"]) == (40, 120) and 0.55 < row["pass_at_1"] < 0.85
    assert row["low"] < row["pass_at_1"] < row["high"] and set(row["pass_at_k"]) == {"1", "2", "3"}
    graded = read_parts(tmp_path / "procedural-modular_chain")
    assert graded.columns[: len(VERDICT.names)] == VERDICT.names
    assert summarise(graded) == row, "the figures follow from the parts"
    check_parts(tmp_path / "procedural-modular_chain")
    by_hand = graded.group_by("problem_id").agg((pl.col("verdict") == "correct").mean())["verdict"].mean()
    assert row["pass_at_1"] == pytest.approx(by_hand)


def test_a_second_run_makes_nothing_and_more_samples_buy_only_the_rest(tmp_path):
    first = evaluated(tmp_path)
    stamp = (tmp_path / "procedural-modular_chain" / MANIFEST).stat().st_mtime_ns
    again = evaluated(tmp_path)
    assert again.made == [] and again.benchmarks == first.benchmarks
    assert (tmp_path / "procedural-modular_chain" / MANIFEST).stat().st_mtime_ns == stamp
    few = read_parts(tmp_path / "procedural-modular_chain")
    more = evaluated(tmp_path, samples=5)
    assert more.made == ["procedural-modular_chain"]
    many = read_parts(tmp_path / "procedural-modular_chain")
    kept = many.filter(pl.col("sample_index") < 3)
    assert kept["response_id"].to_list() == few["response_id"].to_list()
    assert many.height == 200


def test_a_file_in_any_benchmark_s_folder_stops_it_before_the_first_is_asked(tmp_path):
    path = tmp_path / "b.jsonl"
    path.write_text('{"problem": "1+1?", "answer": "2"}\n')
    mine = tmp_path / "out" / "b" / "notes.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(UsageError, match=r"notes\.txt was not written by step evaluate"):
        evaluated(tmp_path / "out", benchmarks=[SPEC, str(path)], store=tmp_path / "store")
    assert mine.read_text() == "mine" and not (tmp_path / "store").exists()


def test_limit_draws_the_same_questions_for_every_model(tmp_path):
    one, two = (load_benchmark(SPEC, limit=10, seed=s).questions["id"].to_list() for s in (1, 1))
    assert one == two and len(one) == 10
    assert one != load_benchmark(SPEC, limit=10, seed=2).questions["id"].to_list()
    assert evaluated(tmp_path, limit=10).benchmarks["procedural-modular_chain"]["questions"] == 10


def test_stage_deltas_pair_neighbouring_stages(tmp_path):
    for stage, seed in (("base", 1), ("sft", 2), ("rl", 3)):
        evaluated(tmp_path / "eval" / stage, stage=stage, seed=seed, store=tmp_path / "store")
    deltas = stage_deltas(tmp_path)
    assert [(d.before, d.after, d.benchmark) for d in deltas] == [
        ("base", "sft", "procedural-modular_chain"),
        ("sft", "rl", "procedural-modular_chain"),
    ]
    for delta in deltas:
        assert delta.change.questions == 40
        assert delta.change.low <= delta.change.delta <= delta.change.high
        assert not delta.change.risen, "the same teacher cannot have risen"
    figures = [
        json.loads((tmp_path / "eval" / s / "summary.json").read_text())["benchmarks"]
        for s in ("base", "sft")
    ]
    was, now = (f["procedural-modular_chain"]["pass_at_1"] for f in figures)
    assert deltas[0].change.delta == pytest.approx(now - was)


def test_when_nothing_was_answered_it_says_why_and_leaves_no_manifest(tmp_path):
    path = tmp_path / "b.jsonl"
    path.write_text('{"problem": "1+1?", "answer": "2"}\n')
    with pytest.raises(FactoryError, match=r"all 3 requests failed.*no procedural family"):
        evaluated(tmp_path / "out", benchmarks=[str(path)])
    assert not (tmp_path / "out" / "b" / MANIFEST).exists()


def test_wrong_benchmarks_are_named(tmp_path):
    with pytest.raises(UsageError, match="set no problems aside"):
        evaluated(tmp_path, benchmarks=["held_out"])
    with pytest.raises(UsageError, match="known names: held_out, aime24"):
        evaluated(tmp_path, benchmarks=["aime99"])
    with pytest.raises(UsageError, match="two benchmarks are called"):
        evaluated(tmp_path, benchmarks=[SPEC, SPEC.replace("seed=1", "seed=2")])
    path = tmp_path / "b.jsonl"
    path.write_text('{"problem": "1+1?"}\n')
    with pytest.raises(UsageError, match="none of its 1 questions has an answer"):
        evaluated(tmp_path, benchmarks=[str(path)])


def test_names_serve_as_folders():
    assert benchmark_name("../x/math500.jsonl") == "math500"
    assert benchmark_name("hf://datasets/a/b?split=test") == "a-b"
    assert benchmark_name("reasoning_gym:chain_sum?count=3") == "reasoning_gym-chain_sum"
    assert all(
        re.fullmatch(r"[A-Za-z0-9._-]+", benchmark_name(s))
        for s in ("/a/b c.parquet", "run/held_out", "x/*.jsonl")
    )


def test_the_paper_protocol_is_the_recipe_default():
    section = EvaluationSection()
    preset = PROTOCOLS["paper"]
    assert (section.samples, section.temperature, section.top_p, section.max_tokens) == (
        preset.samples,
        preset.temperature,
        preset.top_p,
        preset.max_tokens,
    )
    assert PROTOCOLS["paper-64"].samples == 64


def run(*arguments):
    return CliRunner().invoke(build_app(("eval",)), ["eval", *map(str, arguments)])


def test_the_verb_prints_figures_and_paired_deltas(tmp_path):
    first = run("procedural", "--benchmark", SPEC, "--samples", 2, "--out", tmp_path / "a", "--workers", 1)
    assert first.exit_code == 0, first.output
    assert "procedural-modular" in first.output and "%" in first.output
    second = run(
        "procedural",
        "--benchmark",
        SPEC,
        "--samples",
        2,
        "--seed",
        5,
        "--out",
        tmp_path / "b",
        "--against",
        tmp_path / "a",
        "--workers",
        1,
    )
    assert re.search(
        r"procedural-modular_chain: [+-]\d+\.\d% \([+-].* to [+-].*\) on 40 questions", second.output
    )
    assert (
        "nothing to do"
        in run("procedural", "--benchmark", SPEC, "--samples", 2, "--out", tmp_path / "a").output
    )
    assert isinstance(
        run("procedural", "--benchmark", SPEC, "--protocol", "x", "--out", tmp_path).exception, UsageError
    )


def test_a_real_checkpoint_is_evaluated_and_its_digest_recorded(tmp_path):
    pytest.importorskip("torch")
    from factory.config.train import StudentSection
    from train.student import write_tiny

    write_tiny(
        StudentSection(hidden_size=32, layers=1), ["mod 10: 3 +4 *2", "3+4=7; 7*2=4"], tmp_path / "final", 0
    )
    section = EvaluationSection(benchmarks=[SPEC], samples=2, max_tokens=8, limit=4, batch_size=4)

    def go():
        return step.run(
            str(tmp_path / "final"), tmp_path / "eval", section, VerifySection(workers=1),
            held_out=None, store=tmp_path / "store", seed=0, stage="base", prompt="{problem}",
        )  # fmt: skip

    summary = go()
    row = summary.benchmarks["procedural-modular_chain"]
    assert summary.model == "final" and re.fullmatch(r"[0-9a-f]{64}", summary.revision)
    assert (row["questions"], row["samples"]) == (4, 8)
    assert row["tokens_mean"] <= 8 and not math.isnan(row["pass_at_1"])
    assert go().made == []
    (tmp_path / "final" / "generation_config.json").write_text('{"max_length": 20}')
    assert go().made == ["procedural-modular_chain"], "another checkpoint is another evaluation"


def test_a_checker_of_the_users_own_grades_the_runs_problems_and_no_benchmark(tmp_path):
    """Benchmarks lack the fields that it may ask for, and their figures are to be compared with those of others."""
    mine = tmp_path / "mine.py"
    mine.write_text("def never(row): return False\n")
    problems = tmp_path / "held_out"
    problems.mkdir()
    load_benchmark(SPEC, limit=10).questions.write_parquet(problems / "part-00000.parquet")
    found = step.run(
        "procedural", tmp_path / "out", EvaluationSection(benchmarks=[SPEC, "held_out"], samples=1, limit=10),
        VerifySection(workers=1, checker=f"{mine}:never"), held_out=problems, store=tmp_path / "store", seed=0, stage="sft",
    )  # fmt: skip
    scores = {name: row["pass_at_1"] for name, row in found.benchmarks.items()}
    assert scores["held_out"] == 0.0 and scores["procedural-modular_chain"] > 0.3
