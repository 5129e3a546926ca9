"""Which responses may be chosen or rejected."""

from __future__ import annotations

import polars as pl

from factory.preference.render import renderable
from schemas import ResponseStatus, Verdict

COLUMNS = [
    "problem_id",
    "response_id",
    "sampler",
    "model",
    "verdict",
    "status",
    "reasoning",
    "content",
    "extracted",
    "completion_tokens",
]
"""What pairing reads of a response."""


def whole() -> pl.Expr:
    """Complete responses that can be rendered."""
    return (pl.col("status") == ResponseStatus.COMPLETE.value) & renderable()


def chosen_pool(rows: pl.DataFrame) -> pl.DataFrame:
    """Complete, verified correct and, where repetition was measured, not repetitive."""
    fit = rows.filter((pl.col("verdict") == Verdict.CORRECT.value) & whole())
    return fit.filter(~pl.col("repetitive")) if "repetitive" in fit.columns else fit


def rejected_pool(rows: pl.DataFrame) -> pl.DataFrame:
    """Complete and verified incorrect; never `unverifiable`, `timeout` or `no_answer`."""
    return rows.filter((pl.col("verdict") == Verdict.INCORRECT.value) & whole())
