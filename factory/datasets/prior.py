"""The prior of pass rates, learnt from the problem set itself (empirical Bayes).

A fixed prior is wrong for most pairs of student and problem set, and a wrong prior makes stopping early either slow or
overconfident. The first round, in which every problem gets the same number of rollouts, shows how pass rates spread.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
from scipy.optimize import minimize
from scipy.special import betaln

from factory.datasets.posterior import JEFFREYS, Prior

LEAST, MOST = 0.05, 50.0
"""Pseudo-counts stay in this range, however uniform the first round looks."""


def fit_prior(counts: Iterable[tuple[int, int]]) -> Prior:
    """The Beta prior under which the counts are most probable (beta-binomial maximum a posteriori).

    A log-normal hyperprior of standard deviation 1 around Jeffreys' prior keeps small problem sets sane; from some
    hundred problems on it has no weight.

    Args:
        counts: (attempts, correct) of every problem; those without attempts are left out.
    """
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
