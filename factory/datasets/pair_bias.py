"""What sets the two sides of pairs apart besides being right: length, format, language, leaks."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

LEAK = (
    r"(?i)reference (?:answer|solution)|ground[- ]truth|answer key|official (?:answer|solution)"
    r"|(?:given|provided|expected|supplied|correct) (?:answer|solution) (?:is|says|was) (?:given|provided|known)"
    r"|according to the (?:given |provided )?(?:answer|solution)|标准答案|参考答案"
)
"""Phrases of a model that was shown the answer; ordinary derivations do not need them."""
_COMMAND = r"\\[a-zA-Z]+"
_HAN = r"\p{Han}"
_LATIN = r"[a-zA-Z]"


def cohens_d(one: ArrayLike, other: ArrayLike) -> float:
    """Cohen's d with pooled standard deviation (Cohen 1988); 0 below two values per side or without any spread.

    Without spread but with a difference it is infinite.
    """
    a, b = np.asarray(one, float), np.asarray(other, float)
    if len(a) < 2 or len(b) < 2:
        return 0.0
    pooled = np.sqrt(((len(a) - 1) * a.var(ddof=1) + (len(b) - 1) * b.var(ddof=1)) / (len(a) + len(b) - 2))
    gap = float(a.mean() - b.mean())
    if pooled == 0:
        return 0.0 if gap == 0 else float(np.copysign(np.inf, gap))
    return gap / float(pooled)


def in_chinese(texts: pl.Series) -> pl.Series:
    """True where a text is written in Chinese rather than in an alphabet; LaTeX commands do not count as letters.

    One Chinese character says about as much as three letters.
    """
    bare = texts.fill_null("").str.replace_all(_COMMAND, " ")
    return bare.str.count_matches(_HAN) * 3 > bare.str.count_matches(_LATIN)


def format_features(texts: pl.Series, prompts: pl.Series) -> pl.DataFrame:
    """One boolean column a format feature: `boxed`, `reasoning`, `same_language`, `speaks_of_reference`."""
    return pl.DataFrame(
        {
            "boxed": texts.str.contains(r"\boxed", literal=True),
            "reasoning": texts.str.contains("<think>", literal=True),
            "same_language": in_chinese(texts) == in_chinese(prompts),
            "speaks_of_reference": texts.str.contains(LEAK),
        }
    )


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
