"""Which prompts go to RL, in which order, and how many groups will teach nothing."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from factory.datasets.selection import seeded_order
from schemas.outcome import above_guess
from schemas.problem import SELF_SCORED


def dead_group_probability(alpha: ArrayLike, beta: ArrayLike, group: int) -> NDArray[np.float64]:
    """Probability that all `group` rollouts of a prompt get the same reward, which gives no gradient.

    E[p^G + (1-p)^G] under the Beta(alpha, beta) posterior of the pass rate p; at a known p it is p^G + (1-p)^G
    (DAPO's accuracy 0 and 1, arXiv 2503.14476).
    """
    from scipy.special import betaln

    alpha, beta = np.asarray(alpha, float), np.asarray(beta, float)
    whole = betaln(alpha, beta)
    return np.exp(betaln(alpha + group, beta) - whole) + np.exp(betaln(alpha, beta + group) - whole)


def band_reason(low: float, high: float) -> pl.Expr:
    """Why a problem is outside the band, or null: `never_solved`, `too_hard`, `too_easy`, `no_gold`.

    The band is taken on the observed rate, so that a problem never solved is out at low = 0, and corrected for guessing.
    """
    rate = above_guess(pl.col("correct") / pl.col("attempts"), pl.col("guess_rate"))
    return (
        pl.when(pl.col("answer").is_null() & ~pl.col("answer_kind").fill_null("").is_in(SELF_SCORED))
        .then(pl.lit("no_gold"))
        .when(pl.col("correct") == 0)
        .then(pl.lit("never_solved"))
        .when(rate <= low)
        .then(pl.lit("too_hard"))
        .when(rate > high)
        .then(pl.lit("too_easy"))
        .otherwise(None)
    )


def in_training_order(rows: pl.DataFrame, buckets: int, seed: int) -> pl.DataFrame:
    """Add `bucket` (equal parts by mean rollout length, 0 shortest) and mix the lengths: one prompt of every bucket in turn.

    Read short to long instead, a student sees one length at a time: it learnt to stop after three lines, and from then on
    had every longer chain wrong (two of three seeds of the quickstart fell by 4 and 40 points).
    """
    rows = rows.sort("tokens_mean", "problem_id", nulls_last=True)
    share = pl.int_range(pl.len()) * buckets // pl.len()
    rows = rows.with_columns(bucket=share.cast(pl.Int32), _draw=seeded_order(rows["problem_id"], seed))
    turn = pl.col("_draw").rank("ordinal").over("bucket")
    return rows.sort(turn, "bucket").drop("_draw")
