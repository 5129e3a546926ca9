"""One splitter for every dialect."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.sampling.finish import status_of
from factory.text.reasoning import Parts, split_response, split_text
from schemas import ResponseStatus as S

words = (
    st.text(st.characters(exclude_characters="<>[]|"), min_size=1, max_size=30).map(str.strip).filter(bool)
)


@pytest.mark.parametrize(
    ("text", "prefilled", "parts"),
    [
        ("<think>\nr\n</think>\n\na", False, Parts("r", "a", False)),
        ("r\n</think>\na", False, Parts("r", "a", False)),
        ("r\n</think>\na", True, Parts("r", "a", False)),
        ("r goes on", True, Parts("r goes on", "", True)),
        ("<think>r goes on", False, Parts("r goes on", "", True)),
        ("a", False, Parts(None, "a", False)),
        ("<think>\n\n</think>\n\na", False, Parts(None, "a", False)),
        ("<think>r</think>a<think>s</think>b", False, Parts("r\n\ns", "a\n\nb", False)),
        ("<think>r</think>half<think>s", False, Parts("r\n\ns", "half", True)),
        ("r</think>more</think>a", False, Parts("r\n\nmore", "a", False)),
        ("<THINKING>r</THINKING>a", False, Parts("r", "a", False)),
        ("[THINK]r[/THINK]a", False, Parts("r", "a", False)),
        ("The tag <think> is used by R1.", False, Parts(None, "The tag <think> is used by R1.", False)),
        (
            "<|channel|>analysis<|message|>r<|end|><|start|>assistant<|channel|>final<|message|>a<|return|>",
            False,
            Parts("r", "a", False),
        ),
        ("<|channel|>analysis<|message|>r goes on", False, Parts("r goes on", "", True)),
        ("", False, Parts(None, "", False)),
        ("", True, Parts(None, "", True)),
    ],
)
def test_inline(text, prefilled, parts):
    assert split_text(text, prefilled=prefilled) == parts


@given(words, words)
def test_a_block_and_an_answer_come_back_whole(reasoning, answer):
    for text in (f"<think>{reasoning}</think>{answer}", f"<think>\n{reasoning}\n</think>\n\n{answer}"):
        assert split_text(text) == Parts(reasoning, answer, False)
    without_opening = split_text(f"{reasoning}</think>{answer}")
    assert without_opening == Parts(reasoning, answer, False)
    assert split_response(reasoning, answer) == Parts(reasoning, answer, False)


@given(
    st.lists(st.sampled_from(["<think>", "</think>", "a", "b ", "<", "think>", "\n"]), max_size=12),
    st.booleans(),
)
def test_no_text_is_lost_or_made_up(pieces, prefilled):
    text = "".join(pieces)
    parts = split_text(text, prefilled=prefilled)
    kept = (parts.reasoning or "") + parts.content
    letters = lambda s: sorted(c for c in s if c in "ab")  # noqa: E731
    assert letters(kept) == letters(text)


@pytest.mark.parametrize(
    ("parts", "finish", "status"),
    [
        (Parts("r", "a", False), "stop", S.COMPLETE),
        (Parts(None, "a", False), "stop", S.NO_REASONING),
        (Parts("r", "", True), "length", S.CUT_IN_REASONING),
        (Parts("r", "a", False), "length", S.CUT_IN_ANSWER),
        (Parts(None, "a", False), "length", S.CUT_IN_ANSWER),
        (Parts("r", "", False), "length", S.CUT_IN_REASONING),
        (Parts(None, "", False), "length", S.EMPTY),
        (Parts("r", "", True), "stop", S.EMPTY),
        (Parts(None, "", False), "stop", S.EMPTY),
        (Parts("r", "a", False), "content_filter", S.REFUSED),
        (Parts("r", "half", True), "length", S.CUT_IN_REASONING),
    ],
)
def test_status(parts, finish, status):
    assert status_of(parts, finish) is status
