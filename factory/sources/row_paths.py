"""Paths into a row: `answer`, `reward_model.ground_truth`, `messages[-1].content`, `generations[*]`.

`[*]` is every item of the list, `[role=user]` the first item whose `role` is `user` (`a|b` for either). Text that is JSON
is looked into.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from factory.errors import UsageError
from factory.sources.columns import text_of
from factory.sources.normalise import literal

_STEP = re.compile(r"\.?([^.\[\]]+)|\[(-?\d+|\*|[^\[\]=]+=[^\[\]]*)\]")


def value_at(row: Any, path: str) -> Any:
    """The value at a path, None where there is none; a list for a path with `[*]`."""
    if isinstance(row, Mapping) and path in row:
        return row[path]
    return _walk(row, _steps(path))


def first_of(row: Mapping[str, Any], paths: str) -> Any:
    """The value at the first of some paths that holds something."""
    return next((found for path in paths.split() if not holds_nothing(found := sum_at(row, path))), None)


def sum_at(row: Mapping[str, Any], path: str) -> Any:
    """The value at a path, or the joined texts of paths with `+` between."""
    if "+" not in path:
        return value_at(row, path)
    return "\n".join(
        str(found) for each in path.split("+") if not holds_nothing(found := value_at(row, each))
    )


def text_from(value: Any) -> str | None:
    """A value as text; content in parts (`[{"type": "text", "text": ...}]`) is joined, other lists and objects are none."""
    if isinstance(value, str) and value.lstrip().startswith(("{", "[{")):
        value = looked_into(value)
    if in_parts(value):
        return "".join(str(each["text"] or "") for each in value)
    return None if isinstance(value, (Mapping, list)) else text_of(value)


def in_parts(value: Any) -> bool:
    """Whether a message's content comes in parts."""
    there = isinstance(value, list) and bool(value)
    return there and all(isinstance(each, Mapping) and "text" in each for each in value)


def head(path: str) -> str:
    """The column of a path."""
    return path.partition("[")[0].partition(".")[0]


def holds_nothing(value: Any) -> bool:
    """Whether there is no value, no text and nothing in a list."""
    if isinstance(value, str):
        return not value or value.isspace()
    if isinstance(value, list):
        return all(map(holds_nothing, value))
    return value is None or value == {}


@cache
def _steps(path: str) -> tuple[str | int | tuple[str, frozenset[str]], ...]:
    found: list[str | int | tuple[str, frozenset[str]]] = []
    at = 0
    while match := _STEP.match(path, at):
        at = match.end()
        name, index = match.groups()
        if name is not None:
            found.append(name)
        elif index == "*":
            found.append("[*]")
        elif "=" in index:
            key, _, values = index.partition("=")
            found.append((key, frozenset(values.split("|"))))
        else:
            found.append(int(index))
    if at != len(path) or not found:
        raise UsageError(
            f"{path} is no path", do="write it as column, column.key, column[0].key or column[*]"
        )
    return tuple(found)


def _walk(value: Any, steps: Sequence[str | int | tuple[str, frozenset[str]]]) -> Any:
    for place, step in enumerate(steps):
        value = looked_into(value)
        if step == "[*]":
            return [_walk(item, steps[place + 1 :]) for item in value] if isinstance(value, list) else None
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, Mapping) else None
        elif isinstance(step, int):
            inside = isinstance(value, list) and -len(value) <= step < len(value)
            value = value[step] if inside else None
        else:
            items = value if isinstance(value, list) else []
            key, wanted = step
            value = next((i for i in items if isinstance(i, Mapping) and i.get(key) in wanted), None)
        if value is None:
            return None
    return value


def looked_into(value: Any) -> Any:
    """JSON (or a Python literal) in a text, or the value itself."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        found = literal(value)
        return value if found is None else found
    return value
