"""From rollouts to one DIFFICULTY row a problem."""

from __future__ import annotations

import numpy as np
import polars as pl

from factory.datasets.posterior import BANDS, Prior, band_probabilities, credible_interval
from factory.datasets.rollouts import signal, success, truncated


def difficulty_table(
    problems: pl.DataFrame, rollouts: pl.DataFrame, *, low: float, high: float, prior: Prior
) -> pl.DataFrame:
    """Posterior, band, token lengths and student of every problem that has rollouts with a signal.

    Args:
        problems: PROBLEM rows.
        rollouts: VERDICT rows.
        low: lower bound of the useful band.
        high: upper bound of the useful band.
        prior: Beta prior of the pass rate.

    Returns:
        The rows of `problems` that have a signal, in their order, with the columns of DIFFICULTY.
    """
    length = pl.col("completion_tokens").cast(pl.Float64)
    facts = rollouts.group_by("problem_id").agg(
        attempts=signal().sum().cast(pl.Int32),
        correct=success().sum().cast(pl.Int32),
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
    alpha = prior.alpha + rows["correct"].to_numpy()
    beta = prior.beta + (rows["attempts"] - rows["correct"]).to_numpy()
    mass = band_probabilities(alpha, beta, low, high).reshape(-1, len(BANDS))
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
    )
