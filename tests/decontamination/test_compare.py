"""`factory decontaminate --compare`: what another setting decides differently."""

import json

import pytest

from tests.support.cli import run_factory

TEMPLATE = (
    "A farmer keeps {} geese and {} ducks in a pond behind the barn. How many birds does the farmer keep?"
)


def decontaminate(*arguments):
    return run_factory("decontaminate", *arguments)


@pytest.fixture
def files(tmp_path):
    benchmark, rows = tmp_path / "bench.jsonl", tmp_path / "rows.jsonl"
    benchmark.write_text(json.dumps({"id": "b0", "problem": TEMPLATE.format(17, 25)}))
    texts = [TEMPLATE.format(17, 25), TEMPLATE.format(3, 8), "Factor the polynomial into two parts."]
    rows.write_text("".join(json.dumps({"id": str(i), "problem": t}) + "\n" for i, t in enumerate(texts)))
    return rows, benchmark


def test_rows_that_only_one_setting_drops_are_named(files, tmp_path):
    rows, benchmark = files
    plain, strict = tmp_path / "plain", tmp_path / "strict"
    assert decontaminate(rows, "--against", benchmark, "--out", plain).returncode == 0
    done = decontaminate(
        rows, "--against", benchmark, "--out", strict, "--drop-templates", "--compare", plain
    )
    assert done.returncode == 0, done.stderr
    shown = " ".join(done.stdout.split())
    assert "dropped here only: 1 rows; dropped by the other run only: 0" in shown
    assert "template" in shown
    back = decontaminate(rows, "--against", benchmark, "--out", plain, "--compare", strict)
    assert "dropped here only: 0 rows; dropped by the other run only: 1" in " ".join(back.stdout.split())
    same = decontaminate(rows, "--against", benchmark, "--out", plain, "--compare", plain)
    assert "dropped here only: 0 rows; dropped by the other run only: 0" in " ".join(same.stdout.split())


def test_runs_of_other_files_are_not_compared(files, tmp_path):
    rows, benchmark = files
    other = tmp_path / "other.jsonl"
    other.write_text(json.dumps({"id": "1", "problem": "Something else."}))
    assert decontaminate(other, "--against", benchmark, "--out", tmp_path / "a").returncode == 0
    done = decontaminate(rows, "--against", benchmark, "--out", tmp_path / "b", "--compare", tmp_path / "a")
    assert done.returncode == 2
    assert "different files" in " ".join(done.stderr.split())
    done = decontaminate(
        rows, "--against", benchmark, "--out", tmp_path / "b", "--compare", tmp_path / "none"
    )
    assert done.returncode == 2
    assert "no finished decontamination" in " ".join(done.stderr.split())
