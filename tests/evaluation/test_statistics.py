import itertools
import math

import numpy as np
import pytest
import scipy.optimize
import scipy.special  # noqa: F401  # loaded here, not in the first timed example
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.evaluation.statistics import majority, pass_at_1, pass_at_k, wilson
from factory.evaluation.summary import ladder_of

COUNTS = st.integers(1, 7).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def arrays(pairs):
    correct, samples = zip(*pairs, strict=True)
    return np.array(correct), np.array(samples)


@given(st.lists(COUNTS, min_size=1, max_size=5), st.integers(1, 7))
def test_pass_at_k_equals_trying_every_subset(pairs, k):
    correct, samples = arrays(pairs)
    if samples.min() < k:
        with pytest.raises(ValueError, match=f"pass@{k} needs"):
            pass_at_k(correct, samples, k)
        return
    shares = []
    for c, n in pairs:
        marks = [True] * c + [False] * (n - c)
        subsets = list(itertools.combinations(marks, k))
        shares.append(sum(any(s) for s in subsets) / len(subsets))
    assert pass_at_k(correct, samples, k) == pytest.approx(sum(shares) / len(shares), abs=1e-12)


def test_pass_at_k_does_not_overflow():
    assert pass_at_k(np.array([1]), np.array([100_000]), 50_000) == pytest.approx(0.5)


@given(st.lists(COUNTS, min_size=1, max_size=40))
def test_pass_at_1_is_the_mean_of_question_means_within_its_interval(pairs):
    correct, samples = arrays(pairs)
    score = pass_at_1(correct, samples)
    assert score.value == pytest.approx(sum(c / n for c, n in pairs) / len(pairs))
    assert 0 <= score.low <= score.value <= score.high <= 1
    assert score.value == pytest.approx(pass_at_k(correct, samples, 1))


def test_repeating_samples_does_not_narrow_the_interval():
    """Ten copies of every sample are no new evidence; an interval over all samples would think so."""
    correct, samples = np.array([0, 1, 1, 0, 1, 0, 0, 1] * 5), np.array([1] * 40)
    once, tenfold = pass_at_1(correct, samples), pass_at_1(correct * 10, samples * 10)
    assert (tenfold.low, tenfold.high) == pytest.approx((once.low, once.high))


def test_all_right_still_has_an_honest_lower_bound():
    score = pass_at_1(np.array([3] * 30), np.array([3] * 30))
    assert score.value == score.high == 1
    assert 0.85 < score.low < 0.93
    nothing = pass_at_1(np.array([], dtype=int), np.array([], dtype=int))
    assert math.isnan(nothing.value) and math.isnan(nothing.low) and math.isnan(nothing.high)


@pytest.mark.parametrize(
    ("questions", "samples", "shape"),
    [(30, 3, (0.5, 0.5)), (30, 8, (1, 3)), (200, 3, (2, 1)), (100, 4, (20, 80))],
)
def test_the_interval_covers_the_truth_about_95_times_in_100(questions, samples, shape):
    rng = np.random.default_rng(1)
    truth = shape[0] / sum(shape)
    hits = trials = 0
    for _ in range(2000):
        rates = rng.beta(*shape, questions)
        score = pass_at_1(rng.binomial(samples, rates), np.full(questions, samples))
        hits += score.low <= truth <= score.high
        trials += 1
    assert 0.935 <= hits / trials <= 0.985


def test_an_unclustered_interval_would_not_cover():
    """The same simulation with samples taken as independent: the test above can tell the difference."""
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(1000):
        right = rng.binomial(8, rng.beta(0.5, 0.5, 30))
        p, n = right.sum() / 240, 240
        hits += abs(p - 0.5) <= 1.96 * math.sqrt(p * (1 - p) / n)
    assert hits / 1000 < 0.85


VOTES = st.lists(st.sampled_from(["right", "a", "b", "c", None]), max_size=8)


@given(VOTES)
def test_majority_equals_counting_by_hand(votes):
    marks = [vote == "right" for vote in votes]
    cast = [vote for vote in votes if vote is not None]
    if not cast:
        assert majority(votes, marks) == 0
        return
    most = max(cast.count(v) for v in cast)
    tied = {v for v in cast if cast.count(v) == most}
    assert majority(votes, marks) == (1 / len(tied) if "right" in tied else 0)


def test_right_answers_written_differently_vote_together():
    assert majority(["1/2", "0.5", "3", "3", "\\frac12"], [True, True, False, False, True]) == 1


@pytest.mark.parametrize(
    ("freedom", "expected"),
    [
        (1, 12.7062),
        (2, 4.3027),
        (4, 2.7764),
        (5, 2.5706),
        (6, 2.4469),
        (10, 2.2281),
        (29, 2.0452),
        (499, 1.9647),
    ],
)
def test_the_interval_uses_students_quantile_for_the_number_of_questions(freedom, expected):
    correct = np.arange(freedom + 1) % 2
    score = pass_at_1(correct, np.ones_like(correct))
    effective = min(score.value * (1 - score.value) / (correct.var(ddof=1) / len(correct)), len(correct))
    by_table = wilson(score.value, effective, expected)
    assert (score.low, score.high) == pytest.approx((by_table.low, by_table.high), abs=2e-3)


@settings(max_examples=50)
@given(st.integers(0, 200))
def test_ladder_of_k(most):
    ks = ladder_of(most)
    assert ks == sorted(set(ks)) and all(1 <= k <= most for k in ks)
    assert not most or (ks[0] == 1 and ks[-1] == most)
