"""The script that most of a text is written in: letters count by what they stand for."""

import polars as pl
import pytest

from factory.datasets.scripts import main_script, other_script

ALPHABETS = {"cyrillic": "д", "arabic": "ب", "hebrew": "ב", "devanagari": "क", "thai": "ก"}


def script(text):
    return main_script(pl.Series([text]))[0]


@pytest.mark.parametrize("name", ALPHABETS)
def test_a_letter_of_an_alphabet_counts_once_and_a_han_sign_three_times(name):
    letter = ALPHABETS[name]
    assert script(letter) == name
    assert script("字" + 2 * letter) == "han" and script("字" + 4 * letter) == name


@pytest.mark.parametrize(("signs", "worth"), [("word ", 5), ("字", 3), ("한", 2)])
def test_a_word_a_sign_and_a_syllable_are_worth_so_many_letters(signs, worth):
    assert script(signs + "д" * (worth - 1)) != "cyrillic" and script(signs + "д" * (worth + 1)) == "cyrillic"


def test_a_text_with_a_share_of_kana_is_japanese_with_its_han():
    assert script("字字字字かな") == "kana" and script("字" * 9 + "か") == "han"
    assert script("字字字字か" + "word " * 3) == "latin"


def test_names_commands_and_code_are_no_words():
    assert script(r"x + y = \frac{a}{b} ```python```") is None and script("") is None
    assert script(r"\alphabet д") == "cyrillic"


def test_a_text_is_in_another_script_than_its_problem_only_where_both_have_one():
    texts, problems = pl.Series(["word", "слово", "1", None]), pl.Series(["слово", "слово", "слово", "word"])
    assert other_script(texts, problems).to_list() == [True, False, False, False]
