"""pass@1, pass@k, majority@k and their intervals, as pure functions of counts.

Samples of one question are not independent: their mean is one observation. So every interval here is clustered by
question (Miller, "Adding Error Bars to Evals", arXiv 2411.00640, section 2.2).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Interval:
    """A share with its confidence interval."""

    value: float
    low: float
    high: float


def pass_at_1(correct: NDArray[np.int64], samples: NDArray[np.int64]) -> Interval:
    """Mean over questions of the share of right samples, with a question-clustered 95% interval.

    The interval is Wilson's on the effective sample size p(1-p)/SE**2 with SE the standard error over question means,
    and Student's quantile for the number of questions (Korn and Graubard 1998, for clustered surveys). Unlike p +- z SE
    it stays within [0, 1] and does not collapse when every question agrees.

    Args:
        correct: correct samples per question, shape (questions,).
        samples: samples per question, shape (questions,), each at least 1.
    """
    from scipy.special import stdtrit

    questions = len(correct)
    if questions == 0:
        return Interval(math.nan, math.nan, math.nan)
    means = correct / samples
    value = float(means.mean())
    if questions == 1:
        return Interval(value, 0.0, 1.0)
    variance = float(means.var(ddof=1)) / questions
    most = float(samples.sum())
    spread = value * (1 - value)
    # With no spread between questions the data cannot say how far samples repeat each other: count questions only.
    effective = questions if spread == 0 else most if variance == 0 else min(spread / variance, most)
    return wilson(value, effective, float(stdtrit(questions - 1, 0.975)))


def pass_at_k(correct: NDArray[np.int64], samples: NDArray[np.int64], k: int) -> float:
    """Unbiased pass@k: the chance that k of a question's samples hold a right one, averaged over questions.

    1 - C(n - c, k) / C(n, k) a question (Chen et al., arXiv 2107.03374, equation 1), as a product that cannot overflow.

    Args:
        correct: correct samples per question, shape (questions,).
        samples: samples per question, shape (questions,), each at least k.
        k: samples that are drawn.

    Raises:
        ValueError: a question has fewer than k samples.
    """
    if len(samples) == 0:
        return math.nan
    if k < 1 or int(samples.min()) < k:
        raise ValueError(f"pass@{k} needs at least {k} samples of every question, one has {samples.min()}")
    wrong = samples - correct
    draws = np.arange(k)[:, None]
    none_right = np.prod(np.clip((wrong - draws) / (samples - draws), 0.0, 1.0), axis=0)
    return float((1.0 - none_right).mean())


def majority(votes: Sequence[str | None], right: Sequence[bool]) -> float:
    """Whether the most frequent answer of one question's samples is right, 0 to 1.

    Args:
        votes: each sample's answer; None abstains. Right answers count as one answer however they are written.
        right: whether each sample is right.

    Returns:
        1 or 0; on a tie the chance that a fair draw among the tied answers is right; 0 when nobody votes.
    """
    counts = Counter(
        ("right", "") if ok else ("wrong", vote)
        for vote, ok in zip(votes, right, strict=True)
        if vote is not None or ok
    )
    if not counts:
        return 0.0
    most = max(counts.values())
    tied = [answer for answer, count in counts.items() if count == most]
    return float(("right", "") in tied) / len(tied)


def wilson(share: float, count: float, quantile: float = 1.959964) -> Interval:
    """Wilson's score interval of a share of `count` (Wilson 1927); 95% by default.

    Args:
        share: what was observed, 0 to 1.
        count: sample size; an effective one need not be whole.
        quantile: standard scores of half the interval's tails.
    """
    square = quantile**2 / count
    centre = (share + square / 2) / (1 + square)
    half = quantile / (1 + square) * math.sqrt(share * (1 - share) / count + square / (4 * count))
    return Interval(share, max(0.0, min(centre - half, share)), min(1.0, max(centre + half, share)))
