"""Posterior, bands, prior: against numerical integration and known cases."""

import numpy as np
import pytest
import scipy.optimize
import scipy.special  # noqa: F401  # loaded here, not in the first timed example
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.datasets.posterior import (
    BANDS,
    JEFFREYS,
    LEAST,
    MOST,
    band_probabilities,
    credible_interval,
    fit_prior,
    true_band,
)
from schemas import Band

counts = st.floats(0.05, 60)
bounds = st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted)


@given(counts, counts, bounds)
@settings(deadline=None)
def test_bands_are_a_distribution(alpha, beta, cut):
    mass = band_probabilities([alpha], [beta], *cut)
    assert mass.shape == (1, 3)
    assert (mass >= -1e-12).all()
    assert mass.sum() == pytest.approx(1)


@pytest.mark.parametrize(("alpha", "beta"), [(1, 1), (3.5, 9.5), (16.5, 0.5), (0.5, 16.5), (8, 8)])
def test_bands_equal_a_large_sample(alpha, beta):
    sample = np.random.default_rng(0).beta(alpha, beta, 200_000)
    shares = [(sample < 0.1).mean(), ((sample >= 0.1) & (sample <= 0.9)).mean(), (sample > 0.9).mean()]
    assert band_probabilities([alpha], [beta], 0.1, 0.9)[0] == pytest.approx(shares, abs=5e-3)


def test_interval_holds_its_mass():
    low, high = credible_interval([3.0], [9.0])
    sample = np.random.default_rng(0).beta(3, 9, 200_000)
    assert ((sample > low[0]) & (sample < high[0])).mean() == pytest.approx(0.95, abs=3e-3)
    assert (sample < low[0]).mean() == pytest.approx(0.025, abs=2e-3)


def test_bounds_belong_to_the_useful_band():
    bands = [BANDS[i] for i in true_band([0.0, 0.1, 0.5, 0.9, 1.0], 0.1, 0.9)]
    assert bands == [Band.TOO_HARD, Band.USEFUL, Band.USEFUL, Band.USEFUL, Band.TOO_EASY]


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
