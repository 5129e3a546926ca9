"""What must not leave the house, each put there on purpose."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from factory.atomic import read_json, write_json
from factory.errors import FactoryError, UsageError
from factory.publishing import gate
from factory.publishing.gate import Looked, Refused, check_files, check_run
from factory.publishing.release import build_release
from factory.run.layout import RunLayout
from factory.run.parts import MANIFEST
from factory.run.step_writer import StepWriter
from factory.steps import export
from schemas import COMPLETION, LABELLED, VERDICT
from tests.support.marks import mostly_long

SECRETS = {
    "Hugging Face token": "hf_" + "aB3dE6" * 6,
    "API key": "sk-proj-" + "Zy9" * 12,
    "AWS access key": "AKIA" + "IOSFODNN7EXAMPLE",
    "AWS secret key": "aws_secret_access_key = " + "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEYab",
    "private key": "-----BEGIN OPENSSH " + "PRIVATE KEY-----",
    "GitHub token": "ghp_" + "a1B2" * 9,
    "GitLab token": "glpat-" + "x1y2z3" * 4,
    "Google API key": "AIza" + "Sy0123456789abcdefghijklmnopqrstuvw",
    "Slack token": "xoxb-" + "1234567890-abc",
    "NVIDIA API key": "nvapi-" + "q1w2e3" * 8,
    "Groq API key": "gsk_" + "abcd1234" * 6,
    "JSON web token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0." + "dozjgNryP4J3jVmNHl0w",
    "password in an address": "https://user:hunter22@example.org/v1",
}
"""Made up, one of each kind."""


@pytest.fixture(autouse=True)
def no_benchmarks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The benchmark index is a room of its own; the tests that are about it take it whole."""
    if "benchmark" not in request.node.name:
        monkeypatch.setattr(gate, "benchmark_rows", lambda shards: Looked(0, 0, []))


def with_rows(run: Path, rows: list[dict], make) -> dict[str, Path]:
    """Files of a release whose sft set holds these rows."""
    folder = make.step_folder(run / "selected" / "sft", rows, COMPLETION)
    export.run(folder, RunLayout(run).dataset("sft"), COMPLETION)
    return build_release(run).paths


def test_a_finished_run_passes(run: Path) -> None:
    check_run(run)
    check_files(build_release(run).paths)


def test_a_ledger_that_does_not_balance_is_refused(run: Path) -> None:
    path = RunLayout(run).labelled / MANIFEST
    write_json(path, read_json(path) | {"rows_in": 61})
    with pytest.raises(
        FactoryError, match="does not balance at verdicts/labelled: 61 rows in, 60 out, 0 dropped"
    ):
        check_run(run)


@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_a_damaged_shard_is_refused_by_name(run: Path, damage: str) -> None:
    shard = RunLayout(run).dataset("preference") / "train-00000-of-00001.parquet"
    data = bytearray(shard.read_bytes())
    shard.unlink()
    if damage != "gone":
        data[100] ^= 1
        shard.write_bytes(data if damage == "flip" else data[:-50])
    with pytest.raises(FactoryError, match=r"preference/train-00000-of-00001\.parquet is (corrupt|missing)"):
        check_run(run)


def test_a_damaged_rollout_part_is_refused(run: Path) -> None:
    part = RunLayout(run).rollouts / "part-00000.parquet"
    part.write_bytes(part.read_bytes()[:-1])
    with pytest.raises(FactoryError, match=r"rollouts/part-00000.parquet is corrupt"):
        check_run(run)


def test_an_unfinished_set_is_refused(run: Path) -> None:
    (RunLayout(run).dataset("rl") / MANIFEST).unlink()
    with pytest.raises(Refused, match="datasets/rl is unfinished"):
        check_run(run)


def test_a_stray_shard_is_refused(run: Path) -> None:
    folder = RunLayout(run).dataset("rl")
    (folder / "train-00001-of-00002.parquet").write_bytes(b"?")
    with pytest.raises(Refused, match=r"train-00001-of-00002\.parquet is not in the manifest"):
        check_run(run)


def test_a_set_older_than_its_rows_is_refused(run: Path, make) -> None:
    shutil.rmtree(RunLayout(run).selected("sft"))
    make.step_folder(RunLayout(run).selected("sft"), make.completions(12), COMPLETION)
    with pytest.raises(Refused, match="datasets/sft is older than"):
        check_run(run)


def test_a_torn_manifest_is_named(run: Path) -> None:
    path = RunLayout(run).dataset("sft") / MANIFEST
    path.write_text(path.read_text()[:40])
    with pytest.raises(UsageError, match="is not valid JSON"):
        check_run(run)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no finished step"):
        check_run(tmp_path)


@pytest.mark.parametrize(
    "licence, why",
    [
        ("CC BY-ND 4.0", "does not allow changed copies"),
        ("CC-BY-NC-ND-4.0", "does not allow changed copies"),
        ("All rights reserved", "does not allow changed copies"),
        ("proprietary", "does not allow changed copies"),
        (None, "states no licence"),
        ("none in repo", "states no licence"),
        ("unknown", "states no licence"),
    ],
)
def test_licences_that_do_not_allow_it_are_refused(run: Path, make, licence: str | None, why: str) -> None:
    rows = make.completions(20)
    rows[7] |= {"licence": licence, "source": "theirs"}
    files = with_rows(run, rows, make)
    with pytest.raises(
        Refused, match=f"sft/.*row {rows[7]['response_id']} of source 'theirs' .*{why}.*--vouch"
    ):
        check_files(files)
    check_files(files, vouched=["theirs"])


@pytest.mark.parametrize(
    "licence", ["MIT", "Apache-2.0", "CC BY-SA 4.0", "CC-BY-NC-4.0", "ODC-By", "andorra-1.0"]
)
def test_licences_that_allow_it_pass(run: Path, make, licence: str) -> None:
    check_files(with_rows(run, [row | {"licence": licence} for row in make.completions(5)], make))


@pytest.mark.parametrize("kind", mostly_long(SECRETS, quick=2))
def test_a_secret_in_a_response_is_refused_and_never_shown(run: Path, make, kind: str) -> None:
    rows = make.completions(30)
    rows[11]["completion"][0]["content"] += f"\nMy key is {SECRETS[kind]} ok"
    with pytest.raises(Refused) as caught:
        check_files(with_rows(run, rows, make))
    assert f"row {rows[11]['response_id']}, column completion holds a secret ({kind})" in str(caught.value)
    assert SECRETS[kind] not in str(caught.value)


def test_the_users_own_keys_are_looked_for(run: Path, make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TEACHER_API_KEY", "correct.horse+battery")
    rows = make.completions(5)
    rows[2]["answer"] = "the password is correct.horse+battery"
    with pytest.raises(Refused, match=r"column answer holds a secret \(value of \$MY_TEACHER_API_KEY\)"):
        check_files(with_rows(run, rows, make))


def test_a_secret_in_the_recipe_is_refused(run: Path) -> None:
    path = RunLayout(run).recipe
    path.write_text(
        path.read_text().replace("base_url: null", "base_url: https://me:s3cretpass@example.org/v1")
    )
    with pytest.raises(
        Refused, match=r"(README\.md|recipe\.yaml):\d+ holds a secret \(password in an address\)"
    ):
        check_files(build_release(run).paths)


def test_a_secret_in_a_dropped_row_is_refused(run: Path) -> None:
    at = RunLayout(run)
    row = {"step": "label", "row_id": "r-1", "problem_id": "p-000000", "reason": "repetitive"}
    with StepWriter(at.labelled, "label", LABELLED) as writer:
        writer.drop(pl.DataFrame([row | {"row": json.dumps({"key": SECRETS["API key"]})}]))
        writer.finish(rows_in=1)
    with pytest.raises(Refused, match=r"dropped/.*row r-1, column row holds a secret \(API key\)"):
        check_files(build_release(run).paths)


def test_ordinary_mathematics_holds_no_secret(run: Path, make) -> None:
    rows = make.completions(3)
    rows[0]["completion"][0]["content"] = (
        "task-oriented sk-learn hf_ AKIA eyJ https://example.org/a:b 2:3@4 \\frac{sk}{-1}"
    )
    check_files(with_rows(run, rows, make))


EXAM = (
    "A photon of wavelength 532 nanometres strikes a caesium plate whose work function is 2.14 electronvolts; "
    "which of the four listed kinetic energies do the ejected electrons reach at most?"
)
"""Stands for a row of a benchmark whose makers ask that it never appears in plain text."""


@pytest.fixture
def exam(tmp_path: Path) -> Path:
    path = tmp_path / "secret_exam.jsonl"
    path.write_text(json.dumps({"id": "exam-17", "problem": EXAM, "answer": "B"}) + "\n")
    return path


@pytest.mark.parametrize(
    "dress", [EXAM, EXAM.upper().replace(" ", "  "), f"Solve this.\n\n{EXAM}\n\nThink first."]
)
def test_a_benchmark_row_is_refused_by_name(
    run: Path, make, exam: Path, monkeypatch: pytest.MonkeyPatch, dress: str
) -> None:
    real = gate.benchmark_rows
    monkeypatch.setattr(gate, "benchmark_rows", lambda shards: real(shards, [str(exam)]))
    rows = make.completions(12)
    files = with_rows(run, rows, make)
    assert check_files(files)["benchmark_problems"] == 1
    rows[5]["prompt"] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": dress}]
    files = with_rows(run, rows, make)
    with pytest.raises(
        Refused, match=f"sft/.*row {rows[5]['response_id']} repeats a benchmark problem.*secret_exam"
    ):
        check_files(files)


def test_a_benchmark_row_among_the_rollouts_is_refused(
    run: Path, make, exam: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = gate.benchmark_rows
    monkeypatch.setattr(gate, "benchmark_rows", lambda shards: real(shards, [str(exam)]))
    at = RunLayout(run)
    frame = pl.read_parquet(at.rollouts / "*.parquet")
    problems = [EXAM if i == 8 else text for i, text in enumerate(frame["problem"])]
    with StepWriter(at.rollouts, "rollouts", VERDICT) as writer:
        writer.keep(frame.with_columns(problem=pl.Series(problems)))
        writer.finish(rows_in=frame.height)
    with pytest.raises(
        Refused, match=f"rollouts/.*row {frame['response_id'][8]} repeats a benchmark problem"
    ):
        check_files(build_release(run).paths)


def test_a_benchmark_row_among_the_dropped_is_refused(
    run: Path, exam: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = gate.benchmark_rows
    monkeypatch.setattr(gate, "benchmark_rows", lambda shards: real(shards, [str(exam)]))
    row = {"step": "label", "row_id": "r-9", "problem_id": "p-000000", "reason": "repetitive"}
    with StepWriter(RunLayout(run).labelled, "label", LABELLED) as writer:
        writer.drop(pl.DataFrame([row | {"row": json.dumps({"problem": EXAM})}]))
        writer.finish(rows_in=1)
    with pytest.raises(Refused, match=r"dropped/.*row r-9 repeats a benchmark problem"):
        check_files(build_release(run).paths)


GPQA = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "benchmarks" / "gpqa_diamond.jsonl"


def test_a_gpqa_benchmark_row_is_refused_by_the_shipped_index(run: Path, make) -> None:
    from factory.decontamination.load import shipped

    if "gpqa_diamond" not in shipped():
        pytest.skip("this installation has no index of GPQA")
    if not GPQA.is_file():
        pytest.skip("the rows of GPQA are not on this machine")
    questions = [json.loads(line)["problem"] for line in GPQA.open(encoding="utf-8")]
    for question in questions[::40]:
        rows = make.completions(4)
        rows[2]["prompt"][0]["content"] = question
        with pytest.raises(
            Refused, match=f"sft/.*row {rows[2]['response_id']} repeats a benchmark problem.*gpqa"
        ):
            check_files(with_rows(run, rows, make))
