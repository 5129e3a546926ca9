"""Reward rebalancing as a pure function: what every choice must satisfy, whatever the rewards."""

import math
import random

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from train.rl import rebalance

REWARD = st.sampled_from([1.0, -1.0, math.nan, 0.5, -0.25])
GROUPS = st.integers(2, 12).flatmap(
    lambda width: st.tuples(
        st.lists(st.lists(REWARD, min_size=width, max_size=width), min_size=1, max_size=4),
        st.integers(1, width),
    )
)


@settings(max_examples=300, deadline=None)
@given(GROUPS, st.sampled_from([0.25, 0.5, 0.75, 1.0]), st.integers(0, 9))
def test_every_choice_is_balanced_and_whole(case, limit, seed):
    rewards, keep = case
    index, weight = rebalance(torch.tensor(rewards), keep, limit, random.Random(seed))
    assert index.shape == weight.shape == (len(rewards), keep)
    for row, chosen, used in zip(rewards, index.tolist(), weight.tolist(), strict=True):
        assert len(set(chosen)) == keep
        right = sum(value > 0 for value in row)
        wrong = sum(value <= 0 for value in row)
        kept = [row[i] for i, w in zip(chosen, used, strict=True) if w]
        positives = sum(value > 0 for value in kept)
        assert positives == len(kept) - positives
        assert not any(math.isnan(value) for value in kept)
        easy = right > limit * (right + wrong)
        assert positives == (0 if easy else min(right, wrong, keep // 2))


def test_all_positives_stay_when_they_are_few():
    rewards = torch.tensor([[1.0, -1, -1, -1, -1, -1, -1, 1.0]])
    index, weight = rebalance(rewards, 4, 0.5, random.Random(0))
    kept = index[0][weight[0] > 0].tolist()
    assert {0, 7} < set(kept) and len(kept) == 4


def test_accuracy_is_taken_before_choosing_and_over_scored_ones_only():
    nan = math.nan
    half = torch.tensor([[1.0, 1.0, -1.0, -1.0, nan, nan]])
    more = torch.tensor([[1.0, 1.0, 1.0, -1.0, nan, nan]])
    assert rebalance(half, 4, 0.5, random.Random(0))[1].sum() == 4
    assert rebalance(more, 4, 0.5, random.Random(0))[1].sum() == 0
    assert rebalance(more, 4, 0.75, random.Random(0))[1].sum() == 2


def test_negatives_are_drawn_evenly():
    rewards = torch.tensor([[1.0] + [-1.0] * 7])
    counts = torch.zeros(8)
    for seed in range(1400):
        index, weight = rebalance(rewards, 4, 0.5, random.Random(seed))
        counts[index[0][weight[0] > 0]] += 1
    assert counts[0] == 1400
    assert (counts[1:] - 200).abs().max() < 60  # 4.5 standard deviations of a binomial(1400, 1/7)
