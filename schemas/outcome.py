"""What a graded response counts as: the one definition for evaluation, difficulty, pairs, selection and reports.

Expressions over columns `status` (`ResponseStatus`) and `verdict` (`Verdict`).
"""

from __future__ import annotations

import polars as pl

from schemas.problem import AnswerKind
from schemas.response import COMPLETE_STATUSES, TRUNCATED_STATUSES, ResponseStatus
from schemas.verdict import Verdict

WRONG = (Verdict.INCORRECT.value, Verdict.NO_ANSWER.value)


def complete() -> pl.Expr:
    """True where the model ended its answer itself."""
    return pl.col("status").is_in(COMPLETE_STATUSES)


def counts(need_reasoning: bool) -> pl.Expr:
    """True where a response that is there already is one of the samples that are wanted of its problem."""
    return pl.col("status") == ResponseStatus.COMPLETE.value if need_reasoning else complete()


def truncated() -> pl.Expr:
    """True where the token budget or the loop guard ended the response."""
    return pl.col("status").is_in(TRUNCATED_STATUSES)


def solved() -> pl.Expr:
    """True for a complete response that is verified correct; a truncated one solves nothing, whatever it holds."""
    return (pl.col("verdict") == Verdict.CORRECT.value) & complete()


def scored() -> pl.Expr:
    """True for responses that say something about the pass rate: solved or wrong.

    A truncated response and one without an answer are wrong: the model did not solve the problem. What could not be
    judged (`unverifiable`, `timeout`) and what was never answered (the request failed) do not count at all.
    """
    failed = pl.col("status") == ResponseStatus.FAILED.value
    judged = pl.col("verdict").is_in((Verdict.CORRECT.value, *WRONG))
    return ~failed & (truncated() | judged)


def with_guess_rate(rows: pl.DataFrame) -> pl.DataFrame:
    """Add `guess_rate`, the pass rate of blind guessing: 1/k of a choice question with k options listed, else 0."""
    if "choices" not in rows.columns or rows["choices"].dtype == pl.Null:
        return rows.with_columns(guess_rate=pl.lit(0.0))
    kind = pl.col("answer_kind") if "answer_kind" in rows.columns else pl.lit(None, pl.String)
    options = pl.col("choices").list.len()
    guessed = (kind.fill_null(AnswerKind.CHOICE.value) == AnswerKind.CHOICE.value) & (options > 1)
    return rows.with_columns(guess_rate=pl.when(guessed).then(1 / options).otherwise(0.0).fill_null(0.0))


def above_guess(rate: pl.Expr, guess: pl.Expr) -> pl.Expr:
    """A pass rate corrected for guessing: 0 at the guess rate or below, 1 at 1 (the classical formula scoring)."""
    return ((rate - guess) / (1 - guess)).clip(0, 1)
