"""Verified responses from files of any origin, as the pairs step reads them."""

from __future__ import annotations

import hashlib

import polars as pl

from factory.errors import UsageError
from factory.verification.columns import as_responses
from schemas import ResponseStatus

NEEDED = ("problem", "verdict")


def as_verdicts(rows: pl.DataFrame, where: str) -> pl.DataFrame:
    """Fill in what pairing reads and foreign tables lack: ids, status, sampler, lengths, problem facts.

    Raises:
        UsageError: there is no problem, verdict, answer or response column.
    """
    missing = [name for name in NEEDED if name not in rows.columns]
    if missing:
        raise UsageError(
            f"{where} has no column {', '.join(missing)} (columns there: {', '.join(rows.columns) or 'none'})",
            do="run `factory verify` on it first" if "verdict" in missing else "rename the column to problem",
        )
    rows = as_responses(rows, where)
    absent = lambda name: name not in rows.columns  # noqa: E731
    fill: list[pl.Expr | pl.Series] = []
    if absent("problem_id"):
        fill.append(_ids("problem_id", "p-", rows["problem"].cast(pl.String)))
    if absent("response_id"):
        text = rows.select(
            pl.concat_str("problem", "reasoning", "content", separator="\n", ignore_nulls=True)
        )
        numbered = [f"{index}\n{value}" for index, value in enumerate(text.to_series())]
        fill.append(_ids("response_id", "r-", pl.Series(numbered, dtype=pl.String)))
    if absent("status"):
        fill.append(pl.lit(ResponseStatus.COMPLETE.value).alias("status"))
    for name, default in (("sampler", "unknown"), ("model", "unknown"), ("source", "unknown")):
        if absent(name):
            fill.append(pl.lit(default).alias(name))
    if absent("completion_tokens"):
        fill.append(pl.lit(None, dtype=pl.Int32).alias("completion_tokens"))
    if absent("choices"):
        fill.append(pl.lit(None, dtype=pl.List(pl.String)).alias("choices"))
    for name in ("extracted", "licence", "domain", "level"):
        if absent(name):
            fill.append(pl.lit(None, dtype=pl.String).alias(name))
    return rows.with_columns(fill)


def _ids(name: str, prefix: str, texts: pl.Series) -> pl.Series:
    return pl.Series(name, [prefix + hashlib.sha256(str(t).encode()).hexdigest()[:16] for t in texts])
