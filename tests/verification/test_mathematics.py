import pytest

from factory.verification.check import quick_math
from factory.verification.collections import _expansions
from factory.verification.mathematics import check_math, parse
from factory.verification.spelling import spelled_number

SAME = [
    (r"\frac{1}{2}", "0.5"),
    (r"x \in [-2, 7]", r"-2 \le x \le 7"),
    (r"\{x \mid 2 < x < 3\}", "(2, 3)"),
    (r"a \leqslant -2 \text{ or } a = 1", r"(-\infty, -2] \cup \{1\}"),
    ("1 \\pm \\sqrt{19}", r"1 + \sqrt{19}, 1 - \sqrt{19}"),
    ("3,4", "p=3, q=4"),
    ("7,14,18", "Paolo: 18, Qing: 14, Rayna: 7"),
    (r"f(x) = x - 1", "x-1"),
    ("f(t)=t^2", "f(x) = x^2"),
    (r"x = k\pi", r"n\pi"),
    (r"\frac{d!}{2k(d-k)!}", r"\dfrac{\binom{d}{k}(k-1)!}{2}"),
    (r"\begin{pmatrix} 1/2 \\ 3 \end{pmatrix}", r"(\frac12, 3)"),
    ("5 \\text{ m}", "500 \\text{ cm}"),
    ("45^{\\circ}", "\\frac{\\pi}{4}"),
    ("62.5\\%", "\\frac{5}{8}"),
    ("12.55", "\\frac{640}{51}"),
    ("2y = 6x + 2", "y = 3x + 1"),
    ("7:32", "\\frac{7}{32}"),
    ("p=5,q=2;p=7,q=2", "(5,2),(7,2)"),
    (r"0.\overline{3}", r"\frac13"),
    (r"\frac{\log 2}{\log 2 - \log 3}", r"-\frac{\ln 2}{\ln 3 - \ln 2}"),
    (r"1\,111\,111", "1111111"),
    ("②③", "2, 3"),
    ("√66", r"\sqrt{66}"),
    ("3<sup>x</sup>", "3^x"),
    ("|x| \\le 2", "[-2, 2]"),
    (r"\begin{cases} 1, & n=1 \\ 2n, & n>1 \end{cases}", r"\begin{cases} 2n, & n>1 \\ 1, & n=1 \end{cases}"),
]
DIFFERENT = [
    ("\\frac{1}{2004!}", "\\frac{1}{2006!}"),
    ("\\frac{1}{2^{99}}", "\\frac{1}{2^{98}}"),
    (r"1-\frac{1}{\mathrm{e}}", r"1+\frac{1}{\mathrm{e}}"),
    ("3*x-1*y+13=0", "3x + 4y + 14=0"),
    ("5", "5!"),
    ("\\frac{1}{2004!}", "0"),
    ("[0, 1)", "[0, 1]"),
    ("(1, 2)", "(2, 1)"),
    ("x \\le 2", "|x| \\le 2"),
    ("50\\%", "50 \\text{ km}"),
    ("2", "2 \\text{ hours, } 46 \\text{ minutes}"),
    ("f(n) = n", "f(x) = c"),
    ("a=1, b=-2", "a=-2, b=1"),
    ("1,-2", "a=-2, b=1"),
    ("\\pm 2021", "2021"),
    ("12:00", "1:00"),
    ("0.5", "0.46"),
    ("\\frac13", "0.33"),
    ("\\sqrt{66}", "\\sqrt{6} \\cdot 6"),
    ("x < 3", "2x < 5"),
    ("2^{x}", "2^{-x}"),
    ("5 \\text{ m}", "5 \\text{ kg}"),
    ("x^2", "x"),
    ("\\emptyset", "0"),
    # A fraction that has an end is not rounded; one that has none may be.
    (r"\frac{1}{4}", "0.25000001"),
    (r"\frac{1}{40}", "0.024999999"),
]


def verdict(gold, answer):
    return (quick_math(gold, answer) or check_math(gold, answer)).correct


@pytest.mark.parametrize(("gold", "answer"), SAME)
def test_equal_answers_in_another_notation(gold, answer):
    assert verdict(gold, answer)


@pytest.mark.parametrize(("gold", "answer"), DIFFERENT)
def test_different_answers_are_never_correct(gold, answer):
    assert not verdict(gold, answer)
    if answer != "0.33":  # as a gold it may be a rounded third
        assert not verdict(answer, gold)


@pytest.mark.parametrize(("gold", "answer"), [(r"\frac13", "0.33333333"), (r"\frac17", "0.142857143")])
def test_a_fraction_without_end_may_be_written_out(gold, answer):
    assert verdict(gold, answer) and not verdict(gold, answer[:-2] + "99")


def test_an_equation_of_unknowns_is_no_value():
    """`a + b = 5` may be answered by `5`, but a right answer `5` is not called right by the left side of a gold."""
    assert check_math("a + b = 5", "5").verdict == "unverifiable"
    assert check_math("5", "a + b = 5").correct and check_math("x = 5", "5").correct


def test_what_stands_as_words_is_compared_as_words_with_the_answer_shown():
    result = check_math("neither Anna nor Bob", "it is Carl, he said")
    assert (result.method, result.extracted) == ("text", "it is Carl, he said")
    assert (result.gold_canonical, result.extracted_canonical) == (
        "neither anna nor bob",
        "it is carl he said",
    )


@pytest.mark.parametrize(("signs", "members"), [(1, 2), (2, 4), (4, 16), (5, 16)])
def test_signs_of_both_are_written_out_alike_or_each_for_itself_up_to_four(signs, members):
    node = parse(r"\pm 1" * signs)
    assert [len(_expansions(node, linked=linked)[0].args) for linked in (True, False)] == [2, members]


def test_spelled_numbers_are_read_up_to_80_letters():
    long = "seventy-seven million seven hundred seventy-seven thousand seven hundred seventy"
    assert len(long) == 80 and spelled_number(long) == 77_777_770
    assert spelled_number(long[:-1] + "een") is None and spelled_number("twelve!") is None


def test_dummy_names_are_those_that_the_question_does_not_use():
    assert check_math("2x+1", "2t+1", "Find a formula in x.").correct
    assert not check_math("2n", "2k", "There are n boxes and k balls.").correct


def test_both_canonical_forms_are_shown():
    result = check_math("x+1", "1-x")
    assert (result.gold_canonical, result.extracted_canonical) == ("x + 1", "1 - x")
