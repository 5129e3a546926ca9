"""Rounds of rollouts and the stopping rule: who is asked again, and what stopping early costs."""

from itertools import product

import numpy as np
import polars as pl
import pytest

from factory.datasets.posterior import Prior, band_probabilities, fit_prior, true_band
from factory.datasets.rollouts import TOLERANCE, StoppingRule, best_probability, expected_best, roll_out

RULE = StoppingRule(low=0.1, high=0.9, confidence=0.95, min_samples=4, max_samples=16)


class Student:
    """Answers with known pass rates and remembers what it was asked."""

    def __init__(self, rates, verdict_of_wrong="incorrect"):
        self.rates, self.wrong = rates, verdict_of_wrong
        self.asked = []

    def __call__(self, problems, plan):
        rows = []
        for problem in problems["id"]:
            for index in plan[problem]:
                self.asked.append((problem, index))
                right = np.random.default_rng([int(problem[1:]), index]).random() < self.rates[problem]
                rows.append(
                    {
                        "problem_id": problem,
                        "sample_index": index,
                        "status": "complete",
                        "verdict": "correct" if right else self.wrong,
                    }
                )
        return pl.DataFrame(rows)


def problems(rates):
    return pl.DataFrame({"id": list(rates)})


def test_no_rollout_is_asked_for_twice_and_limits_hold():
    rates = {f"p{i}": rate for i, rate in enumerate(np.random.default_rng(0).random(60))}
    student = Student(rates)
    rolled = roll_out(problems(rates), RULE, student)
    assert len(set(student.asked)) == len(student.asked) == rolled.rows.height
    drawn = rolled.rows.group_by("problem_id").agg(n=pl.len(), top=pl.col("sample_index").max())
    assert drawn["n"].min() >= 4
    assert drawn["n"].max() <= 16
    assert (drawn["top"] + 1 == drawn["n"]).all(), "sample indices have no gaps"


def test_rows_come_by_problem_and_sample_index_and_are_reproducible():
    rates = {f"p{i}": 0.5 for i in range(20)}
    first, second = (roll_out(problems(rates), RULE, Student(rates)) for _ in range(2))
    assert first.rows.equals(second.rows)
    assert first.prior == second.prior
    assert first.rows["problem_id"].unique(maintain_order=True).to_list() == list(rates)
    for _, group in first.rows.group_by("problem_id"):
        assert group["sample_index"].is_sorted()


def test_the_prior_is_learnt_from_the_first_round_alone():
    rates = {f"p{i}": rate for i, rate in enumerate(np.random.default_rng(2).random(30))}
    rolled = roll_out(problems(rates), RULE, Student(rates))
    first = rolled.rows.filter(pl.col("sample_index") < RULE.min_samples)
    counts = first.group_by("problem_id", maintain_order=True).agg((pl.col("verdict") == "correct").sum())
    assert rolled.rows.height > first.height
    assert rolled.prior == fit_prior((RULE.min_samples, right) for right in counts["verdict"])
    given = Prior(1.0, 1.0)
    assert roll_out(problems(rates), RULE, Student(rates), prior=given).prior == given


def test_clear_problems_stop_early():
    rates = {f"p{i}": 0.5 for i in range(100)}
    rolled = roll_out(problems(rates), RULE, Student(rates))
    assert rolled.rows.height / 100 < 6


def test_problems_without_a_signal_are_not_asked_again():
    rates = {f"p{i}": 0.0 for i in range(5)}
    student = Student(rates, verdict_of_wrong="unverifiable")
    rolled = roll_out(problems(rates), RULE, student)
    assert rolled.rows.height == 5 * RULE.min_samples


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
