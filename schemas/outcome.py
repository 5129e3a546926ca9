"""What a graded response counts as: the one definition for evaluation, difficulty, pairs, selection and reports.

Expressions over columns `status` (`ResponseStatus`) and `verdict` (`Verdict`).
"""

from __future__ import annotations

import polars as pl

from schemas.response import COMPLETE_STATUSES, TRUNCATED_STATUSES, ResponseStatus
from schemas.verdict import Verdict

WRONG = (Verdict.INCORRECT.value, Verdict.NO_ANSWER.value)


def complete() -> pl.Expr:
    """True where the model ended its answer itself."""
    return pl.col("status").is_in(COMPLETE_STATUSES)


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
