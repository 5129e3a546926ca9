"""Which samples `--accept N` asks for: the least asked unsolved problems first, in waves of the right size."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.config.verify import VerifySection
from factory.sampling.job import SURPLUS, Acceptance


class Played(Acceptance):
    """Verdicts from a table of right (problem, sample) pairs instead of a verifier."""

    def play(self, right):
        """All waves; each as problem ids with the state before it."""
        waves = []
        while wave := self.next_wave():
            waves.append((list(wave), dict(self.asked), set(self.solved)))
            answered = [(name, i) for name, samples in wave.items() for i in samples]
            hits = [name for name, i in answered if (name, i) in right]
            self.accepted += len(hits)
            self.solved.update(hits)
        return waves


def start(problems, wanted, samples, most=None):
    acceptance = Played(VerifySection(), wanted, samples, most)
    acceptance.open(list(problems))
    return acceptance


@given(
    st.integers(1, 8),
    st.integers(1, 4),
    st.integers(1, 20),
    st.sets(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 3))),
)
@settings(max_examples=200, deadline=None)
def test_no_solved_problem_is_asked_while_an_unsolved_one_may_be(count, samples, wanted, right):
    acceptance = start("abcdefgh"[:count], wanted, samples)
    for chosen, asked_after, solved in acceptance.play(right):
        before = {name: asked_after[name] - (name in chosen) for name in asked_after}
        unsolved = [name for name in before if name not in solved and before[name] < samples]
        if unsolved:
            assert not solved & set(chosen)
            assert {before[name] for name in chosen} == {min(before[name] for name in unsolved)}
        assert max(asked_after.values()) <= samples
        assert len(set(chosen)) == len(chosen)
    enough = acceptance.accepted >= wanted
    assert enough or acceptance.candidates == count * samples


def test_a_wave_asks_for_what_the_accepted_share_says_is_needed():
    names = [f"p{i}" for i in range(1000)]
    acceptance = start(names, 100, 4)
    assert len(acceptance.next_wave()) == 111, (
        "the first wave takes every answer for right, and a tenth on top"
    )
    acceptance.accepted = 37
    assert len(acceptance.next_wave()) == 208 == round(63 / (37 / 111) * SURPLUS + 0.5)
    acceptance.accepted = 99
    assert 1 <= len(acceptance.next_wave()) <= 5


def test_a_poor_share_does_not_ask_without_bounds_and_the_room_is_kept():
    names = [f"p{i}" for i in range(1000)]
    acceptance = start(names, 10, 4)
    acceptance.next_wave()
    assert len(acceptance.next_wave()) == 221, "none right of eleven: one in twenty is assumed"
    small = start(names, 10, 4, most=15)
    assert [len(wave) for wave, *_ in small.play(set())] == [11, 4]
    assert start([], 5, 4).next_wave() == {} == start(names, 0, 4).next_wave()


def test_few_waves_are_enough():
    names = [f"p{i}" for i in range(400)]
    right = {(name, i) for number, name in enumerate(names) for i in range(4) if (number + i) % 3 == 0}
    acceptance = start(names, 100, 4)
    waves = acceptance.play(right)
    assert len(waves) <= 6
    assert 100 <= acceptance.accepted <= 125


def test_solved_problems_come_in_the_order_of_the_input():
    acceptance = start("dcba", 8, 2)
    right = {(name, i) for name in "abcd" for i in range(2)}
    assert [wave for wave, *_ in acceptance.play(right)] == [["d", "c", "b", "a"]] * 2
    assert acceptance.plan() == {name: range(2) for name in "dcba"}


@pytest.mark.parametrize(
    ("verdicts", "accepted"), [(["correct", "incorrect"], 1), (["timeout", "no_answer"], 0)]
)
def test_only_correct_answers_count(verdicts, accepted, monkeypatch):
    import factory.verification as verification

    rows = pl.DataFrame({"problem_id": ["a", "b"], "verdict": verdicts})
    monkeypatch.setattr(verification, "verify_responses", lambda responses, *_, **__: responses)
    acceptance = start("ab", 5, 2)
    acceptance._verifier = None
    acceptance.judge(rows)
    assert acceptance.accepted == accepted and acceptance.solved == ({"a"} if accepted else set())


def test_answers_of_a_wave_are_checked_by_its_own_verifier():
    rows = pl.DataFrame(
        {"problem_id": ["a", "b"], "answer": ["2", "3"], "content": [r"\boxed{2}", r"\boxed{x+1}"]}
    )
    with Acceptance(VerifySection(workers=1), 1, 1, None) as acceptance:
        acceptance.judge(rows)
        assert (acceptance.accepted, acceptance.solved) == (1, {"a"})
    with pytest.raises(RuntimeError, match="closed"):
        acceptance.judge(rows)
