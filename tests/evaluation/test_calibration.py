"""Calibration: fair whatever the stopping rule, equal to counting by hand, and able to see a wrong prior."""

import itertools

import numpy as np
import polars as pl
import pytest
from scipy.stats import betabinom

from factory.datasets.posterior import Prior
from factory.datasets.rollouts import StoppingRule
from factory.evaluation.calibration import next_rollout, other_half, reliability
from factory.evaluation.statistics import wilson
from schemas import Band

TRUE = Prior(1.5, 4.0)


def table(histories):
    rows = [
        {
            "problem_id": f"p{i}",
            "sample_index": s,
            "verdict": "correct" if right else "incorrect",
            "status": "complete",
        }
        for i, history in enumerate(histories)
        for s, right in enumerate(history)
    ]
    return pl.DataFrame(rows)


def stopped(problems, rule, seed=0):
    """Histories of problems whose rates come from TRUE, ended by the real stopping rule."""
    rng = np.random.default_rng(seed)
    decided = rule.decided(TRUE)
    histories = []
    for rate in rng.beta(TRUE.alpha, TRUE.beta, problems):
        history = [bool(x) for x in rng.random(rule.min_samples) < rate]
        while len(history) < rule.max_samples and not decided[len(history), sum(history)]:
            history.append(bool(rng.random() < rate))
        histories.append(history)
    return histories


@pytest.fixture(scope="module")
def adaptive():
    rule = StoppingRule(0.15, 0.85, 0.9, 6, 20)
    histories = stopped(4000, rule)
    assert 1000 < sum(len(h) < 20 for h in histories) < 4000, (
        "the rule has to stop some and go on with others"
    )
    return table(histories)


def miss(bins):
    """Mean distance from the diagonal, weighted by how many stand behind a bin."""
    return sum(b.count * abs(b.claimed - b.observed) for b in bins) / sum(b.count for b in bins)


def test_true_prior_lies_on_the_diagonal_and_a_wrong_one_does_not(adaptive):
    halves = other_half(adaptive, TRUE, low=0.15, high=0.85, first_round=6)
    wrong = other_half(adaptive, Prior(4.0, 1.5), low=0.15, high=0.85, first_round=6)
    for band in (Band.TOO_HARD, Band.USEFUL, Band.TOO_EASY):
        assert len(halves[band][0]) == 4000
        assert miss(reliability(*halves[band])) < 0.02
    assert miss(reliability(*wrong[Band.TOO_HARD])) > 0.1
    assert miss(reliability(*next_rollout(adaptive, TRUE))) < 0.02
    assert miss(reliability(*next_rollout(adaptive, Prior(4.0, 1.5)))) > 0.08


def test_other_half_against_counting_every_history():
    prior, first_round = Prior(0.7, 1.3), 5
    histories = list(itertools.product([False, True], repeat=first_round))
    halves = other_half(table(histories), prior, low=0.2, high=0.7, first_round=first_round)

    def band_of(rate):
        return Band.TOO_HARD if rate < 0.2 else Band.TOO_EASY if rate > 0.7 else Band.USEFUL

    expected = []
    for history in histories:
        first, second = history[:2], history[2:]
        chance = dict.fromkeys(Band, 0.0)
        for other in itertools.product([False, True], repeat=3):
            a, b, p = prior.alpha + sum(first), prior.beta + 2 - sum(first), 1.0
            for right in other:
                p *= (a if right else b) / (a + b)
                a, b = a + right, b + (not right)
            chance[band_of(sum(other) / 3)] += p
        expected.append((chance, band_of(sum(second) / 3)))
    for band, (claims, hits) in halves.items():
        want = sorted((round(chance[band], 9), seen == band) for chance, seen in expected)
        assert sorted((round(float(c), 9), bool(h)) for c, h in zip(claims, hits, strict=True)) == want


def test_next_rollout_by_hand():
    claims, right = next_rollout(table([[True, False, True], [False]]), Prior(1, 1))
    assert claims.tolist() == pytest.approx([2 / 3, 2 / 4])
    assert right.tolist() == [False, True]


def test_rollouts_without_a_signal_say_nothing():
    rows = table([[True, True, False, True]]).with_columns(
        verdict=pl.when(pl.col("sample_index") < 2).then(pl.lit("timeout")).otherwise("verdict")
    )
    assert all(len(c) == 0 for c, _ in other_half(rows, TRUE, low=0.1, high=0.9, first_round=4).values())
    assert len(next_rollout(rows, TRUE)[0]) == 1
    assert all(
        len(c) == 0 for c, _ in other_half(table([[True]]), TRUE, low=0.1, high=0.9, first_round=1).values()
    )


def test_figures_of_the_books():
    assert betabinom.pmf(np.arange(5), 4, 1, 1).tolist() == pytest.approx([0.2] * 5)
    low, high = wilson(0.5, 10).low, wilson(0.5, 10).high
    assert (low, high) == (pytest.approx(0.2366, abs=1e-4), pytest.approx(0.7634, abs=1e-4))
    assert wilson(0.0, 5).low == 0.0
    bins = reliability(np.array([0.05, 0.07, 1.0]), np.array([True, False, True]))
    assert [(b.count, b.observed) for b in bins] == [(2, 0.5), (1, 1.0)]
