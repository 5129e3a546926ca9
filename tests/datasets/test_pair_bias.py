"""Matching lengths against a brute-force reference."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.datasets.pair_bias import cohens_d, match_length


def test_cohens_d_by_hand():
    assert cohens_d([2, 4, 6], [1, 3, 5]) == pytest.approx(1 / 2)
    assert cohens_d([1, 1], [1, 1]) == 0
    assert cohens_d([1], [1, 2]) == cohens_d([1, 2], [5]) == cohens_d([], [1, 2]) == 0, (
        "no spread of one value"
    )
    assert cohens_d([2, 2], [1, 1]) == np.inf
    assert cohens_d([1], [2]) == 0


lengths = st.lists(st.tuples(st.integers(1, 200), st.integers(1, 200)), min_size=2, max_size=30)


@given(lengths, st.sampled_from([0.05, 0.2, 0.5]))
@settings(deadline=None, max_examples=200)
def test_what_stays_meets_the_limit_and_no_earlier_cut_would(pairs, limit):
    a, b = (np.array(side, float) for side in zip(*pairs, strict=True))
    stays = match_length(a, b, limit)
    if stays.any():
        assert stays.sum() >= 2
        assert abs(cohens_d(a[stays], b[stays])) <= limit + 1e-9
    sign = np.sign(a.mean() - b.mean())
    order = np.argsort(-sign * (a - b), kind="stable")
    for dropped in range(0, len(a) - 1):
        rest = order[dropped:]
        if abs(cohens_d(a[rest], b[rest])) <= limit - 1e-9:
            assert (~stays).sum() <= dropped
            break


def test_unbiased_pairs_all_stay():
    rng = np.random.default_rng(0)
    a, b = rng.normal(100, 10, 500), rng.normal(100, 10, 500)
    assert match_length(a, b, 0.3).all()


def test_the_cost_is_small_where_the_bias_is():
    rng = np.random.default_rng(0)
    a, b = rng.normal(112, 20, 2_000), rng.normal(100, 20, 2_000)
    stays = match_length(a, b, 0.2)
    assert abs(cohens_d(a[stays], b[stays])) <= 0.2
    assert stays.mean() > 0.7
