"""Reading responses from tables that others wrote: which column holds the gold, which the response."""

from __future__ import annotations

from typing import Any

import polars as pl

from factory.errors import UsageError
from factory.sources.columns import holds_messages, last_answer, message_text
from factory.verification.code_tests import TEST_COLUMNS
from factory.verification.extraction import split_reasoning

GOLD = ("answer", "gold")
CHATS = ("messages", "conversations")
RESPONSE = ("content", "response", "prediction", "completion", *CHATS)


def as_responses(rows: pl.DataFrame, where: object = "the input") -> pl.DataFrame:
    """The rows with `answer`, `reasoning` and `content` as verification reads them; other columns stay.

    Think tags in a `response`, `prediction` or `completion` are split into `reasoning` and `content`. Of chat messages
    the model's last is the response, and the user's are the problem where there is no other.

    Raises:
        UsageError: there is no column with the gold or none with the response.
    """
    if not set(GOLD) & set(rows.columns) and set(TEST_COLUMNS) & set(rows.columns):
        rows = rows.with_columns(answer=pl.lit(None, pl.String))  # tests stand in for a gold
    gold = next((name for name in GOLD if name in rows.columns), None)
    text = next((name for name in RESPONSE if name in rows.columns), None)
    if gold is None or text is None:
        wanted = (
            "a gold answer (`answer` or `gold`)"
            if gold is None
            else "a response (`content`, `response`, `prediction` or `messages`)"
        )
        there = ", ".join(rows.columns) or "none, it holds no rows"
        raise UsageError(
            f"{where} has no column with {wanted}; columns there: {there}", do="rename the column"
        )
    chat = next((name for name in ("prompt", *CHATS) if _is_chat(rows, name)), None)
    if chat is not None and "problem" not in rows.columns:
        rows = rows.with_columns(message_text(rows.get_column(chat), asked=True).alias("problem"))
    answers = pl.Series(
        "answer", [as_text(value) for value in rows.get_column(gold).to_list()], dtype=pl.String
    )
    if text == "content":
        return rows.with_columns(answers)
    said = last_answer(rows.get_column(text)).to_list()
    halves = [split_reasoning(as_text(value) or "") for value in said]
    contents = pl.Series("content", [content for _, content in halves], dtype=pl.String)
    rows = rows.with_columns(answers, contents)
    if "reasoning" not in rows.columns:
        rows = rows.with_columns(pl.Series("reasoning", [thought for thought, _ in halves], dtype=pl.String))
    return rows


def _is_chat(rows: pl.DataFrame, name: str) -> bool:
    return name in rows.columns and holds_messages(rows.get_column(name).dtype)


def as_text(value: Any) -> str | None:
    """An answer cell as text: numbers as written, lists joined by commas."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, list | tuple):
        return ", ".join(as_text(item) or "" for item in value)
    return str(value)
