"""Lines and tables on the terminal. Everything is shown as text: no markup, no control characters from elsewhere.

With `--json` nothing is shown: `as_json` keeps what a verb says, and prints it as one object where the verb ends.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import click

from factory.redaction import printable

_kept: ContextVar[dict[str, Any] | None] = ContextVar("kept", default=None)
FIGURE = re.compile(r"\$?(-?[\d,]+(?:\.\d+)?)(%?)")


@contextmanager
def as_json(verb: str) -> Iterator[None]:
    """Print what a verb says inside as one JSON object at its end; nothing when it fails.

    `verb`, `lines`, `tables` (each with a title and rows by head) and `written`: the folders with their rows and totals.
    """
    import click

    kept: dict[str, Any] = {"verb": verb, "lines": [], "tables": [], "written": []}
    token = _kept.set(kept)
    try:
        yield
    except click.exceptions.Exit:
        click.echo(json.dumps(kept, indent=2, ensure_ascii=False, default=str))
        raise
    finally:
        _kept.reset(token)
    click.echo(json.dumps(kept, indent=2, ensure_ascii=False, default=str))


def wrote(**facts: Any) -> None:
    """What `--json` says of a folder that was written: exact figures, for the ones that are rounded on the terminal."""
    if (kept := _kept.get()) is not None:
        kept["written"].append(facts)


def _fact(cell: object, *, figure: bool) -> object:
    """A cell as it was before it was formatted: `1,234` and `88.7%` are numbers, `-` and nothing are none."""
    if not isinstance(cell, str):
        return cell if isinstance(cell, int | float | None) else printable(str(cell))
    if not figure:
        return printable(cell)
    found = FIGURE.fullmatch(cell)
    if found is None:
        return None if cell in ("", "-", "–") else printable(cell)
    number = float(found[1].replace(",", ""))
    return (
        number / 100 if found[2] else int(number) if number.is_integer() and "." not in found[1] else number
    )


def say(*lines: str, style: str = "", err: bool = False) -> None:
    """Print lines: wrapped between words on a terminal, but a path or a command that is too long stays in one piece."""
    if (kept := _kept.get()) is not None and not err:
        kept["lines"] += [printable(line) for line in lines if line.strip()]
        return
    from rich.console import Console

    out = Console(stderr=err)
    for line in map(printable, lines):
        whole = not out.is_terminal or any(len(word) > out.width for word in line.split())
        out.print(line, style=style or None, markup=False, highlight=False, soft_wrap=whole)


def show(title: str, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table. A head that begins with `>` is a column of figures, aligned to the right.

    On a terminal cells are folded into its width. Elsewhere every row is one line with tabs between its cells, for
    `grep`, `cut` and the like.
    """
    if (kept := _kept.get()) is not None:
        keys = [
            head.removeprefix(">") or ("name" if place == 0 else f"column {place}")
            for place, head in enumerate(heads)
        ]
        figures = [head.startswith(">") for head in heads]
        found = [
            {key: _fact(cell, figure=figure) for key, cell, figure in zip(keys, row, figures, strict=True)}
            for row in rows
        ]
        kept["tables"].append({"title": printable(title), "rows": found})
        return
    from rich.console import Console

    out = Console()
    names = [printable(head.removeprefix(">")) for head in heads]
    cells = [[printable(str(cell)) for cell in row] for row in rows]
    if title:
        say(title, style="italic")
    if not out.is_terminal:
        for row in ([names] if any(names) else []) + cells:
            click.echo("\t".join(row))
        return
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE, padding=(0, 1), show_header=any(names))
    columns = list(zip(names, *cells, strict=True))
    for head, name, width in zip(heads, names, _widths(columns, out.width - 3 * len(heads) - 1), strict=True):
        justify: Any = "right" if head.startswith(">") else "left"
        table.add_column(Text(name), justify=justify, overflow="fold", width=width)
    for row in cells:
        table.add_row(*map(Text, row))
    out.print(table)


def _widths(columns: list[tuple[str, ...]], room: int) -> list[int]:
    """Letters for each column: all it wants, or else first its longest word, then a share of what is left."""
    wanted = [max(map(len, column), default=0) for column in columns]
    words = [max(map(len, " ".join(column).split()), default=0) for column in columns]
    most = next(n for n in range(room, 0, -1) if n == 1 or sum(min(n, word) for word in words) <= room)
    widths = [max(1, min(word, most)) for word in words]
    for _ in range(min(room, sum(wanted)) - sum(widths)):
        widest = max(range(len(widths)), key=lambda i: wanted[i] - widths[i])
        widths[widest] += 1
    return widths


NARROW = 100
"""Columns of a terminal below which a table leaves out what can be looked up."""


def terminal_width() -> int:
    """Columns of the terminal; as many as one likes where there is none."""
    from rich.console import Console

    out = Console()
    return out.width if out.is_terminal and _kept.get() is None else 1_000


def counts(found: dict[str, int]) -> str:
    """`3 exact, 2 near`; a dash for nothing."""
    return ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in found.items()) or "-"
