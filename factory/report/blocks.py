"""What a report section is made of: figures, tables, notes, rows in full. Values only; the template writes the HTML."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from factory.numbers import number
from factory.redaction import printable
from factory.report.tex import answer, split

VIEWER = "http://127.0.0.1:8321"
"""Where `factory view` shows the run; ids link to it."""
LONGEST_TEXT, FIRST_SHOWN, FIRST_LINES = 6_000, 380, 8
"""Characters of a text in the page, and characters and lines before the rest is folded."""


@dataclass(frozen=True, slots=True)
class Figure:
    """An SVG drawn by `factory.report.plots`. `svg` is trusted markup: it is made by the plotting library."""

    svg: Markup
    caption: str
    kind: str = "figure"


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of text cells; `numeric` are the columns that hold only numbers, `half`: two stand side by side."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    numeric: frozenset[int] = frozenset()
    half: bool = False
    kind: str = "grid"


@dataclass(frozen=True, slots=True)
class Note:
    """One sentence: plain, or a warning."""

    text: str
    warning: bool = False
    kind: str = "note"


@dataclass(frozen=True, slots=True)
class Piece:
    """A labelled text of a row: what is shown at once, what is folded, and its length in characters."""

    label: str
    first: Markup
    rest: Markup
    size: int


@dataclass(frozen=True, slots=True)
class Row:
    """A row in full: facts, texts of the whole row, and one list of texts per side (a pair has two)."""

    title: str
    facts: tuple[tuple[str, str], ...]
    pieces: tuple[Piece, ...] = ()
    sides: tuple[tuple[str, tuple[Piece, ...]], ...] = ()
    kind: str = "row"


@dataclass(frozen=True, slots=True)
class Fold:
    """Blocks behind a line that opens them; open in print."""

    title: str
    blocks: tuple[Block, ...]
    kind: str = "fold"


Block = Figure | Grid | Note | Row | Fold

_NUMBER = re.compile(
    r"[-+–$]?[\d,]*(\.\d+)?(e[-+]\d+)?[%s]?( (–|to) [-+]?[\d.]+|\u00a0points|\u00a0\([-+]\d+%\))?"
    r"|not priced|<span class=.bar.*",
    re.DOTALL,
)
"""What counts as a number in a cell, nothing included: `1,234`, `$0.5`, `12.5%`, `4.0 – 15.0`, `-1.2 to +3.4`."""


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the report; `source` names the tables that its numbers were computed from."""

    key: str
    title: str
    source: str
    blocks: tuple[Block, ...]


def grid(
    columns: Sequence[str], rows: Sequence[Sequence[Any]], caption: str = "", *, half: bool = False
) -> Grid:
    """A `Grid` whose cells are shown by `show`."""
    cells = tuple(tuple(show(cell) for cell in row) for row in rows)
    numeric = frozenset(
        i
        for i in range(len(columns))
        if any(row[i] for row in cells) and all(_NUMBER.fullmatch(row[i]) for row in cells)
    )
    return Grid(tuple(columns), cells, caption, numeric, half)


def folded(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], caption: str = ""
) -> tuple[Block, ...]:
    """A table behind a fold; nothing for no rows."""
    return (Fold(title, (grid(columns, rows, caption),)),) if rows else ()


def show(value: Any) -> str:
    """A cell: a number for people, other values as text without control characters, nothing for None."""
    if value is None or isinstance(value, Markup):
        return value if isinstance(value, Markup) else ""
    return number(value) if isinstance(value, int | float) else printable(str(value))


def bar(share: float, lost: float = 0.0, said: str = "") -> Markup:
    """A cell that draws two shares of 1 beside one another; `said` stands under the pointer."""
    widths = [f"{100 * min(max(each, 0.0), 1.0):.2f}%" for each in (share, lost)]
    return Markup(
        '<span class="bar" title="{}"><i style="width:{}"></i><i class="lost" style="width:{}"></i></span>'
    ).format(said, *widths)


def link(row_id: Any) -> Markup:
    """An id that opens its row in the viewer."""
    text = printable(str(row_id))
    return Markup('<a class="id" href="{}/row?id={}" rel="noreferrer">{}</a>').format(
        VIEWER, quote(str(row_id)), text
    )


def piece(label: str, text: Any, *, short: bool = False) -> tuple[Piece, ...]:
    """A text of a row, its formulas drawn; nothing for no text. `short`: an answer, which may be a bare formula."""
    if text is None or not str(text).strip():
        return ()
    text = str(text).strip()
    at = min(FIRST_SHOWN, len("\n".join(text[:FIRST_SHOWN].split("\n")[:FIRST_LINES])))
    if short and len(text) <= at:
        return (Piece(label, answer(text), Markup(""), len(text)),)
    first, rest = split(shorten(text, LONGEST_TEXT), at)
    return (Piece(label, first, rest, len(text)),)


def shorten(text: str | None, limit: int) -> str:
    """The first `limit` characters, with the number of those left out."""
    if text is None:
        return ""
    return text if len(text) <= limit else f"{text[:limit]} … ({len(text) - limit:,} more characters)"


def many(count: int, what: str) -> str:
    """A number with its noun: `1 row`, `1,200 rows`."""
    return f"{count:,} {what}" if count != 1 else f"1 {what.removesuffix('s')}"
