"""Prompts and completions of training rows: the one place where they are put together and taken apart."""

from __future__ import annotations

from typing import Any

import polars as pl

from factory.config.prompt import Given
from factory.sampling.prompt import build_messages, wanted_by
from schemas import ResponseStatus

MESSAGES_TYPE = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))
"""Polars type of a list of messages; `schemas.MESSAGES` in Arrow."""

TAGS = r"</?think>"
"""Think tags inside reasoning or answer would end the reasoning early; such responses are never rendered."""


def render_completion(reasoning: str | None, content: str | None, *, cut: bool = False) -> str:
    """The assistant's text: reasoning between think tags, a blank line, the answer.

    Without reasoning it is the answer alone. A response that was `cut` while it reasoned stays open.
    """
    if not reasoning:
        return content or ""
    if cut:
        return f"<think>\n{reasoning}"
    return f"<think>\n{reasoning}\n</think>\n\n{content or ''}"


def prompt_column(rows: pl.DataFrame, prompt: Given, system: str | None, name: str = "prompt") -> pl.Series:
    """The messages before the answer, worded as they are sent to a sampler, from the fields of a row."""
    asked = {"id", "problem", "choices", "metadata", *wanted_by(prompt)}
    needed = rows.select(each for each in rows.columns if each in asked)
    values = [list(build_messages(row, prompt, system)) for row in needed.iter_rows(named=True)]
    return pl.Series(name, values, dtype=MESSAGES_TYPE)


def completion_column(rows: pl.DataFrame, name: str) -> pl.Series:
    """One assistant message a row, from columns `reasoning`, `content` and `status`."""
    cut = rows["status"] == ResponseStatus.CUT_IN_REASONING.value
    texts = zip(rows["reasoning"], rows["content"], cut, strict=True)
    values: list[Any] = [
        [{"role": "assistant", "content": render_completion(r, c, cut=bool(x))}] for r, c, x in texts
    ]
    return pl.Series(name, values, dtype=MESSAGES_TYPE)


def last_message(messages: pl.Series) -> pl.Series:
    """The text of the last message, of a column of messages."""
    return messages.list.eval(pl.element().struct.field("content")).list.last()


def renderable() -> pl.Expr:
    """True for responses that have an answer part and whose text holds no think tag of its own."""
    text = pl.concat_str("reasoning", "content", separator="\n", ignore_nulls=True)
    has_answer = pl.col("content").fill_null("").str.strip_chars().str.len_bytes() > 0
    return has_answer & ~text.str.to_lowercase().str.contains(TAGS)
