"""Which responses a training set takes: eligibility, the limit per problem, and the balanced draw."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import polars as pl

from factory.datasets.render import renderable
from factory.run.tables import give_reason
from schemas import ResponseStatus, Verdict
from schemas.outcome import complete

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
TOKEN_BYTES = 4
"""Bytes that count as a token where the model's own count is unknown."""
MAJORITY = 3
"""Fewer responses with an answer make no majority."""


def ineligible(*, need_reasoning: bool = True, keep: str = "correct") -> pl.Expr:
    """Reason why a row is no training text, or null when it is one.

    Reasons: the verdict (`incorrect`, `unverifiable`, ...) unless others are kept, too, `no_reasoning` (unless that is
    allowed), `incomplete`, `repetitive`, `unrenderable` (holds think tags of its own, or has no answer part).
    """
    return (
        pl.when((pl.col("verdict") != Verdict.CORRECT.value) & (keep == "correct"))
        .then(pl.col("verdict"))
        .when((pl.col("status") == ResponseStatus.NO_REASONING.value) & need_reasoning)
        .then(pl.col("status"))
        .when(~complete())
        .then(pl.lit("incomplete"))
        .when(pl.col("repetitive"))
        .then(pl.lit("repetitive"))
        .when(~renderable())
        .then(pl.lit("unrenderable"))
        .otherwise(None)
    )


def tokens() -> pl.Expr:
    """Tokens of a response: the model's count, or one for `TOKEN_BYTES` bytes."""
    size = pl.sum_horizontal(pl.col("reasoning", "content").str.len_bytes().fill_null(0))
    return pl.coalesce("completion_tokens", size // TOKEN_BYTES)


def answer_form() -> pl.Expr:
    """What answers are counted by: all that equal the gold are one, others by their canonical form; null without an answer."""
    right = pl.col("verdict") == Verdict.CORRECT.value
    return pl.when(right).then(pl.lit("=")).otherwise(pl.coalesce("extracted_canonical", "extracted"))


def outvoted(rows: pl.DataFrame) -> pl.DataFrame:
    """Give a reason to responses without the majority's answer, and to all of a problem that has no majority.

    Args:
        rows: every complete response: `problem_id`, `form` (see `answer_form`), `reason`.
    """
    votes = pl.len().over("problem_id", "form")
    of = pl.col("form").is_not_null().sum().over("problem_id")
    wins = pl.col("form").is_not_null() & (2 * votes > of) & (of >= MAJORITY)
    rows = rows.with_columns(_wins=wins)
    rows = give_reason(rows, ~pl.col("_wins").any().over("problem_id"), "no_majority")
    return give_reason(rows, ~pl.col("_wins"), "minority").drop("_wins")


def seeded_order(ids: pl.Series, seed: int) -> pl.Series:
    """A number for every id that depends on the id and the seed alone: sort by it to draw without replacement."""
    digests = [hashlib.blake2b(f"{seed}:{x}".encode(), digest_size=8).digest() for x in ids]
    return pl.Series(ids.name, [int.from_bytes(d, "big") for d in digests], dtype=pl.UInt64)


def limit_per_problem(rows: pl.DataFrame, limit: int | None, seed: int) -> pl.DataFrame:
    """At most `limit` responses of every problem, drawn by seed; row order stays."""
    if limit is None:
        return rows
    return (
        rows.with_columns(_draw=seeded_order(rows["response_id"], seed))
        .filter(pl.col("_draw").rank("ordinal").over("problem_id") <= limit)
        .drop("_draw")
    )


def hardest_first(rows: pl.DataFrame) -> pl.DataFrame:
    """Add `rank`, 0 for the hardest: the teacher's share of wrong answers to the problem, then the response's length.

    Args:
        rows: every response of the teacher, wrong ones too: `problem_id`, `verdict`, `completion_tokens`.
    """
    judged = pl.col("verdict").is_in([Verdict.CORRECT.value, Verdict.INCORRECT.value])
    wrong = ((pl.col("verdict") == Verdict.INCORRECT.value).sum() / judged.sum()).over("problem_id")
    keyed = rows.with_columns(
        _wrong=wrong.fill_nan(0.0).round(6), _tokens=pl.col("completion_tokens").fill_null(0)
    )
    order = pl.struct(-pl.col("_wrong"), -pl.col("_tokens").cast(pl.Int64)).rank("dense") - 1
    return keyed.with_columns(rank=order).drop("_wrong", "_tokens")


def draw_evenly(rows: pl.DataFrame, size: int, balance: Sequence[str], seed: int) -> pl.DataFrame:
    """Draw `size` rows as evenly over the cells of `balance` as the rows allow; row order stays.

    Every cell gives its first row, then every cell its second, and so on; within a cell rows come by `rank` when there
    is such a column, then by seed.
    """
    order = ["rank", "_draw"] if "rank" in rows.columns else ["_draw"]
    drawn = rows.with_columns(_draw=seeded_order(rows["response_id"], seed)).with_row_index("_row")
    drawn = drawn.sort(order)
    turn = pl.int_range(pl.len()).over(list(balance)) if balance else pl.int_range(pl.len())
    drawn = drawn.with_columns(_turn=turn).sort(["_turn", *order]).head(size)
    return drawn.sort("_row").drop("_row", "_draw", "_turn")
