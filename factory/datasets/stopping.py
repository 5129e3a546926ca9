"""When a problem has been sampled enough: a table over (attempts, correct), made once a run.

Sampling of a problem ends when
- one band holds the asked posterior probability, or
- what is left of the budget would hardly change the answer: the probability of naming the right band after all
  `max_samples` rollouts is expected to be at most `TOLERANCE` higher than now.

With a prior that describes the problem set a Bayesian posterior stays calibrated however often it is looked at, so no
correction for repeated looks is due. The second rule bounds the price of stopping early: the expected accuracy of the
bands is within `TOLERANCE` of what the whole budget would give. `benchmarks/difficulty.py` measures both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from factory.datasets.posterior import Floats, Prior, band_probabilities

TOLERANCE = 0.01
"""Expected band accuracy that stopping a problem early may cost."""


@dataclass(frozen=True, slots=True)
class StoppingRule:
    """Sample until the band of the pass rate is sure enough, within `min_samples..max_samples`."""

    low: float
    high: float
    confidence: float
    min_samples: int
    max_samples: int

    def decided(self, prior: Prior) -> NDArray[np.bool_]:
        """True where sampling stops.

        Returns:
            Shape (max_samples + 1, max_samples + 1): [attempts, correct]; entries with correct > attempts mean nothing.
        """
        best = best_probability(prior, self.low, self.high, self.max_samples)
        attempts = np.arange(self.max_samples + 1)[:, None]
        enough = (best >= self.confidence) | (expected_best(best, prior) - best <= TOLERANCE)
        return (enough & (attempts >= self.min_samples)) | (attempts >= self.max_samples)


def best_probability(prior: Prior, low: float, high: float, budget: int) -> Floats:
    """Posterior probability of the likeliest band, shape (budget + 1, budget + 1): [attempts, correct]."""
    attempts, correct = np.meshgrid(np.arange(budget + 1), np.arange(budget + 1), indexing="ij")
    wrong = np.maximum(attempts - correct, 0)
    return band_probabilities(prior.alpha + correct, prior.beta + wrong, low, high).max(axis=-1)


def expected_best(best: Floats, prior: Prior) -> Floats:
    """What `best` is expected to be when the budget is used up, from every state; same shape.

    Backward over attempts: the next rollout is right with the posterior mean of the pass rate.
    """
    ahead = best.copy()
    for n in range(len(best) - 2, -1, -1):
        k = np.arange(n + 1)
        right = (prior.alpha + k) / (prior.alpha + prior.beta + n)
        ahead[n, : n + 1] = right * ahead[n + 1, 1 : n + 2] + (1 - right) * ahead[n + 1, : n + 1]
    return ahead
