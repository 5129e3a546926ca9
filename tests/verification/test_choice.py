"""Which options an answer names."""

import pytest

from factory.verification.choice import check_choice, letters_of, same_text
from schemas.verdict import Verdict

OPTIONS = ("x + 1", "x - 1", "ten apples", "(D) none of these")


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("B", "B"), ("b", "B"), ("(b)", "B"), ("b)", "B"), ("(B)", "B"), ("B. x - 1", "B"), ("B) because", "B"),
        ("C, A", "AC"), ("A and C", "AC"), ("AA", None), ("k", None), ("(z)", None),
        ("ten apples", "C"), ("Ten Apples", "C"), ("none of these", "D"), ("x - 1", "B"), ("x + 1", "A"),
        ("apples", None), ("The answer is (B)", "B"), ("B or C", None), ("A train stops at C", "C"),
        ("", None), ("x.y*", None), ("(", None),
    ],
)  # fmt: skip
def test_letters(text, letters):
    assert letters_of(text, OPTIONS) == letters


def test_a_lone_letter_counts_without_options_too():
    assert letters_of("(c)") == letters_of("c") == letters_of("C") == "C"
    assert letters_of("k") is None


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("x + 1", "x - 1", False), ("x = 1", "x 1", False), ("1.5", "15", False), ("a/b", "ab", False), ("", "", True),
        ("2^3", "23", False), ("it is red!", "it is red", True),
    ],
)  # fmt: skip
def test_same_words_are_the_same_text_unless_operators_are_about(a, b, same):
    assert same_text(a, b) is same is same_text(b, a)


def test_an_option_that_two_options_spell_is_named_by_neither():
    assert letters_of("red", ("red", "Red", "blue")) is None


def test_verdicts_and_their_reasons():
    right, wrong, open_gold, open_answer = (
        check_choice(gold, answer, OPTIONS)
        for gold, answer in (("B", "(b)"), ("B", "a"), ("neither", "B"), ("B", "B or C"))
    )
    assert (right.verdict, right.reason) == (Verdict.CORRECT, None)
    assert (wrong.verdict, wrong.reason) == (Verdict.INCORRECT, "another option")
    assert (open_gold.verdict, open_gold.reason) == (Verdict.UNVERIFIABLE, "gold names no option")
    assert open_answer.verdict is Verdict.UNVERIFIABLE and "no single option" in open_answer.reason
