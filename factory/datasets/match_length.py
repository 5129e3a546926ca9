"""Bringing the length bias of pairs below a limit by dropping as few of them as possible."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from factory.datasets.pair_bias import cohens_d


def match_length(chosen: ArrayLike, rejected: ArrayLike, limit: float) -> NDArray[np.bool_]:
    """Which pairs stay.

    Pairs go in the order of their difference in length, the most biased first, until |Cohen's d| is at most `limit`.
    Dropping the pairs with the largest difference moves the means together fastest for every pair lost.

    Args:
        chosen: lengths of the chosen sides.
        rejected: lengths of the rejected sides, same shape.
        limit: largest |Cohen's d|.

    Returns:
        True for pairs that stay; all False when no two pairs meet the limit.
    """
    a, b = np.asarray(chosen, float), np.asarray(rejected, float)
    if abs(cohens_d(a, b)) <= limit:
        return np.ones(len(a), bool)
    sign = np.sign(a.mean() - b.mean())
    order = np.argsort(-sign * (a - b), kind="stable")
    bias = _bias_of_tails(a[order], b[order])
    fits = np.flatnonzero(np.abs(bias) <= limit)
    stays = np.zeros(len(a), bool)
    if len(fits):
        stays[order[fits[0] :]] = True
    return stays


def _bias_of_tails(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cohen's d of a[m:] against b[m:] for every m that leaves at least two; from sums, so linear in all."""

    def moments(x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        centred = x - x.mean()
        count = np.arange(len(x), 0, -1)
        first = centred[::-1].cumsum()[::-1]
        second = (centred**2)[::-1].cumsum()[::-1]
        with np.errstate(divide="ignore", invalid="ignore"):
            variance = np.maximum(second - first**2 / count, 0) / (count - 1)
        return first / count + x.mean(), variance

    (mean_a, var_a), (mean_b, var_b) = moments(a), moments(b)
    gap = mean_a - mean_b
    with np.errstate(divide="ignore", invalid="ignore"):
        bias = gap / np.sqrt((var_a + var_b) / 2)
    bias[gap == 0] = 0.0
    return bias[:-1]
