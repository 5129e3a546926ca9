"""When a problem has been sampled enough: a table over (attempts, correct), made once a run.

A problem is decided as soon as one band holds the asked posterior probability. With a prior that describes the
problem set, a Bayesian posterior stays calibrated however often one looks at it, so no correction for repeated looks
is due (Berry 1985; checked by `benchmarks/difficulty.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from factory.difficulty.posterior import JEFFREYS, Prior, band_probabilities


@dataclass(frozen=True, slots=True)
class StoppingRule:
    """Sample until one band of the pass rate is sure enough, within `min_samples..max_samples`."""

    low: float
    high: float
    confidence: float
    min_samples: int
    max_samples: int
    prior: Prior = JEFFREYS

    def decided(self) -> NDArray[np.bool_]:
        """True where sampling stops.

        Returns:
            Shape (max_samples + 1, max_samples + 1): [attempts, correct]; entries with correct > attempts mean nothing.
        """
        size = self.max_samples + 1
        attempts, correct = np.meshgrid(np.arange(size), np.arange(size), indexing="ij")
        wrong = np.maximum(attempts - correct, 0)
        mass = band_probabilities(
            self.prior.alpha + correct, self.prior.beta + wrong, self.low, self.high
        ).max(axis=-1)
        sure = (mass >= self.confidence) & (attempts >= self.min_samples)
        return sure | (attempts >= self.max_samples)
