"""The prior is learnt from the first round."""

import numpy as np
import pytest

from factory.datasets.posterior import JEFFREYS
from factory.datasets.prior import LEAST, MOST, fit_prior


@pytest.mark.parametrize(("alpha", "beta"), [(0.5, 0.5), (0.4, 2.0), (3.0, 3.0)])
def test_recovers_the_spread_of_pass_rates(alpha, beta):
    rng = np.random.default_rng(3)
    correct = rng.binomial(4, rng.beta(alpha, beta, 20_000))
    prior = fit_prior((4, k) for k in correct)
    assert prior.alpha == pytest.approx(alpha, rel=0.12)
    assert prior.beta == pytest.approx(beta, rel=0.12)


def test_few_problems_stay_near_jeffreys():
    prior = fit_prior([(4, 2)])
    assert 0.3 < prior.alpha < 2
    assert prior.alpha == pytest.approx(prior.beta, rel=0.01)


def test_without_attempts_there_is_nothing_to_learn():
    assert fit_prior([]) == JEFFREYS
    assert fit_prior([(0, 0)] * 10) == JEFFREYS


@pytest.mark.parametrize("correct", [0, 4])
def test_a_student_that_always_or_never_solves_gives_a_proper_prior(correct):
    prior = fit_prior([(4, correct)] * 5_000)
    assert LEAST <= prior.alpha <= MOST
    assert LEAST <= prior.beta <= MOST
    mean = prior.alpha / (prior.alpha + prior.beta)
    assert (mean > 0.9) if correct else (mean < 0.1)
