"""The reward against the real verifier, and its five states."""

import pytest

from factory.config.verify import VerifySection
from factory.verification import Verifier
from train.rewards import VerifiedReward, answer_part


@pytest.fixture(scope="module")
def verifier():
    with Verifier(VerifySection(workers=1)) as verifier:
        yield verifier


def test_right_is_plus_one_wrong_and_missing_are_minus_one(verifier):
    reward, logged = VerifiedReward(verifier), {}
    texts = [
        "<think>\n1 + 1 = 2\n</think>\n\\boxed{2}",
        "<think>\n1 + 1 = 3\n</think>\n\\boxed{3}",
        "<think>\n\\boxed{2} and so on without an end",
        "\\boxed{2}",
    ]
    got = reward(texts, ["2"] * 4, answer_kind=["math"] * 4, log_metric=lambda k, v: logged.update({k: v}))
    assert got == [1.0, -1.0, -1.0, 1.0]
    assert reward.verdicts == ["correct", "incorrect", "no_answer", "correct"]
    assert logged["verdict/correct"] == 0.5 and logged["verdict/no_answer"] == 0.25


def test_messages_are_read_like_texts(verifier):
    message = [{"role": "assistant", "content": "<think>\nx\n</think>\n\\boxed{\\frac{1}{2}}"}]
    assert VerifiedReward(verifier)([message], ["0.5"], answer_kind=["math"]) == [1.0]


@pytest.mark.parametrize("verdict", ["unverifiable", "timeout"])
def test_what_nobody_can_tell_is_no_signal(verdict):
    class Undecided:
        def check_many(self, requests):
            return [type("R", (), {"verdict": verdict})() for _ in requests]

    assert VerifiedReward(Undecided())(["</think>x"], ["1"]) == [None]


def test_only_a_confident_incorrect_is_punished(verifier):
    golds = ["3.14", "Petya", "7", "x^2"]
    answers = [r"\boxed{3.16}", r"\boxed{\text{the first player}}", "It may be 8 in the end", r"\boxed{x^3}"]
    reward = VerifiedReward(verifier)
    assert reward([f"</think>{a}" for a in answers], golds) == [None, None, None, -1.0]
    assert reward.verdicts == ["unverifiable"] * 3 + ["incorrect"]


def test_overlong_punishment_falls_over_the_buffer(verifier):
    shaped = VerifiedReward(verifier, limit=100, buffer=20)
    text = "<think>\nx\n</think>\n\\boxed{2}"
    lengths = (10, 80, 90, 100, 120)
    got = shaped([text] * 5, ["2"] * 5, completion_ids=[[0] * n for n in lengths], answer_kind=["math"] * 5)
    assert got == [1.0, 1.0, 0.5, 0.0, 0.0]
    assert VerifiedReward(verifier)([text], ["2"], completion_ids=[[0] * 1000], answer_kind=["math"]) == [1.0]


def test_a_completion_is_punished_by_its_own_length(verifier):
    """With the limit and the length swapped, long completions would cost nothing and short ones everything."""
    shaped = VerifiedReward(verifier, limit=10, buffer=4)
    right, wrong = (f"<think>\nx\n</think>\n\\boxed{{{n}}}" for n in (2, 3))
    lengths = [5, 6, 7, 8, 10, 20]
    ids = [[0] * n for n in lengths]
    penalties = [0, 0, -0.25, -0.5, -1, -1]
    assert shaped([right] * 6, ["2"] * 6, ids, ["math"] * 6) == [1 + p for p in penalties]
    assert shaped([wrong] * 6, ["2"] * 6, ids, ["math"] * 6) == [-1 + p for p in penalties]
    assert shaped([right] * 2, ["2"] * 2, None, ["math"] * 2) == [1, 1]
    assert VerifiedReward(verifier, limit=10)([right], ["2"], [[0] * 50], ["math"]) == [1]


def test_what_is_no_signal_stays_so_however_long_it_is():
    class Undecided:
        def check_many(self, requests):
            return [type("R", (), {"verdict": "timeout"})() for _ in requests]

    assert VerifiedReward(Undecided(), limit=10, buffer=4)(["</think>x"], ["1"], [[0] * 20]) == [None]


def test_answer_part():
    assert answer_part("<think>a</think>b") == "b"
    assert answer_part("a</think>b</think>c") == "c"
    assert answer_part("<think>never ends") is None
    assert answer_part("plain") == "plain"


def test_a_completion_cut_in_reasoning_that_the_prompt_opened_is_no_answer(verifier):
    cut, ended = "so \\boxed{2} is a first guess, but", "so 2\n</think>\n\\boxed{2}"
    reward = VerifiedReward(verifier, opened=True)
    assert reward([cut, ended], ["2", "2"], answer_kind=["math"] * 2) == [-1.0, 1.0]
    assert reward.verdicts == ["no_answer", "correct"]


def test_a_truncated_completion_solves_nothing_as_in_evaluation_and_difficulty(verifier):
    """Right in its last token but without an end: evaluation counted it wrong, RL rewarded it."""
    text = "<think>\nx\n</think>\n\\boxed{2}"
    reward = VerifiedReward(verifier, ends=[7, 9])
    got = reward([text] * 4, ["2"] * 4, completion_ids=[[1, 7], [1, 9], [1, 2], []], answer_kind=["math"] * 4)
    assert got == [1.0, 1.0, -1.0, -1.0] and reward.verdicts[2:] == ["no_answer", "no_answer"]
