"""Which responses may be paired, and verified responses from files of any origin brought into that form."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import polars as pl

from factory.datasets.render import renderable
from factory.errors import UsageError
from factory.verification.responses import as_responses
from schemas import ResponseStatus, Verdict, outcome
from schemas.verdict import CONFIDENT

NEEDED = ("problem", "verdict")
DEFAULTS: dict[str, pl.Expr] = {
    "status": pl.lit(ResponseStatus.COMPLETE.value),
    **dict.fromkeys(("sampler", "model", "source"), pl.lit("unknown")),
    "completion_tokens": pl.lit(None, dtype=pl.Int32),
    "metadata": pl.lit(None, pl.String),
    "choices": pl.lit(None, dtype=pl.List(pl.String)),
    **dict.fromkeys(("extracted", "licence", "domain", "level"), pl.lit(None, dtype=pl.String)),
}
"""What stands in for columns that foreign tables lack."""


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
    fill: list[pl.Expr | pl.Series] = [
        value.alias(name) for name, value in DEFAULTS.items() if name not in rows.columns
    ]
    if "problem_id" not in rows.columns:
        fill.append(_ids("problem_id", "p-", rows["problem"].cast(pl.String)))
    if "response_id" not in rows.columns:
        parts = ("problem", "reasoning", "content")
        text = rows.select(pl.concat_str(parts, separator="\n", ignore_nulls=True)).to_series()
        fill.append(_ids("response_id", "r-", [f"{index}\n{value}" for index, value in enumerate(text)]))
    return rows.with_columns(fill)


def _ids(name: str, prefix: str, texts: Iterable[str]) -> pl.Series:
    return pl.Series(name, [prefix + hashlib.sha256(str(t).encode()).hexdigest()[:16] for t in texts])


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

AGREED = 0.75
"""Least share of the votes behind a majority answer, where that answer is all that makes a response wrong."""


def chosen_pool(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Complete, verified correct and, where repetition was measured, not repetitive."""
    fit = rows.filter((pl.col("verdict") == Verdict.CORRECT.value) & _complete())
    return fit.filter(~pl.col("repetitive")) if "repetitive" in rows.collect_schema().names() else fit


def rejected_pool(rows: pl.LazyFrame, *, truncated: bool = False, delta: bool = False) -> pl.LazyFrame:
    """Complete and verified incorrect with confidence; never `unverifiable` or `timeout`.

    Args:
        rows: verdict rows.
        truncated: let truncated responses in.
        delta: let correct ones in too: the pair is one of strong model over weak model.
    """
    verdict = pl.col("verdict")
    wrong = (verdict == Verdict.INCORRECT.value) & _confident(rows.collect_schema())
    if delta:
        wrong |= verdict == Verdict.CORRECT.value
    fit = _complete() & wrong
    if truncated:
        has_text = pl.concat_str("reasoning", "content", ignore_nulls=True).str.len_bytes() > 0
        fit |= outcome.truncated() & (wrong | (verdict == Verdict.NO_ANSWER.value)) & has_text
    return rows.filter(fit)


def _confident(schema: pl.Schema) -> pl.Expr:
    """True where an `incorrect` verdict is sure enough to train against; one without `confidence` (older) counts as sure."""
    sure = pl.lit(True)
    if "confidence" in schema:
        sure &= (pl.col("confidence") >= CONFIDENT).fill_null(True)
    if "answer_votes" in schema:  # "5/8": the gold is what five of eight samples answered
        votes = pl.col("answer_votes").cast(pl.String).str.split_exact("/", 1)
        share = votes.struct[0].cast(pl.Float64, strict=False) / votes.struct[1].cast(
            pl.Float64, strict=False
        )
        sure &= (share >= AGREED).fill_null(True)
    return sure


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


def _complete() -> pl.Expr:
    """Complete with a reasoning part: one side alone without it would give the pair away."""
    return (pl.col("status") == ResponseStatus.COMPLETE.value) & renderable()
