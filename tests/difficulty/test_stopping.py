"""The stopping table against brute force, and what it saves."""

from itertools import product

import numpy as np
import pytest

from factory.datasets.posterior import Prior, band_probabilities, true_band
from factory.datasets.prior import fit_prior
from factory.datasets.stopping import TOLERANCE, StoppingRule, best_probability, expected_best

RULE = StoppingRule(low=0.1, high=0.9, confidence=0.95, min_samples=4, max_samples=16)


def test_expected_best_equals_the_mean_over_all_futures():
    prior, budget = Prior(0.7, 1.3), 6
    best = best_probability(prior, 0.2, 0.8, budget)
    ahead = expected_best(best, prior)
    for n in range(budget):
        for k in range(n + 1):
            expected = 0.0
            for future in product([0, 1], repeat=budget - n):
                a, b, chance = prior.alpha + k, prior.beta + n - k, 1.0
                for hit in future:
                    chance *= (a if hit else b) / (a + b)
                    a, b = a + hit, b + 1 - hit
                expected += chance * best[budget, k + sum(future)]
            assert ahead[n, k] == pytest.approx(expected)


def test_the_rest_of_the_budget_never_hurts():
    prior = Prior(0.5, 0.5)
    best = best_probability(prior, 0.1, 0.9, 16)
    reachable = np.tril(np.ones_like(best, bool))
    assert (expected_best(best, prior) - best)[reachable].min() >= -1e-12


def test_limits_are_kept():
    decided = RULE.decided(Prior(1, 1))
    assert not decided[: RULE.min_samples].any()
    assert decided[RULE.max_samples].all()


def test_sampling_goes_on_only_where_more_is_worth_it():
    prior = Prior(0.5, 0.5)
    decided = RULE.decided(prior)
    best = best_probability(prior, 0.1, 0.9, 16)
    gain = expected_best(best, prior) - best
    for n in range(4, 16):
        for k in range(n + 1):
            assert decided[n, k] == (best[n, k] >= 0.95 or gain[n, k] <= TOLERANCE)
    assert decided[8, 4], "half right after eight: surely useful"
    assert not decided[4, 4], "all right after four: useful or too easy"


@pytest.mark.parametrize("shape", [(1, 1), (0.5, 0.5), (0.3, 0.4), (0.4, 2), (2, 0.4), (3, 3)])
def test_saves_a_third_at_equal_accuracy_and_keeps_its_word(shape):
    rng = np.random.default_rng(5)
    rates = rng.beta(*shape, 20_000)
    hits = rng.random((rates.size, 16)) < rates[:, None]
    correct = np.concatenate([np.zeros((rates.size, 1), int), hits.cumsum(axis=1)], axis=1)
    prior = fit_prior((4, k) for k in correct[:, 4])
    decided = RULE.decided(prior)
    stopped = np.array([decided[np.arange(17), row].argmax() for row in correct])
    everyone, truth = np.arange(rates.size), true_band(rates, 0.1, 0.9)

    def judge(n):
        right = correct[everyone, n]
        mass = band_probabilities(prior.alpha + right, prior.beta + n - right, 0.1, 0.9)
        return mass.argmax(axis=1) == truth, mass.max(axis=1)

    early, claimed = judge(stopped)
    full, _ = judge(np.full(rates.size, 16))
    sure = claimed >= RULE.confidence
    assert stopped.mean() / 16 <= 0.65
    assert full.mean() - early.mean() <= TOLERANCE
    assert 1 - early[sure].mean() <= 1 - RULE.confidence
    assert early.mean() == pytest.approx(claimed.mean(), abs=0.01)
