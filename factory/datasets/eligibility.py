"""Why a response may not enter a training set: one reason a row, the first that applies."""

from __future__ import annotations

import polars as pl

from factory.datasets.render import renderable
from schemas import ResponseStatus, Verdict

LIGHT = [
    "problem_id",
    "response_id",
    "verdict",
    "status",
    "repetitive",
    "domain",
    "level",
    "completion_tokens",
]
"""Columns that selection looks at besides the text; small enough for millions of rows."""


def unfit(*, need_reasoning: bool = True) -> pl.Expr:
    """Reason why a row is no training text, or null when it is one.

    Reasons: the verdict (`incorrect`, `unverifiable`, ...), `no_reasoning` (unless that is allowed), `incomplete`,
    `repetitive`, `unrenderable` (holds think tags of its own, or has no answer part).
    """
    whole = [ResponseStatus.COMPLETE.value, ResponseStatus.NO_REASONING.value]
    return (
        pl.when(pl.col("verdict") != Verdict.CORRECT.value)
        .then(pl.col("verdict"))
        .when((pl.col("status") == ResponseStatus.NO_REASONING.value) & need_reasoning)
        .then(pl.col("status"))
        .when(~pl.col("status").is_in(whole))
        .then(pl.lit("incomplete"))
        .when(pl.col("repetitive"))
        .then(pl.lit("repetitive"))
        .when(~renderable())
        .then(pl.lit("unrenderable"))
        .otherwise(None)
    )
