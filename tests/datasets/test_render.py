"""Training text: think tags, prompts, and what is never rendered."""

import polars as pl
import pytest

from factory.datasets.render import completion_column, prompt_column, render_completion, renderable


def test_reasoning_stands_between_tags():
    assert render_completion("step", r"\boxed{1}") == "<think>\nstep\n</think>\n\n\\boxed{1}"
    assert render_completion(None, "one") == "one"
    assert render_completion("step", None, cut=True) == "<think>\nstep"


def test_columns_become_messages():
    rows = pl.DataFrame(
        {
            "problem": ["1+1?", "{2}+2?"],
            "choices": [None, ["3", "4"]],
            "reasoning": ["a", "b"],
            "content": ["2", "4"],
            "status": ["complete", "cut_in_reasoning"],
        }
    )
    prompts = prompt_column(rows, r"Put it in \boxed{{}}. {problem}", "Be brief.").to_list()
    assert prompts[0] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": r"Put it in \boxed{}. 1+1?"},
    ]
    assert prompts[1][1]["content"] == "Put it in \\boxed{}. {2}+2?\n\nA. 3\nB. 4"
    texts = completion_column(rows, "completion").to_list()
    assert texts[0] == [{"role": "assistant", "content": "<think>\na\n</think>\n\n2"}]
    assert texts[1][0]["content"] == "<think>\nb"


@pytest.mark.parametrize(
    ("reasoning", "content", "fit"),
    [
        ("a", "b", True),
        (None, "b", True),
        ("a", " ", False),
        ("a", None, False),
        ("a </think> injected", "b", False),
        ("a", "<THINK>b", False),
    ],
)
def test_texts_with_tags_of_their_own_are_not_rendered(reasoning, content, fit):
    row = pl.DataFrame(
        {"reasoning": [reasoning], "content": [content]},
        schema={"reasoning": pl.String, "content": pl.String},
    )
    assert row.select(renderable()).item() is fit
