"""What a report section is made of: figures, tables, notes, texts. Values only; the template writes the HTML."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from factory.numbers import number


@dataclass(frozen=True, slots=True)
class Figure:
    """An SVG drawn by `factory.report.plots`. `svg` is trusted markup: it is made by the plotting library."""

    svg: Markup
    caption: str
    kind: str = "figure"


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of text cells; `numeric` are the columns that hold nothing but numbers."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    folded: bool = False
    numeric: frozenset[int] = frozenset()
    kind: str = "grid"


@dataclass(frozen=True, slots=True)
class Note:
    """One sentence: plain, or a warning."""

    text: str
    warning: bool = False
    kind: str = "note"


@dataclass(frozen=True, slots=True)
class Text:
    """A model's or a source's text, shown as it is and folded when long. Hostile input: never markup."""

    title: str
    facts: tuple[tuple[str, str], ...]
    pieces: tuple[tuple[str, str], ...]
    kind: str = "text"


Block = Figure | Grid | Note | Text

_NUMBER = re.compile(r"[-+–$]?[\d,]*(\.\d+)?(e[-+]\d+)?%?( (–|to) [-+]?[\d.]+)?")
"""What counts as a number in a cell, nothing included: `1,234`, `$0.5`, `12.5%`, `4.0 – 15.0`, `-1.2 to +3.4`."""


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the report; `source` names the tables that its numbers were computed from."""

    key: str
    title: str
    source: str
    blocks: tuple[Block, ...]


def grid(
    columns: Sequence[str], rows: Sequence[Sequence[Any]], caption: str = "", *, folded: bool = False
) -> Grid:
    """A `Grid` whose cells are shown by `show`."""
    cells = tuple(tuple(show(cell) for cell in row) for row in rows)
    numeric = frozenset(
        i
        for i in range(len(columns))
        if any(row[i] for row in cells) and all(_NUMBER.fullmatch(row[i]) for row in cells)
    )
    return Grid(tuple(columns), cells, caption, folded, numeric)


def show(value: Any) -> str:
    """A cell: a number for people, other values as text, nothing for None."""
    if value is None:
        return ""
    return number(value) if isinstance(value, int | float) else str(value)


def shorten(text: str | None, limit: int) -> str:
    """The first `limit` characters, with the number of those left out."""
    if text is None:
        return ""
    return text if len(text) <= limit else f"{text[:limit]} … ({len(text) - limit:,} more characters)"
