"""Rounds of rollouts: who is asked again, and what counts as right, wrong or nothing."""

import numpy as np
import polars as pl
import pytest

from factory.datasets.rollouts import roll_out, signal, success
from factory.datasets.stopping import StoppingRule

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


def test_clear_problems_stop_early():
    rates = {f"p{i}": 0.5 for i in range(100)}
    rolled = roll_out(problems(rates), RULE, Student(rates))
    assert rolled.rows.height / 100 < 6


def test_problems_without_a_signal_are_not_asked_again():
    rates = {f"p{i}": 0.0 for i in range(5)}
    student = Student(rates, verdict_of_wrong="unverifiable")
    rolled = roll_out(problems(rates), RULE, student)
    assert rolled.rows.height == 5 * RULE.min_samples


@pytest.mark.parametrize(
    ("verdict", "status", "counts", "right"),
    [
        ("correct", "complete", True, True),
        ("correct", "no_reasoning", True, True),
        ("incorrect", "complete", True, False),
        ("no_answer", "complete", True, False),
        ("no_answer", "looped", True, False),
        ("no_answer", "cut_in_reasoning", True, False),
        ("correct", "cut_in_answer", True, False),
        ("unverifiable", "cut_in_answer", True, False),
        ("unverifiable", "complete", False, False),
        ("timeout", "complete", False, False),
        ("no_answer", "failed", False, False),
    ],
)
def test_what_counts(verdict, status, counts, right):
    row = pl.DataFrame({"verdict": [verdict], "status": [status]})
    assert row.select(signal()).item() is counts
    assert row.select(success()).item() is right
