"""Differences between training sets: intervals that hold, calls that are right, on scores whose truth is known."""

import numpy as np
import pytest

from factory.evaluation.crossed import Difference, differences, visible


def drawn(rng, mean, seeds, questions, *, hard, seed_spread=0.03):
    """Right answers of students whose skill varies by seed, on questions whose difficulty is shared."""
    skill = mean + rng.normal(0, seed_spread, (seeds, 1))
    return (rng.random((seeds, questions)) < np.clip(skill + hard, 0.02, 0.98)).astype(float)


def repeated(means, *, times, seeds, questions, seed_spread=0.03):
    rng = np.random.default_rng(7)
    for _ in range(times):
        hard = rng.normal(0, 0.2, (1, questions))
        yield differences(
            {
                name: drawn(rng, mean, seeds, questions, hard=hard, seed_spread=seed_spread)
                for name, mean in means.items()
            }
        )


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("spread", [0.0, 0.03, 0.1])
def test_equal_sets_are_told_apart_at_most_once_in_twenty(seeds, spread):
    wrong = sum(
        pair.better is not None
        for (pair,) in repeated(
            {"a": 0.6, "b": 0.6}, times=400, seeds=seeds, questions=300, seed_spread=spread
        )
    )
    assert wrong <= 0.05 * 400


def test_four_equal_sets_give_at_most_one_false_call_in_twenty_comparisons():
    means = dict.fromkeys("abcd", 0.5)
    wrong = sum(
        any(pair.better for pair in pairs) for pairs in repeated(means, times=300, seeds=4, questions=200)
    )
    assert wrong <= 0.05 * 300


def test_a_difference_of_the_stated_size_is_seen_eight_times_in_ten():
    size = visible(5, 400, 1, seed_spread=0.03, question_spread=0.6)
    found = [pair for (pair,) in repeated({"a": 0.5 + size, "b": 0.5}, times=300, seeds=5, questions=400)]
    right = np.mean([pair.better == "a" for pair in found])
    assert 0.72 <= right <= 0.95
    assert not any(pair.better == "b" for pair in found)


def test_repeats_are_what_a_second_comparison_would_say():
    means = {"a": 0.58, "b": 0.5}
    runs = [pair for (pair,) in repeated(means, times=300, seeds=5, questions=300)]
    again = [one.better == two.better for one, two in zip(runs[:150], runs[150:], strict=True)]
    assert abs(np.mean([pair.repeats for pair in runs]) - np.mean(again)) < 0.15


def test_the_better_set_stands_first_and_every_pair_is_there():
    rng = np.random.default_rng(0)
    scores = {
        name: drawn(rng, mean, 3, 100, hard=np.zeros((1, 100)))
        for name, mean in {"poor": 0.2, "good": 0.9, "middle": 0.5}.items()
    }
    found = differences(scores)
    assert [(pair.first, pair.second) for pair in found] == [
        ("good", "middle"),
        ("good", "poor"),
        ("middle", "poor"),
    ]
    assert all(
        pair.better == pair.first and pair.value == pytest.approx((pair.low + pair.high) / 2)
        for pair in found
    )
    alone = differences({name: scores[name] for name in ("good", "poor")})[0]
    assert alone.high - alone.low < found[1].high - found[1].low  # three comparisons share the 5%


def test_seeds_count_and_not_only_questions():
    """Two seeds that happen to be good are no better set, however many questions say so."""
    rng = np.random.default_rng(1)
    hard = np.zeros((1, 5000))
    a = np.vstack([drawn(rng, m, 1, 5000, hard=hard, seed_spread=0) for m in (0.60, 0.50, 0.55)])
    b = np.vstack([drawn(rng, m, 1, 5000, hard=hard, seed_spread=0) for m in (0.56, 0.47, 0.53)])
    (pair,) = differences({"a": a, "b": b})
    assert pair.better is None and pair.high - pair.low > 0.1


def test_nothing_varies():
    same = np.ones((2, 10))
    (pair,) = differences({"a": same, "b": same * 0})
    assert pair == Difference("a", "b", 1.0, 1.0, 1.0, 1.0)
    (pair,) = differences({"a": same, "b": same})
    assert pair.better is None


@pytest.mark.parametrize(
    "scores",
    [
        {"a": np.ones((2, 5))},
        {"a": np.ones((1, 5)), "b": np.ones((2, 5))},
        {"a": np.ones((2, 5)), "b": np.ones((2, 6))},
        {"a": np.ones((2, 1)), "b": np.ones((2, 1))},
    ],
)
def test_what_cannot_be_compared(scores):
    with pytest.raises(ValueError, match="needs two sets"):
        differences(scores)
