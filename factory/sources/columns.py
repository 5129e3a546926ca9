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

MESSAGE = pl.Struct({"role": pl.String, "content": pl.String})


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


def stack(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Tables below each other; absent columns are null, columns whose types disagree become text."""
    frames = [frame for frame in frames if frame.width]
    if not frames:
        return pl.DataFrame()
    kinds: dict[str, set[pl.DataType]] = {}
    for frame in frames:
        for name, kind in frame.schema.items():
            kinds.setdefault(name, set()).add(kind)
    clashing = {name for name, found in kinds.items() if not _agree(found)}
    cast = [
        frame.with_columns(
            [as_text_column(frame.get_column(name)) for name in frame.columns if name in clashing]
        )
        for frame in frames
    ]
    return pl.concat(cast, how="diagonal_relaxed")


def as_text_column(column: pl.Series) -> pl.Series:
    """A column whose type disagrees with that of other tables, as text (`text_of`)."""
    return pl.Series(column.name, [text_of(value) for value in column], dtype=pl.String)


def _agree(kinds: Iterable[pl.DataType]) -> bool:
    found = {kind for kind in kinds if kind != pl.Null}
    return len(found) <= 1 or all(kind.is_numeric() for kind in found)


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
    if items and all(_is_message(item) for item in items):
        return pl.List(MESSAGE)
    if any(isinstance(item, (list, dict)) for item in items):
        return None
    inner = _kind(items)
    return pl.List(inner) if inner is not None else None


def _is_message(item: Any) -> bool:
    return (
        isinstance(item, dict)
        and set(item) == {"role", "content"}
        and isinstance(item["role"], str)
        and (item["content"] is None or isinstance(item["content"], str))
    )
