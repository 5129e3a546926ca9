"""Lines and tables on the terminal. Everything is shown as text: no markup, no control characters from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from factory.report.terminal import printable

if TYPE_CHECKING:
    from rich.console import Console


def say(*lines: str, style: str = "", err: bool = False) -> None:
    """Print lines."""
    out = console(err=err)
    for line in lines:
        out.print(printable(line), style=style or None, markup=False, highlight=False, soft_wrap=True)


def show(title: str, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table. A head that begins with `>` is a column of figures, aligned to the right.

    On a terminal cells are folded into its width; elsewhere every row is one line, for `grep` and the like.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    if title:
        say(title, style="italic")
    table = Table(box=box.SIMPLE, padding=(0, 1), show_header=any(heads))
    for head in heads:
        right = head.startswith(">")
        table.add_column(
            Text(printable(head.removeprefix(">"))),
            justify="right" if right else "left",
            no_wrap=right,
            overflow="fold",
        )
    for row in rows:
        table.add_row(*(Text(printable(str(cell))) for cell in row))
    console().print(table)


def console(*, err: bool = False) -> Console:
    """The terminal; what goes to a file or a pipe is not cut."""
    from rich.console import Console

    there = Console(stderr=err)
    return there if there.is_terminal else Console(stderr=err, width=max(there.width, 2_000))


def counts(found: dict[str, int]) -> str:
    """`3 exact, 2 near`; a dash for nothing."""
    return ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in found.items()) or "-"
