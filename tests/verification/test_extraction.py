import pytest

from factory.text.reasoning import split_text
from factory.verification.extraction import extract, split_reasoning

CASES = [
    (r"So $x = \boxed{\frac{1}{\sqrt{2}}}$.", r"\frac{1}{\sqrt{2}}"),
    (r"\boxed{1} is not it, so \boxed{2}.", "2"),
    (r"We get $\boxed{1}$ and $\boxed{2}$", "1, 2"),
    (r"\boxed{28}\%", "28%"),
    ("It is 3.\n#### 1,234", "1,234"),
    ("<answer>7</answer>", "7"),
    ("The final answer is $x = 5$. I hope it is correct.", "$x = 5$"),
    ("She has 3 cats. In 5 years, Frank will have 56 dollars for 7 friends.", "56"),
    ("The numbers give 3 * 4 = 12 apples", "12"),
    ("**Answer:** Bentley paid $11,050 to fill 170 balloons.", "$11,050"),
    ("Thus the radius is √5 meters.", "√5"),
    (r"f(x) = 1 \text{ for all } x", r"f(x) = 1 \text{ for all } x"),
    ("最终答案是：12", "12"),
    (r"\boxed{4} ... but wait. The final answer is 5.", "5"),
    ("# Answer\n\n\\sqrt{53}", r"\sqrt{53}"),
]


@pytest.mark.parametrize(("part", "answer"), CASES)
def test_the_stated_answer_is_found(part, answer):
    assert extract(part).text == answer


@pytest.mark.parametrize("part", ["", "   \n", "\\boxed{}"])
def test_no_answer(part):
    found = extract(part)
    assert found is None or not found.text.strip("\\boxed{}")


def test_reasoning_is_split_at_the_last_closing_tag():
    assert split_reasoning("<think>a</think> b") == ("a", "b")
    assert split_reasoning("a</think>b") == ("a", "b")
    assert split_reasoning("<think>a \\boxed{3}") == ("a \\boxed{3}", None)
    assert split_reasoning("plain") == (None, "plain")


@pytest.mark.parametrize(
    ("opens", "closes"),
    [
        ("<think>", "</think>"), ("<thinking>", "</thinking>"), ("<thought>", "</thought>"), ("<thoughts>", "</thoughts>"),
        ("<reasoning>", "</reasoning>"), ("<seed:think>", "</seed:think>"), ("<longcat_think>", "</longcat_think>"),
        ("[THINK]", "[/THINK]"), ("<|begin_of_thought|>", "<|end_of_thought|>"),
        ("<|START_THINKING|>", "<|END_THINKING|>"), ("\u25c1think\u25b7", "\u25c1/think\u25b7"),
    ],
)  # fmt: skip
def test_reasoning_ends_where_the_sampler_s_parser_ends_it(opens, closes):
    text = f"{opens}a \\boxed{{3}}{closes}so \\boxed{{4}}"
    parts = split_text(text)
    assert split_reasoning(text) == (parts.reasoning, parts.content) == ("a \\boxed{3}", "so \\boxed{4}")
    assert split_reasoning(f"{opens}a \\boxed{{3}}")[1] is None
