"""Which responses may be chosen or rejected. Lazy: texts of responses that cannot make a pair are never read."""

from __future__ import annotations

import polars as pl

from factory.datasets.render import renderable
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

CUT = (ResponseStatus.CUT_IN_REASONING.value, ResponseStatus.CUT_IN_ANSWER.value)
SAID = (Verdict.CORRECT.value, Verdict.INCORRECT.value, Verdict.NO_ANSWER.value)


def chosen_pool(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Complete, verified correct and, where repetition was measured, not repetitive."""
    fit = rows.filter((pl.col("verdict") == Verdict.CORRECT.value) & _whole())
    return fit.filter(~pl.col("repetitive")) if "repetitive" in rows.collect_schema().names() else fit


def rejected_pool(rows: pl.LazyFrame, *, truncated: bool = False, delta: bool = False) -> pl.LazyFrame:
    """Complete and verified incorrect; never `unverifiable` or `timeout`.

    Args:
        rows: verdict rows.
        truncated: let responses in that the token budget cut.
        delta: let correct ones in too: the pair is one of strong model over weak model.
    """
    verdict = pl.col("verdict")
    wrong = verdict.is_in(SAID[:2]) if delta else verdict == Verdict.INCORRECT.value
    fit = _whole() & wrong
    if truncated:
        has_text = pl.concat_str("reasoning", "content", ignore_nulls=True).str.len_bytes() > 0
        fit |= pl.col("status").is_in(CUT) & verdict.is_in(SAID[1:]) & has_text
    return rows.filter(fit)


def both_sided(chosen: pl.LazyFrame, rejected: pl.LazyFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read the texts of those responses whose problem has both sides."""
    right = chosen.select("problem_id").unique()
    wrong = rejected.select("problem_id").unique()
    both = right.join(wrong, on="problem_id", how="semi").collect(engine="streaming")
    wanted = pl.col("problem_id").is_in(both["problem_id"].implode())
    order = ["problem_id", "response_id"]
    sides = [
        pool.select(COLUMNS).filter(wanted).collect(engine="streaming").sort(order)
        for pool in (chosen, rejected)
    ]
    return sides[0], sides[1]


def _whole() -> pl.Expr:
    return (pl.col("status") == ResponseStatus.COMPLETE.value) & renderable()
