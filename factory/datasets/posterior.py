"""The Beta posterior of a problem's pass rate: its prior, the bands it is cut into, and the difficulty table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from schemas import Band
from schemas.outcome import above_guess, scored, solved, truncated, with_guess_rate

BANDS = (Band.TOO_HARD, Band.USEFUL, Band.TOO_EASY)
"""Bands in the order of rising pass rate; the order of the last axis of `band_probabilities`."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Prior:
    """Beta prior of a problem's pass rate: `alpha` pseudo-successes, `beta` pseudo-failures."""

    alpha: float
    beta: float


JEFFREYS = Prior(0.5, 0.5)
"""Jeffreys' prior of a binomial rate: U-shaped, as pass rates of a student on a problem set are."""


def with_guessing(bound: float, guess: ArrayLike) -> Floats:
    """The raw pass rate at which the rate corrected for guessing is `bound`."""
    guess = np.asarray(guess, float)
    return guess + (1.0 - guess) * bound


def band_probabilities(alpha: ArrayLike, beta: ArrayLike, low: ArrayLike, high: ArrayLike) -> Floats:
    """Posterior probability of each band.

    Args:
        alpha: Beta parameters, shape (n,).
        beta: Beta parameters, shape (n,).
        low: pass rates below it are too hard; a number, or shape (n,).
        high: pass rates above it are too easy; `low <= high`.

    Returns:
        Shape (n, 3), rows sum to 1, columns as in `BANDS`.
    """
    from scipy.special import betainc

    alpha, beta = np.asarray(alpha, float), np.asarray(beta, float)
    below_low, below_high = betainc(alpha, beta, low), betainc(alpha, beta, high)
    return np.stack([below_low, below_high - below_low, 1.0 - below_high], axis=-1)


def credible_interval(alpha: ArrayLike, beta: ArrayLike, mass: float = 0.95) -> tuple[Floats, Floats]:
    """Ends of the equal-tailed credible interval that holds `mass`."""
    from scipy.special import betaincinv

    alpha, beta = np.asarray(alpha, float), np.asarray(beta, float)
    tail = (1.0 - mass) / 2
    return betaincinv(alpha, beta, tail), betaincinv(alpha, beta, 1.0 - tail)


def true_band(rates: ArrayLike, low: float, high: float) -> NDArray[np.int64]:
    """Index into `BANDS` of known pass rates; both bounds belong to the useful band."""
    rates = np.asarray(rates, float)
    return np.where(rates < low, 0, np.where(rates > high, 2, 1)).astype(np.int64)


LEAST, MOST = 0.05, 50.0
"""Pseudo-counts stay in this range, however uniform the first round looks."""


def fit_prior(counts: Iterable[tuple[int, int]]) -> Prior:
    """The Beta prior under which the counts are most probable (empirical Bayes: beta-binomial, maximum a posteriori).

    A fixed prior is wrong for most pairs of student and problem set, and a wrong prior makes early stopping slow or
    overconfident. The first round, in which every problem gets the same number of rollouts, shows how pass rates
    spread. A log-normal hyperprior of standard deviation 1 around Jeffreys' prior keeps small problem sets sane; from
    a few hundred problems on it has no weight.

    Args:
        counts: (attempts, correct) of every problem; those without attempts are left out.
    """
    from scipy.optimize import minimize
    from scipy.special import betaln

    tally = Counter((int(n), int(k)) for n, k in counts if n > 0)
    if not tally:
        return JEFFREYS
    attempts = np.array([n for n, _ in tally], float)
    correct = np.array([k for _, k in tally], float)
    weight = np.array(list(tally.values()), float)
    centre = np.log([JEFFREYS.alpha, JEFFREYS.beta])

    def loss(logs: np.ndarray) -> float:
        a, b = np.exp(logs)
        likelihood = betaln(a + correct, b + attempts - correct) - betaln(a, b)
        return float(-(weight * likelihood).sum() + 0.5 * ((logs - centre) ** 2).sum())

    bounds = [(np.log(LEAST), np.log(MOST))] * 2
    best = minimize(loss, centre, method="L-BFGS-B", bounds=bounds)
    alpha, beta = np.exp(best.x)
    return Prior(round(float(alpha), 4), round(float(beta), 4))


def difficulty_table(
    problems: pl.DataFrame, rollouts: pl.DataFrame, *, low: float, high: float, prior: Prior
) -> pl.DataFrame:
    """Posterior, band, token lengths and student of every problem that has rollouts with a signal.

    Args:
        problems: PROBLEM rows.
        rollouts: VERDICT rows; their `answer_kind` is the problem's where the source states none.
        low: lower bound of the useful band, of the rate corrected for guessing.
        high: upper bound of it.
        prior: Beta prior of the raw pass rate.

    Returns:
        The rows of `problems` that have a signal, in their order, with the columns of DIFFICULTY.
    """
    length = pl.col("completion_tokens").cast(pl.Float64)
    facts = rollouts.group_by("problem_id").agg(
        attempts=scored().sum().cast(pl.Int32),
        correct=solved().sum().cast(pl.Int32),
        student=pl.concat_str("sampler", "model", separator=":").first(),
        student_revision=pl.col("model_revision").first(),
        tokens_mean=length.mean(),
        tokens_cv=length.std(ddof=0) / length.mean(),
        tokens_p10=length.quantile(0.1, "linear"),
        tokens_p90=length.quantile(0.9, "linear"),
        truncated=truncated().sum().cast(pl.Int32),
    )
    rows = problems.join(
        facts.filter(pl.col("attempts") > 0),
        left_on="id",
        right_on="problem_id",
        how="inner",
        maintain_order="left",
    )
    if "answer_kind" in rollouts.columns and "answer_kind" in rows.columns:
        kinds = rollouts.select(pl.col("problem_id").alias("id"), _kind="answer_kind").drop_nulls()
        rows = rows.join(
            kinds.unique("id", keep="first", maintain_order=True), on="id", how="left", maintain_order="left"
        )
        rows = rows.with_columns(pl.coalesce("answer_kind", "_kind")).drop("_kind")
    rows = with_guess_rate(rows)
    alpha = prior.alpha + rows["correct"].to_numpy()
    beta = prior.beta + (rows["attempts"] - rows["correct"]).to_numpy()
    bounds = [with_guessing(bound, rows["guess_rate"].to_numpy()) for bound in (low, high)]
    mass = band_probabilities(alpha, beta, *bounds).reshape(-1, len(BANDS))
    best = mass.argmax(axis=1)
    lower, upper = credible_interval(alpha, beta)
    return rows.with_columns(
        pass_rate=pl.Series(alpha / (alpha + beta)),
        pass_rate_low=pl.Series(lower),
        pass_rate_high=pl.Series(upper),
        alpha=pl.Series(alpha.astype(float)),
        beta=pl.Series(beta.astype(float)),
        band=pl.Series([BANDS[i].value for i in best], dtype=pl.String),
        band_probability=pl.Series(mass[np.arange(len(best)), best]),
    ).with_columns(pass_rate_corrected=above_guess(pl.col("pass_rate"), pl.col("guess_rate")))
