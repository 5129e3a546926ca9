"""The Beta posterior of a pass rate and the bands that it is cut into."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, betaincinv

from schemas import Band

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


def band_probabilities(alpha: ArrayLike, beta: ArrayLike, low: float, high: float) -> Floats:
    """Posterior probability of each band.

    Args:
        alpha: Beta parameters, shape (n,).
        beta: Beta parameters, shape (n,).
        low: pass rates below it are too hard.
        high: pass rates above it are too easy; `low <= high`.

    Returns:
        Shape (n, 3), rows sum to 1, columns as in `BANDS`.
    """
    alpha, beta = np.asarray(alpha, float), np.asarray(beta, float)
    below_low, below_high = betainc(alpha, beta, low), betainc(alpha, beta, high)
    return np.stack([below_low, below_high - below_low, 1.0 - below_high], axis=-1)


def credible_interval(alpha: ArrayLike, beta: ArrayLike, mass: float = 0.95) -> tuple[Floats, Floats]:
    """Ends of the equal-tailed credible interval that holds `mass`."""
    alpha, beta = np.asarray(alpha, float), np.asarray(beta, float)
    tail = (1.0 - mass) / 2
    return betaincinv(alpha, beta, tail), betaincinv(alpha, beta, 1.0 - tail)


def true_band(rates: ArrayLike, low: float, high: float) -> NDArray[np.int64]:
    """Index into `BANDS` of known pass rates; both bounds belong to the useful band."""
    rates = np.asarray(rates, float)
    return np.where(rates < low, 0, np.where(rates > high, 2, 1)).astype(np.int64)
