"""Which of several training sets is better, from scores of every question after every training run.

Two things vary: the training run (its seed and order) and the question. Every student answers every question, so the
two are crossed, and a difference of means varies by the sum of both (Cornfield and Tukey 1956; Brennan, Generalizability
Theory, 2001, chapter 3). The interval takes Student's quantile with Satterthwaite's degrees of freedom, because three to five
seeds say little about how much seeds vary.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ALPHA = 0.05
"""Chance of a false call in a whole comparison."""
POWER = 0.8
"""Chance with which `visible` wants a difference to be seen."""


@dataclass(frozen=True, slots=True)
class Difference:
    """`first` against `second`: the difference of pass@1 and its interval, corrected for the number of comparisons.

    `repeats` is the share of repeats (new seeds, new questions) that would end with the same verdict.
    """

    first: str
    second: str
    value: float
    low: float
    high: float
    repeats: float

    @property
    def better(self) -> str | None:
        """The set that is better; None where the interval holds 0."""
        return self.first if self.low > 0 else self.second if self.high < 0 else None


def differences(scores: Mapping[str, NDArray[np.float64]], base: str | None = None) -> list[Difference]:
    """Every pair of sets, the better one first, with intervals that hold together 95 times in 100 (Bonferroni).

    Args:
        scores: by set, shares of right samples, shape (seeds, questions): the same questions in every set, no NaN.
        base: the set that all others are compared with, and only with it; every pair when None.

    Raises:
        ValueError: fewer than two sets, seeds or questions, or shapes that do not agree.
    """
    shapes = {each.shape[1] for each in scores.values()}
    if len(scores) < 2 or len(shapes) != 1 or min(min(each.shape) for each in scores.values()) < 2:
        raise ValueError("a comparison needs two sets, two seeds each, and two questions that all share")
    order = sorted(scores, key=lambda name: -float(scores[name].mean()))
    pairs = [pair for pair in itertools.combinations(order, 2) if base is None or base in pair]
    return [_difference(a, b, scores[a], scores[b], len(pairs)) for a, b in pairs]


def _difference(
    first: str, second: str, a: NDArray[np.float64], b: NDArray[np.float64], pairs: int
) -> Difference:
    from scipy.special import stdtr, stdtrit

    value = float(a.mean() - b.mean())
    error, freedom = _standard_error(a, b)
    if error == 0:
        return Difference(first, second, value, value, value, 1.0)
    reach = float(stdtrit(freedom, 1 - ALPHA / 2 / pairs)) * error
    # A repeat differs from the truth as much as this one does: by two standard errors in all.
    apart = math.sqrt(2) * error
    called = float(stdtr(freedom, (abs(value) - reach) / apart))
    opposite = float(stdtr(freedom, (-abs(value) - reach) / apart))
    same = called if abs(value) > reach else 1 - called - opposite
    return Difference(first, second, value, value - reach, value + reach, same)


def _standard_error(a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[float, float]:
    """Standard error of the difference of means, and its degrees of freedom.

    Questions are shared, so their part is the spread of the paired differences; seeds are not, so each set adds its own.
    What seeds and questions do together lies in both parts and is taken out of the seeds'.
    """
    by_question = a.mean(axis=0) - b.mean(axis=0)
    variance = float(by_question.var(ddof=1)) / len(by_question)
    below = variance**2 / (len(by_question) - 1)
    for scores in (a, b):
        seeds, questions = scores.shape
        rows, columns = scores.mean(axis=1), scores.mean(axis=0)
        rest = scores - rows[:, None] - columns[None, :] + scores.mean()
        together = float((rest**2).sum()) / ((seeds - 1) * (questions - 1)) / questions
        spread = float(rows.var(ddof=1))
        variance += max(0.0, spread - together) / seeds
        # Its uncertainty is that of the whole spread, also where little of it is left.
        below += (spread / seeds) ** 2 / (seeds - 1)
    return math.sqrt(variance), max(1.0, variance**2 / below) if below else 1.0


def visible(seeds: int, questions: int, pairs: int, *, seed_spread: float, question_spread: float) -> float:
    """The difference of pass@1 that a comparison sees 8 times in 10.

    Args:
        seeds: training runs a set.
        questions: how many are asked.
        pairs: comparisons that share the 5% of false calls.
        seed_spread: standard deviation of pass@1 between training runs on one set.
        question_spread: standard deviation, over questions, of the difference between two single students.
    """
    from scipy.special import stdtrit

    by_seed, by_question = 2 * seed_spread**2 / seeds, question_spread**2 / seeds / questions
    variance = by_seed + by_question
    below = (variance / 2) ** 2 * 2 / (seeds - 1) + by_question**2 / (questions - 1)
    freedom = variance**2 / below
    quantiles = stdtrit(freedom, 1 - ALPHA / 2 / pairs) + stdtrit(freedom, POWER)
    return float(quantiles * math.sqrt(variance))
