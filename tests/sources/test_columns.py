"""Chat columns read as text, and tables of different types below each other."""

import polars as pl
import pytest

from factory.sources.columns import (
    column_of,
    conform,
    holds_text,
    kinds_of,
    last_answer,
    message_text,
    stack,
    union,
)

CHAT = [
    [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "1+1?"},
        {"role": "assistant", "content": "2"},
    ],
    [{"role": "assistant", "content": "hello"}],
    [{"role": "user", "content": None}],
    [],
    None,
]


def test_messages_as_text():
    column = pl.Series("messages", CHAT)
    assert message_text(column).to_list() == ["Be brief.\n1+1?\n2", "hello", "", "", None]
    assert message_text(column, asked=True).to_list() == ["1+1?", "hello", "", "", None]
    assert message_text(column).name == "messages"


def test_sharegpt_conversations_as_text():
    column = pl.Series("conversations", [[{"from": "human", "value": "1+1?"}, {"from": "gpt", "value": "2"}]])
    assert message_text(column).to_list() == ["1+1?\n2"]
    assert message_text(column, asked=True).to_list() == ["1+1?"]


def test_the_last_message_of_the_model_is_its_answer():
    assert last_answer(pl.Series("messages", CHAT)).to_list() == ["2", "hello", None, None, None]
    turns = [("human", "1+1?"), ("gpt", "3"), ("human", "Sure?"), ("gpt", "2"), ("human", "Thanks")]
    shared = column_of("conversations", [[{"from": who, "value": said} for who, said in turns]])
    assert last_answer(shared).to_list() == ["2"]


@pytest.mark.parametrize("values", [["a", None], [1, 2], [["a"], ["b"]], [{"content": "x"}], [[{"a": 1}]]])
def test_other_columns_stay(values):
    column = pl.Series("c", values)
    assert message_text(column).equals(column, check_names=True)


@pytest.mark.parametrize(
    ("values", "text"),
    [(["a"], True), ([1], True), (CHAT, True), ([["a"]], False), ([{"a": 1}], False), ([b"a"], False)],
)
def test_what_can_be_compared(values, text):
    assert holds_text(pl.Series(values).dtype) is text


def test_stacking_keeps_every_value():
    frames = [
        pl.DataFrame({"a": [1, 2], "b": ["x", None], "c": [None, None]}),
        pl.DataFrame({"a": ["one"], "d": [[1]]}),
        pl.DataFrame({"a": [2.0], "d": [[0.5]], "b": pl.Series([None], dtype=pl.String)}),
        pl.DataFrame(),
    ]
    rows = stack(frames)
    assert rows["a"].to_list() == ["1", "2", "one", "2"]
    assert rows["b"].to_list() == ["x", None, None, None]
    assert rows["d"].to_list() == [None, None, [1.0], [0.5]]
    kinds = union([kinds_of(frame) for frame in frames])
    assert conform(frames[1], kinds)["a"].to_list() == ["one"]
