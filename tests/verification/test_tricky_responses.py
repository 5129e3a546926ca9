"""Whole responses whose numbers invite a wrong reading. The third column says whether the gold is reached."""

import pytest

from factory.verification import CheckRequest, check

RESPONSES = [
    ("I first thought \\boxed{5}, but that is wrong. The correct answer is \\boxed{6}.", "6", "5"),
    ("The answer is not 7. The answer is 8.", "8", "7"),
    ("The answer is 12, not 15.", "12", "15"),
    ("So x = 3 or x = 4. Since x must be even, x = 4.", "4", "3"),
    ("\\boxed{5 \\text{ or } 6}", "5,6", "5"),
    ("\\boxed{\\text{The answer is } 5}", "5", "6"),
    ("Total is 5 + 6 = 11.", "11", "5"),
    ("The result is 1,000 dollars.", "1000", "1"),
    ("The final answer is 2/3.", "2/3", "2"),
    ("The answer is **\\$5**.", "5", "55"),
    ("The answer is five.", "5", "4"),
    ("Answer: (C) 12", "C", "B"),
    ("The correct option is B because A is wrong.", "B", "A"),
    ("Neither A nor B; the answer is C", "C", "A"),
    ("Answer: 7. Check: 7+1=8", "7", "8"),
    ("The answer is 7.\n\nLet me double-check: 3+4=7, and 3*4=12.", "7", "12"),
    ("#### -72", "-72", "72"),
    ("<answer>The answer is 5.</answer> Hope this helps with 6", "5", "6"),
    ("$\\boxed{5}\\times 10^3$", "5000", "5"),
    ("$\\boxed{3}\\sqrt{2}$", "3\\sqrt2", "3"),
    ("$x = -\\boxed{5}$", "-5", "5"),
    ("$x=\\boxed{3}, y=\\boxed{4}$", "(3,4)", "4"),
    ("\\boxed{x=5 \\text{ (extraneous)}}", None, "5"),
    ("\\boxed{\\neq 5}", None, "5"),
    ("\\boxed{\\approx 5}", "5", "6"),
    ("\\boxed{0.333...}", "\\frac13", "\\frac14"),
    ("\\boxed{5\\pm1}", "6,4", "5"),
    ("\\boxed{\\cancel{5}}", None, "5"),
    ("\\boxed{\\text{DNE}}", "\\text{does not exist}", "0"),
    ("It cannot be 5, so I do not know the answer.", None, "5"),
    ("The answer is either 5 or 6, I am not sure.", None, "5"),
    ("The answer lies between 5 and 6.", None, "5"),
    ("<think>\\boxed{5}</think> I cannot say.", None, "5"),
    ("<think>hm</think>\\boxed{}", None, "5"),
    ("It is false that the series converges.", None, "converges"),
    ("The statement is not true.", None, "True"),
    (
        "Each correct answer is worth 5 points, so 5C = 280.\nThus, Frank answered 56 questions correctly.",
        "56",
        "5",
    ),
    (
        "Rule:\nCorrect answer = 5 points, Incorrect answer = -2 points, Unanswered = 0.\nSo she has 9.",
        "9",
        "0",
    ),
    ("\\boxed{\\text{not possible}}", None, "possible"),
    ("We leave at \\boxed{\\text{2:30 PM}}", "14:30", "2:30 AM"),
    ("It took 18 hours and 48 minutes, so \\boxed{18\\text{ hours and }48\\text{ minutes}}", "1128", "18"),
]


@pytest.mark.parametrize(("response", "reached", "missed"), RESPONSES)
def test_what_a_response_reaches_and_what_not(response, reached, missed):
    assert reached is None or check(CheckRequest(response, reached)).correct
    assert not check(CheckRequest(response, missed)).correct
