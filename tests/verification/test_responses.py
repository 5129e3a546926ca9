import polars as pl

from factory.config.verify import VerifySection
from factory.verification import verify_responses
from schemas.verdict import VERDICT_COLUMNS

ROWS = pl.DataFrame(
    {
        "problem_id": ["p-1", "p-1", "p-2", "p-3", "p-4"],
        "answer": ["1/2", "1/2", "7", "A", None],
        "content": ["So \\boxed{0.5}.", "So \\boxed{2}.", None, "The answer is (A).", "\\boxed{3}"],
        "status": ["complete", "complete", "cut_in_reasoning", "complete", "complete"],
    }
)


def test_every_row_gets_a_verdict_in_order():
    checked = verify_responses(ROWS, VerifySection(workers=1))
    assert checked.get_column("problem_id").to_list() == ROWS.get_column("problem_id").to_list()
    assert checked.get_column("verdict").to_list() == [
        "correct",
        "incorrect",
        "no_answer",
        "correct",
        "unverifiable",
    ]
    assert {c.name for c in VERDICT_COLUMNS} <= set(checked.columns)


def test_kind_is_inferred_and_recorded():
    checked = verify_responses(ROWS, VerifySection(workers=1))
    assert checked.get_column("answer_kind").to_list()[:4] == ["math", "math", None, "choice"]


def test_former_verdicts_are_replaced():
    once = verify_responses(ROWS, VerifySection(workers=1))
    twice = verify_responses(once.with_columns(verdict=pl.lit("correct")), VerifySection(workers=1))
    assert twice.drop("verify_seconds").equals(once.drop("verify_seconds"))


def test_no_rows_give_no_rows():
    assert verify_responses(ROWS.head(0)).height == 0
