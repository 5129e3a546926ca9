"""Which options an answer names."""

import polars as pl
import pytest

from factory.config.verify import VerifySection
from factory.verification import CheckRequest, check, verify_responses
from factory.verification.choice import check_choice, letters_of, same_text, stated_letter
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


def test_the_text_of_an_option_counts_before_the_beginning_of_a_longer_one():
    options = ("Rome was not", "Rome was not built", "Berlin fell to pieces")
    assert letters_of("Rome was not", options) == "A"
    assert letters_of("Berlin fell ", options) is None and letters_of("Berlin fell t", options) == "C"
    assert letters_of("Berlin fel", options) is None


def test_lines_of_marks_are_no_sentences():
    marks = "\n**\n_\n.\n* *\n___\n"
    assert stated_letter(f"Option C is correct.{marks}") == "C"
    assert stated_letter("Option C is correct. One. Two. Three. Four.") is None


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


CITIES = ("Paris is big", "London calls the tune", "Rome was not built", "Berlin")


@pytest.mark.parametrize(
    "response",
    [
        "Therefore, option C is correct.", "The best answer is C.", "So it must be C.", "Hence, C is the right answer.",
        "This corresponds to choice C.", "We look at it all. **Answer: C**", "Option A is wrong.\nOption C is correct.",
        "The correct choice is (C).", "故选C。", "因此选C", "所以正确答案是C。", "I would go with C.", "C is correct because of 5 things.",
        "Looking at C and A, one thing is clear.\nSo this is **(C) 3(1 + r)**.",
        r"\boxed{\text{Rome was not bui}}",
    ],
)  # fmt: skip
def test_letters_as_people_name_them(response):
    assert check(CheckRequest(response, "C", "choice", CITIES)).verdict is Verdict.CORRECT
    assert check(CheckRequest(response, "B", "choice", CITIES)).verdict is Verdict.INCORRECT


@pytest.mark.parametrize(
    "response",
    [
        "Option C is not correct.",
        "It cannot be C.",
        "C or D",
        "Options A and C are true.",
        "A cat sat there.",
    ],
)
def test_what_names_no_option(response):
    assert check(CheckRequest(response, "C", "choice", CITIES)).verdict in (
        Verdict.NO_ANSWER,
        Verdict.UNVERIFIABLE,
    )


def test_options_may_be_a_dictionary():
    rows = pl.DataFrame(
        {
            "answer": ["B"],
            "content": [r"\boxed{London calls the tune}"],
            "options": [dict(zip("ABCD", CITIES, strict=True))],
        }
    )
    assert verify_responses(rows, VerifySection(workers=1)).get_column("verdict").to_list() == ["correct"]
