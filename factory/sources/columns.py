"""From JSON objects to typed columns, whatever the objects hold.

JSON has no column types, so a type is chosen from *all* values of a key: one scalar type stays, integers with floats
become floats, a list of one scalar type stays a list, chat messages stay messages, and everything else is kept as text
(JSON text for objects), so that no value is lost or coerced silently.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import polars as pl

MESSAGES = {
    keys: pl.List(pl.Struct(dict.fromkeys(keys, pl.String)))
    for keys in (("role", "content"), ("from", "value"))
}
"""Chat messages by the names of speaker and text: OpenAI's and TRL's, and ShareGPT's."""
ASKS = ("user", "human")
ANSWERS = ("assistant", "gpt", "model", "chatgpt", "bot")
"""Speakers."""


def frame_of(objects: Sequence[dict[str, Any]]) -> pl.DataFrame:
    """A table with one row an object; columns are the union of the keys, in order of first appearance."""
    names = list(dict.fromkeys(name for row in objects for name in row))
    return pl.DataFrame([column_of(name, [row.get(name) for row in objects]) for name in names])


def column_of(name: str, values: Sequence[Any]) -> pl.Series:
    """One column with the narrowest type that holds every value (see the module's rule)."""
    kind = _kind(values)
    if kind is None:
        return pl.Series(name, [text_of(value) for value in values], dtype=pl.String)
    return pl.Series(name, values, dtype=kind, strict=True)


def text_of(value: Any) -> str | None:
    """A value as text: strings as they are, whole floats without `.0`, objects and lists as JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    if isinstance(value, (bool, dict, list)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def message_text(column: pl.Series, *, asked: bool = False) -> pl.Series:
    """The text of a column of chat messages, one row's messages joined by line breaks; other columns stay as they are.

    Args:
        column: lists of `MESSAGES`.
        asked: take the user's messages alone where a row has any: what was asked.
    """
    role, content = _message_fields(column.dtype)
    if content is None:
        return column
    texts = column.list.eval(pl.element().struct.field(content).cast(pl.String))
    if asked and role is not None:
        said = pl.element().filter(pl.element().struct.field(role).is_in(ASKS))
        asks = column.list.eval(said.struct.field(content).cast(pl.String))
        texts = pl.select(pl.when(asks.list.len() > 0).then(asks).otherwise(texts)).to_series()
    return texts.list.join("\n", ignore_nulls=True).alias(column.name)


def last_answer(column: pl.Series) -> pl.Series:
    """The text of each row's last message of the model, null where it says nothing; other columns stay as they are."""
    role, content = _message_fields(column.dtype)
    if content is None:
        return column
    said = (
        pl.element() if role is None else pl.element().filter(pl.element().struct.field(role).is_in(ANSWERS))
    )
    return column.list.eval(said.struct.field(content).cast(pl.String)).list.last().alias(column.name)


def holds_messages(kind: pl.DataType) -> bool:
    """True for a column of chat messages."""
    return _message_fields(kind)[1] is not None


def holds_text(kind: pl.DataType) -> bool:
    """True for columns that can be read as text: scalars but bytes, and chat messages."""
    return holds_messages(kind) or not (kind.is_nested() or kind in (pl.Binary, pl.Object))


def _message_fields(kind: pl.DataType) -> tuple[str | None, str | None]:
    """Names of role and content in a list of messages; None where it is none."""
    if not isinstance(kind, pl.List) or not isinstance(kind.inner, pl.Struct):
        return None, None
    there = {field.name for field in kind.inner.fields}
    return next(
        ((role if role in there else None, text) for role, text in MESSAGES if text in there), (None, None)
    )


Kinds = dict[str, pl.DataType]
EMPTY_LISTS = pl.List(pl.Null())


def kinds_of(rows: pl.DataFrame) -> Kinds:
    """Type of every column; Null for one that holds nothing, a list of Null for one that holds empty lists.

    Text is what JSON without a value is read as; a Parquet file's own types are its own.
    """
    kinds: Kinds = dict(rows.schema)
    for name, kind in kinds.items():
        if kind == pl.String and rows[name].null_count() == rows.height:
            kinds[name] = pl.Null()
        elif kind == pl.List(pl.String) and not rows[name].list.len().sum():
            kinds[name] = EMPTY_LISTS
    return kinds


def written(kinds: Kinds) -> list[tuple[str, pl.DataType]]:
    """Columns and types as they lie in a file: text where nothing is known."""
    unknown = {pl.Null(): pl.String(), EMPTY_LISTS: pl.List(pl.String())}
    return [(name, unknown.get(kind, kind)) for name, kind in kinds.items()]


def union(found: Sequence[Kinds]) -> Kinds:
    """One type per column: what all tables agree on, the wider number, or text."""
    names = list(dict.fromkeys(name for kinds in found for name in kinds))
    return {name: _one({kinds[name] for kinds in found if name in kinds} - {pl.Null()}) for name in names}


def conform(rows: pl.DataFrame, kinds: Kinds) -> pl.DataFrame:
    """The rows with these columns and types: absent columns are null, what does not fit becomes text (`text_of`)."""
    columns = []
    for name, kind in kinds.items():
        column = rows[name] if name in rows.columns else pl.Series(name, [None] * rows.height)
        if kind == pl.String and column.dtype not in (pl.String, pl.Null):
            column = pl.Series(name, [text_of(value) for value in column], dtype=pl.String)
        columns.append(column.cast(kind))
    return pl.DataFrame(columns)


def stack(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Tables below each other, as `union` and `conform` have it."""
    frames = [frame for frame in frames if frame.width]
    kinds = union([kinds_of(frame) for frame in frames])
    return pl.concat([conform(frame, kinds) for frame in frames]) if frames else pl.DataFrame()


def _one(kinds: set[pl.DataType]) -> pl.DataType:
    known = kinds - {EMPTY_LISTS}
    lists = [kind for kind in known if isinstance(kind, pl.List)]
    if EMPTY_LISTS in kinds and len(lists) == len(known):
        return _one(known) if known else pl.List(pl.String())
    if len(kinds) == 1:
        return next(iter(kinds))
    if kinds and all(kind.is_numeric() for kind in kinds):
        return pl.Float64() if any(kind.is_float() for kind in kinds) else pl.Int64()
    inner = {kind.inner for kind in lists}
    if lists and len(lists) == len(kinds) and all(kind.is_numeric() for kind in inner):
        return pl.List(_one({pl.Float64() if kind.is_float() else pl.Int64() for kind in inner}))
    return pl.String()


def _kind(values: Iterable[Any]) -> pl.DataType | None:
    """The type that holds all values, or None when only text does."""
    present = [value for value in values if value is not None]
    types = {type(value) for value in present}
    if not types or types == {str}:
        return pl.String()
    if types == {bool}:
        return pl.Boolean()
    if types == {int}:
        return pl.Int64() if all(-(2**63) <= value < 2**63 for value in present) else None
    if types == {float} or (types == {int, float} and all(abs(value) <= 2**53 for value in present)):
        return pl.Float64()
    if types == {list}:
        return _list_kind([item for value in present for item in value])
    return None


def _list_kind(items: list[Any]) -> pl.DataType | None:
    for keys, kind in MESSAGES.items():
        if items and all(_is_message(item, keys) for item in items):
            return kind
    if any(isinstance(item, (list, dict)) for item in items):
        return None
    inner = _kind(items)
    return pl.List(inner) if inner is not None else None


def _is_message(item: Any, keys: tuple[str, str]) -> bool:
    return (
        isinstance(item, dict)
        and set(item) == set(keys)
        and isinstance(item[keys[0]], str)
        and (item[keys[1]] is None or isinstance(item[keys[1]], str))
    )
