"""Whether the posteriors can be believed: what they claim against what a run's own later rollouts showed.

Adaptive sampling ends where the counts look clear, so whole histories may not be halved at will: how long a history is
says something about its outcome. Two comparisons are fair whatever the stopping rule is:

- *next rollout*: the posterior mean from all rollouts before one, against that one. Whether it was sampled was decided
  by the rollouts before it alone.
- *band*: the first round, which every problem gets in full, cut in halves. The first half's posterior gives the
  probability of each band for the pass rate that the other half will show (beta-binomial); against how often that band
  is seen. This is the nearest that rollouts come to `band_probability`: the true band is never seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from factory.datasets.posterior import BANDS, Floats, Prior, true_band, with_guessing
from factory.evaluation.statistics import wilson
from schemas import Band
from schemas.outcome import scored, solved, with_guess_rate

LEAST = 30
"""Problems below which no reliability is drawn: with ten bins of three the intervals cover nearly everything."""


@dataclass(frozen=True, slots=True)
class Reliability:
    """One bin: mean claim, share that came true with its 95% Wilson interval, and comparisons."""

    claimed: float
    observed: float
    low: float
    high: float
    count: int


def next_rollout(rollouts: pl.DataFrame, prior: Prior) -> tuple[Floats, NDArray[np.bool_]]:
    """Posterior mean before each rollout with a signal, and whether that rollout was right.

    Args:
        rollouts: VERDICT rows: `problem_id`, `sample_index`, `verdict`, `status`.
        prior: of the pass rate.
    """
    rows = _outcomes(rollouts).with_columns(
        before=pl.col("right").cast(pl.Int64).cum_sum().over("problem_id") - pl.col("right").cast(pl.Int64),
        tried=pl.int_range(pl.len()).over("problem_id"),
    )
    rows = rows.filter(pl.col("tried") > 0)
    claimed = (prior.alpha + rows["before"].to_numpy()) / (
        prior.alpha + prior.beta + rows["tried"].to_numpy()
    )
    return claimed, rows["right"].to_numpy()


def other_half(
    rollouts: pl.DataFrame, prior: Prior, *, low: float, high: float, first_round: int
) -> dict[Band, tuple[Floats, NDArray[np.bool_]]]:
    """For each band: the claimed probability that the second half's pass rate lies in it, and whether it does.

    Args:
        rollouts: VERDICT rows.
        prior: of the pass rate.
        low: lower bound of the useful band, of the rate corrected for guessing.
        high: upper bound of it.
        first_round: rollouts that every problem gets (`difficulty.min_samples`).

    Returns:
        Arrays with one entry a problem that has a signal in both halves; empty when `first_round` is below 2.
    """
    from scipy.stats import betabinom

    rows = _outcomes(rollouts.filter(pl.col("sample_index") < first_round))
    first, right = pl.col("sample_index") < first_round // 2, pl.col("right").cast(pl.Int64)
    counts = rows.group_by("problem_id", maintain_order=True).agg(
        pl.col("guess_rate").first().alias("guess"),
        n1=first.sum(),
        k1=right.filter(first).sum(),
        n2=(~first).sum(),
        k2=right.filter(~first).sum(),
    )
    names = ("n1", "k1", "n2", "k2", "guess")
    cells = counts.filter((pl.col("n1") > 0) & (pl.col("n2") > 0)).group_by(names).len()
    claims: list[Floats] = [np.zeros((0, len(BANDS)))]
    seen: list[NDArray[np.int64]] = [np.zeros(0, int)]
    for n1, k1, n2, k2, guess, problems in cells.sort(names).iter_rows():
        bounds = (float(with_guessing(bound, guess)) for bound in (low, high))
        chances = betabinom.pmf(np.arange(n2 + 1), n2, prior.alpha + k1, prior.beta + n1 - k1)
        bands = true_band(np.arange(n2 + 1) / n2, *bounds)
        claims.append(np.tile(np.bincount(bands, weights=chances, minlength=len(BANDS)), (problems, 1)))
        seen.append(np.full(problems, bands[k2]))
    claimed, shown = np.concatenate(claims), np.concatenate(seen)
    return {band: (claimed[:, at], shown == at) for at, band in enumerate(BANDS)}


def reliability(claims: Floats, hits: NDArray[np.bool_], bins: int = 10) -> list[Reliability]:
    """Claims against what came true, in equal-width bins of the claim; empty bins are left out."""
    place = np.clip((claims * bins).astype(int), 0, bins - 1)
    found = []
    for at in np.unique(place):
        here = place == at
        count, share = int(here.sum()), float(hits[here].mean())
        interval = wilson(share, count)
        found.append(Reliability(float(claims[here].mean()), share, interval.low, interval.high, count))
    return found


def _outcomes(rollouts: pl.DataFrame) -> pl.DataFrame:
    """`problem_id`, `sample_index`, `right` and `guess_rate` of rollouts with a signal, in the order of sampling."""
    rows = with_guess_rate(rollouts.filter(scored()).with_columns(right=solved()))
    names = ("problem_id", "sample_index", "right", "guess_rate")
    return rows.select(names).sort("problem_id", "sample_index")
