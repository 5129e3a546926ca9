"""A checker of the user's own in place of the rules: what its word means, what it may ask for, and when it is asked again."""

import os
from pathlib import Path

import polars as pl
import pytest

from factory.config.verify import VerifySection
from factory.errors import FactoryError, UsageError
from factory.functions.own import Outcome
from factory.run.parts import read_parts
from factory.steps import verify as step
from factory.verification import CheckRequest, Verifier, verify_responses
from factory.verification.own import fields_of, result_of, told
from factory.verification.result import checking
from schemas.verdict import Verdict


@pytest.mark.parametrize(
    ("value", "verdict", "confidence"),
    [
        (True, "correct", 1.0),
        (False, "incorrect", 1.0),
        (1, "correct", 1.0),
        (0, "incorrect", 1.0),
        (0.5, "correct", 0.5),
        (0.8, "correct", 0.8),
        (0.2, "incorrect", 0.8),
        ("correct", "correct", 1.0),
        ("unverifiable", "unverifiable", 0.0),
        ("no_answer", "no_answer", 0.9),
        ({"verdict": 0.25}, "incorrect", 0.75),
        ({"verdict": "incorrect", "reason": "sign", "extracted": "-3"}, "incorrect", 1.0),
    ],
)
def test_what_a_word_means(value, verdict, confidence):
    outcome = told(Outcome(value), "check")
    result = result_of(outcome, "7", "math")
    assert (str(result.verdict), result.confidence) == (verdict, pytest.approx(confidence))
    if isinstance(value, dict) and "reason" in value:
        assert (result.reason, result.extracted) == ("sign", "-3")


@pytest.mark.parametrize(
    "value",
    [None, 2, -0.1, 1e400, float("nan"), "right", "Correct", "", [True], {}, {"correct": True}, {"verdict": None},
     {"verdict": True, "score": 1}, {"verdict": {"verdict": True}}, {"verdict": True, "reason": 3}],
)  # fmt: skip
def test_anything_else_is_an_error_that_says_what_to_return(value):
    outcome = told(Outcome(value), "check")
    assert "check returned" in outcome.error and "return True or False" in outcome.error
    assert result_of(outcome, None, "math").verdict is Verdict.UNVERIFIABLE


def test_late_is_a_timeout():
    assert result_of(Outcome(error="late", late=True), None, "math").verdict is Verdict.TIMEOUT


def test_what_a_checker_may_ask_for():
    row = {"hint": "h", "metadata": '{"tolerance": 0.1, "hint": "no"}', "_own": 1}
    request = CheckRequest(
        "<think>hm</think>So \\boxed{7}.", "8", choices=("a", "b"), metadata=row["metadata"], row=row
    )
    fields = fields_of(request)
    assert (fields["response"], fields["reasoning"], fields["extracted"]) == ("So \\boxed{7}.", "hm", "7")
    assert (fields["answer"], fields["choices"], fields["hint"]) == ("8", ["a", "b"], "h")
    assert fields["tolerance"] == 0.1 and "_own" not in fields


ROWS = pl.DataFrame(
    {
        "problem": ["pi?"] * 5,
        "answer": ["3.14159"] * 5,
        "response": ["\\boxed{3.14}", "\\boxed{3.4}", "\\boxed{x}", "<think>never ends", "three"],
        "status": ["complete", "complete", "complete", "cut_in_reasoning", "complete"],
        "unit": [None, "cm", "cm", "cm", "cm"],
    }
)
NEAR = """
def near(extracted, answer, unit=None):
    return {"verdict": abs(float(extracted) - float(answer)) < 0.01, "reason": f"unit {unit}"}
def fails(row): raise ValueError("no")
def asks(units): return True
def what_rules_leave(rules, extracted): return rules if rules == "correct" else extracted == "3.4"
def long(response): return len(response) > 13
"""


@pytest.fixture
def files(tmp_path, monkeypatch):
    """`mine.py` and `rows.parquet` in the current folder."""
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(NEAR)
    ROWS.write_parquet("rows.parquet")
    return tmp_path


def run(out="out", function="near", rows="rows.parquet", **more):
    return step.run([rows], Path(out), VerifySection(checker=f"mine.py:{function}", workers=1, **more))


@pytest.mark.usefixtures("files")
def test_it_decides_instead_of_the_rules_and_its_errors_are_counted():
    found = run()
    rows = read_parts(Path("out"))
    assert rows["verdict"].to_list() == ["correct", "incorrect", "unverifiable", "no_answer", "unverifiable"]
    assert rows["method"].to_list() == ["own", "own", "own", "extraction", "own"]
    assert rows["verdict_reason"].to_list()[:3] == [
        "unit None",
        "unit cm",
        "near: ValueError: could not convert string to float: 'x' (mine.py:3)",
    ]
    assert set(rows["checker_version"]) == {f"near@{found.manifest['settings']['checker near'][:8]}"}
    assert found.summary.own["failed"] == 2 and found.summary.own["rows"] == 4
    assert "could not convert" in found.summary.own["first"]


@pytest.mark.usefixtures("files")
def test_an_edited_function_is_asked_again_and_an_untouched_one_is_not(monkeypatch, capfd):
    monkeypatch.setenv("FACTORY_PROGRESS", "log")
    assert run().made and not run().made
    capfd.readouterr()
    path = Path("mine.py")
    os.utime(path, (1, 1))
    assert not run().made
    path.write_text(NEAR.replace("< 0.01", "< 1"))
    assert run().made
    assert "verify: made again, because of other checker near\n" in capfd.readouterr().err
    assert read_parts(Path("out"))["verdict"].to_list()[:2] == ["correct", "correct"]
    assert run(function="long").made


@pytest.mark.usefixtures("files")
def test_no_gold_is_needed():
    ROWS.drop("answer").write_parquet("bare.parquet")
    with pytest.raises(UsageError, match=r"--checker FILE\.py:FUNCTION"):
        step.run(["bare.parquet"], Path("rules"), VerifySection())
    run(rows="bare.parquet", function="long")
    rows = read_parts(Path("out"))
    assert rows["verdict"].to_list() == ["incorrect", "incorrect", "incorrect", "no_answer", "incorrect"]
    assert rows["answer"].null_count() == 5


@pytest.mark.usefixtures("files")
def test_one_that_fails_everywhere_ends_the_step_in_one_line():
    with pytest.raises(FactoryError, match=r"failed at all 4 rows: fails: ValueError: no \(mine\.py:4\)"):
        run(function="fails")
    with pytest.raises(UsageError, match=r"asks for units, .* did you mean unit"):
        run(function="asks")
    assert not (Path("out") / "_manifest.json").exists()


@pytest.mark.usefixtures("files")
def test_workers_and_order_change_nothing():
    def verdicts(rows, workers):
        section = VerifySection(checker="mine.py:near", workers=workers)
        with Verifier(section) as verifier:
            return verify_responses(rows, section, verifier=verifier).drop("verify_seconds")

    many = pl.concat([ROWS] * 20)
    one = verdicts(many, 1)
    assert one.equals(verdicts(many, 3)) and one[::-1].equals(verdicts(many[::-1], 2))


@pytest.mark.usefixtures("files")
def test_it_may_ask_what_the_rules_say():
    gold = pl.concat([ROWS, ROWS.head(1).with_columns(response=pl.lit("\\boxed{3.14159}"))])
    gold.write_parquet("rows.parquet")
    run(function="what_rules_leave")
    rows = read_parts(Path("out"))
    assert rows["verdict"].to_list() == [
        "correct",
        "correct",
        "incorrect",
        "no_answer",
        "incorrect",
        "correct",
    ]
    assert set(rows["method"]) == {"own", "extraction"}


def test_without_a_checker_the_key_is_what_it_was():
    assert list(checking(VerifySection())) == ["seconds", "checker"]
