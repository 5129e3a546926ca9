"""`factory difficulty` and `factory pairs` as a user runs them."""

import json
import os
import sys

import polars as pl
import pytest

from factory.run.parts import read_parts
from tests.support.cli import run_factory


def factory(*words):
    return run_factory(*words, COLUMNS="200")


@pytest.fixture(scope="module")
def rolled(tmp_path_factory):
    out = tmp_path_factory.mktemp("verbs") / "d"
    words = (
        "procedural:all?count=15&seed=4",
        "--student",
        "procedural",
        "--max-tokens",
        2048,
        "--max-samples",
        6,
    )
    return factory("difficulty", *words, "--out", out), out, words


def test_difficulty_then_pairs(rolled, tmp_path):
    done, out, words = rolled
    assert done.returncode == 0, done.stderr
    assert "too_easy" in done.stdout
    assert read_parts(out).height == 15
    again = factory("difficulty", *words, "--out", out)
    assert "up to date" in again.stdout
    paired = factory("pairs", out / "__rollouts", "--out", tmp_path / "p", "--max-length-bias", 3)
    assert paired.returncode == 0, paired.stderr
    assert "length bias" in paired.stdout
    table = read_parts(tmp_path / "p")
    assert table.height > 3
    assert table["chosen"][0][0]["content"].startswith("<think>\n")
    assert (
        "up to date"
        in factory("pairs", out / "__rollouts", "--out", tmp_path / "p", "--max-length-bias", 3).stdout
    )


def test_right_answers_of_the_student_are_chosen_when_asked(rolled, tmp_path):
    _, out, _ = rolled
    done = factory(
        "pairs",
        out / "__rollouts",
        "--rollouts",
        out / "__rollouts",
        "--chosen-from",
        "student",
        "--rejected-from",
        "student",
        "--max-length-bias",
        3,
        "--out",
        tmp_path / "p",
    )
    assert done.returncode == 0, done.stderr
    manifest = json.loads((tmp_path / "p" / "_manifest.json").read_text())
    assert manifest["settings"]["chosen_from"] == "student"
    assert read_parts(tmp_path / "p").height > 3
    alone = factory("pairs", out / "__rollouts", "--chosen-from", "student", "--out", tmp_path / "q")
    assert alone.returncode == 2
    assert "chosen_from=student needs the student's rollouts" in alone.stderr


def test_pairs_of_a_foreign_table(tmp_path):
    rows = []
    for i in range(20):
        for right in (True, False):
            words = " ".join(f"{'so' if right else 'hm'}{i}{j}" for j in range(10 + (i * 7 + right * 3) % 9))
            rows.append(
                {
                    "problem": f"What is {i} and {i}?",
                    "answer": str(2 * i),
                    "response": f"<think>{words}</think>It is \\boxed{{{2 * i + (not right)}}}",
                    "verdict": "correct" if right else "incorrect",
                }
            )
    source = tmp_path / "rows.jsonl"
    source.write_text("\n".join(map(json.dumps, rows)) + "\n{broken\n")
    done = factory("pairs", source, "--out", tmp_path / "o", "--prompt", "Solve: {problem}")
    assert done.returncode == 0, done.stderr
    table = read_parts(tmp_path / "o")
    assert table.height == 20
    assert table.filter(pl.col("problem_id").is_duplicated()).height == 0
    assert table["prompt"][0][0]["content"].startswith("Solve: What is")
    dropped = read_parts(tmp_path / "o" / "__input" / "responses" / "__dropped")
    assert dropped["row_id"][0].endswith("rows.jsonl:41")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("pairs", "nowhere.jsonl", "--out", "o"), "nowhere.jsonl"),
        (("pairs", "rows.jsonl", "--out", "o"), "no column verdict"),
        (("pairs", "rows.jsonl", "--rule", "luck", "--out", "o"), "--rule"),
        (
            ("difficulty", "rows.jsonl", "--student", "procedural", "--confidence", "0.3", "--out", "o"),
            "--confidence",
        ),
        (("difficulty", "rows.jsonl", "--student", "nobody", "--out", "o"), "nobody"),
        (("difficulty", "rows.jsonl", "--student", "student", "--out", "o"), "--model"),
    ],
)
def test_user_mistakes_are_one_line_and_exit_2(tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.jsonl").write_text(
        json.dumps({"problem": "1+1?", "answer": "2", "response": "2"}) + "\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    done = factory(*words)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert len([line for line in done.stderr.splitlines() if line.startswith("factory:")]) == 1
