"""Online choice of prompts: near a half, every length in turn, the same after a resume."""

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from train.prompts import FARTHEST, PromptChoice


def test_prompts_that_are_solved_half_of_the_time_are_sampled_most():
    rates = np.linspace(0, 1, 201)
    choice = PromptChoice(rates, [0] * 201, 1)
    drawn = np.asarray([at for step in range(200) for at in choice.draw(step, 8)])
    assert 0.3 < rates[drawn].mean() < 0.7
    dead = (rates[drawn] ** 8 + (1 - rates[drawn]) ** 8).mean()
    assert dead < 0.6 * (rates**8 + (1 - rates) ** 8).mean()
    assert len(set(drawn.tolist())) > 100, "others are still looked at"


def test_what_rollouts_show_replaces_what_the_set_says():
    choice = PromptChoice([0.5] * 20, [0] * 20, 1)
    for step in range(6):
        choice.update(step, range(10), [8] * 10, [0] * 10)
    drawn = [at for step in range(6, 60) for at in choice.draw(step, 2)]
    assert np.mean([at >= 10 for at in drawn]) > 0.9


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.none() | st.floats(0, 1), st.none() | st.integers(0, 3)), min_size=1, max_size=40),
    st.integers(1, 64),
    st.integers(0, 5),
)
def test_every_step_gets_its_prompts_one_of_each_length_in_turn(rows, count, step):
    rates, buckets = zip(*rows, strict=True)
    choice = PromptChoice(rates, buckets, 3)
    drawn = choice.draw(step, count)
    assert len(drawn) == count and set(drawn) <= set(range(len(rows)))
    assert drawn == PromptChoice(rates, buckets, 3).draw(step, count), "the same on every process"
    classes = [buckets[at] or 0 for at in drawn]
    several = len(set(classes))
    assert several == min(count, len({each or 0 for each in buckets}))
    for at in range(len(classes) - several):
        assert classes[at] == classes[at + several]


def test_a_resumed_stage_knows_what_the_stopped_one_knew(tmp_path):
    ids = [f"p{n}" for n in range(12)]
    rng = np.random.default_rng(0)
    live = PromptChoice([0.4] * 12, [0] * 12, 7)
    for step in range(5):
        drawn = live.draw(step, 4)
        right = rng.integers(0, 9, len(drawn))
        live.update(step, drawn, right, 8 - right)
        rows = [
            {"problem_id": ids[at], "group": group, "reward": 1.0 if i < yes else -1.0}
            for group, (at, yes) in enumerate(zip(drawn, right, strict=True))
            for i in range(8)
        ]
        half = len(rows) // 2  # two processes
        pl.DataFrame(rows[:half]).write_parquet(tmp_path / f"step-{step + 1:05d}.parquet")
        pl.DataFrame(rows[half:]).write_parquet(tmp_path / f"step-{step + 1:05d}-1.parquet")
    again = PromptChoice([0.4] * 12, [0] * 12, 7)
    again.replay(tmp_path, ids, 5)
    assert again.draw(5, 6) == live.draw(5, 6)
    assert np.array_equal(again.right, live.right) and np.array_equal(again.wrong, live.wrong)
    assert np.array_equal(again.ability, live.ability)


def test_prompts_that_were_not_sampled_rise_with_those_of_their_length_that_were():
    """The student learns one length: what was half solved of it by the set is taken for solved, of the other length not."""
    rates = [0.1] * 40 + [0.5] * 40 + [0.5] * 40
    choice = PromptChoice(rates, [0] * 80 + [1] * 40, 3)
    for step in range(8):
        short, long = list(range(40 + step * 4, 44 + step * 4)), list(range(80 + step * 4, 84 + step * 4))
        choice.update(step, short, [8] * 4, [0] * 4)
        choice.update(step, long, [4] * 4, [4] * 4)
    drawn = np.asarray([at for step in range(8, 200) for at in choice.draw(step, 8)])
    of_short = drawn[drawn < 80]
    assert (of_short < 40).mean() > 0.65, "the hard ones are now those that it solves half of the time"
    assert abs(choice.ability[1]) < 0.2 < 1 < choice.ability[0]


def test_a_refill_takes_other_prompts_than_the_step_has_sampled():
    choice = PromptChoice([0.5] * 12, [0] * 12, 1)
    first = choice.draw(0, 6)
    choice.update(0, first, [0] * 6, [8] * 6)
    again = choice.draw(0, 6, turn=1)
    assert not set(first) & set(again)
    choice.update(0, again, [0] * 6, [8] * 6)
    assert len(choice.draw(0, 6, turn=2)) == 6, "where none is left any is better than none"


def test_a_group_that_nobody_could_check_says_nothing():
    asked, silent = PromptChoice([0.5] * 12, [0] * 12, 1), PromptChoice([0.5] * 12, [0] * 12, 1)
    for step in range(4):
        asked.update(step, [0, 1, 2], [0, 0, 0], [0, 0, 0])
    assert asked.draw(4, 6) == silent.draw(4, 6)
    assert not asked.ability.any() and (asked.right == silent.right).all()


GROUPS = st.lists(st.tuples(st.integers(0, 11), st.integers(0, 8), st.integers(0, 8)), max_size=6)


@settings(max_examples=80, deadline=None)
@given(st.lists(GROUPS, min_size=1, max_size=12), st.lists(st.integers(0, 3), min_size=12, max_size=12))
def test_no_surprise_throws_a_length_class(steps, buckets):
    """Whatever comes out: an ability moves by a bounded step, counts stay counts, and prompts can be drawn."""
    choice = PromptChoice([0.02 * at for at in range(12)], buckets, 2)
    for step, groups in enumerate(steps):
        before = choice.ability.copy()
        drawn = choice.draw(step, 5)
        assert np.abs(choice.ability - before).max() <= FARTHEST and len(drawn) == 5
        if groups:
            choice.update(step, *zip(*groups, strict=True))
    choice.draw(len(steps), 5)
    right, wrong = choice._now(np.arange(12))
    assert np.isfinite(right).all() and (right >= 0).all() and (wrong >= 0).all()
