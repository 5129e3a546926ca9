"""Reward rebalancing as a pure function: what every choice must satisfy, whatever the rewards."""

import math
import random

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from train.rl import rebalance

REWARD = st.sampled_from([1.0, -1.0, math.nan, 0.5, 0.0, -1.25])
GROUPS = st.integers(2, 12).flatmap(
    lambda width: st.tuples(
        st.lists(st.lists(REWARD, min_size=width, max_size=width), min_size=1, max_size=4),
        st.integers(1, 3 * width),
    )
)


@settings(max_examples=300, deadline=None)
@given(GROUPS, st.sampled_from([0.25, 0.5, 0.75, 1.0]), st.integers(0, 9))
def test_every_choice_is_balanced_and_keeps_all_positives_that_there_is_room_for(case, limit, seed):
    rewards, room = case
    chosen = rebalance(torch.tensor(rewards), room, limit, random.Random(seed))
    assert len(chosen) == len(rewards) and sum(map(len, chosen)) <= room
    wanted = []
    for row, indices in zip(rewards, chosen, strict=True):
        right, wrong = sum(value >= 0 for value in row), sum(value < 0 for value in row)
        kept = [row[i] for i in indices]
        positives = sum(value >= 0 for value in kept)
        assert len(set(indices)) == len(indices) == 2 * positives
        assert not any(math.isnan(value) for value in kept)
        wanted.append(0 if right > limit * (right + wrong) else min(right, wrong))
        assert positives <= wanted[-1]
    got = [len(indices) // 2 for indices in chosen]
    if 2 * sum(wanted) <= room:
        assert got == wanted
    else:
        assert sum(got) == room // 2
        level = max(got)
        assert all(g == w or g >= level - 1 for g, w in zip(got, wanted, strict=True)), (
            "the largest are lowered first"
        )


def test_all_positives_stay_when_they_are_few():
    rewards = torch.tensor([[1.0, -1, -1, -1, -1, -1, -1, 1.0]])
    (kept,) = rebalance(rewards, 4, 0.5, random.Random(0))
    assert {0, 7} < set(kept) and len(kept) == 4


def test_room_that_dead_groups_leave_goes_to_the_others():
    """Half a group was the limit before: 6 right of 12 kept 4 of 8 rows although the other group was all wrong."""
    rewards = torch.tensor([[1.0] * 6 + [-1.0] * 6, [-1.0] * 12])
    both = rebalance(rewards, 16, 1.0, random.Random(0))
    assert [len(c) for c in both] == [12, 0]


def test_accuracy_is_taken_before_choosing_and_over_scored_ones_only():
    nan = math.nan
    half = torch.tensor([[1.0, 1.0, -1.0, -1.0, nan, nan]])
    more = torch.tensor([[1.0, 1.0, 1.0, -1.0, nan, nan]])
    assert len(rebalance(half, 4, 0.5, random.Random(0))[0]) == 4
    assert len(rebalance(more, 4, 0.5, random.Random(0))[0]) == 0
    assert len(rebalance(more, 4, 0.75, random.Random(0))[0]) == 2


def test_a_right_answer_that_is_punished_for_its_length_is_still_right():
    """Right at the very limit is 0, wrong at the limit -2: the choice goes by the verdict."""
    punished = torch.tensor([[0.0, 0.5, -2.0, -1.0]])
    (kept,) = rebalance(punished, 4, 1.0, random.Random(0))
    assert set(kept[:2]) == {0, 1} and set(kept[2:]) == {2, 3}


def test_negatives_are_drawn_evenly():
    rewards = torch.tensor([[1.0] + [-1.0] * 7])
    counts = torch.zeros(8)
    for seed in range(1400):
        counts[rebalance(rewards, 4, 0.5, random.Random(seed))[0]] += 1
    assert counts[0] == 1400
    assert (counts[1:] - 200).abs().max() < 60  # 4.5 standard deviations of a binomial(1400, 1/7)
