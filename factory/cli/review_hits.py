"""`factory decontaminate --review`: a walk over doubtful hits at a terminal, a list of them elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    import polars as pl

ANSWERS = {"k": "keep", "d": "drop", "s": "skip", "q": "quit"}


def review_hits(hits: pl.DataFrame, count: int, decisions: Path) -> None:
    """Ask about hits one by one and write what is decided, or print them where nobody can answer.

    Args:
        hits: undecided hits, the most doubtful first (`decisions.borderline`).
        count: how many to show.
        decisions: file to write to.
    """
    if hits.is_empty():
        typer.echo("no doubtful hits")
        return
    chosen = hits.head(count).to_dicts()
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        _print(chosen)
        return
    from factory.decontamination.decisions import Decision, write_decision

    made = 0
    for number, hit in enumerate(chosen, 1):
        _show(hit, number, len(chosen))
        answer = _ask()
        if answer == "quit":
            break
        if answer != "skip":
            write_decision(decisions, hit, Decision(answer))
            made += 1
    typer.echo(f"{made} decisions written to {decisions}; the same command again applies them")


def _ask() -> str:
    while True:
        said = typer.prompt("[k]eep the row, [d]rop it, [s]kip, [q]uit", default="s").strip().lower()
        for letter, word in ANSWERS.items():
            if said in (letter, word):
                return word


def _show(hit: dict[str, Any], number: int, count: int) -> None:
    now = "dropped" if hit["drops"] else "kept"
    typer.echo(
        f"\n{number}/{count}  row {hit['row'] + 1}, {hit['field']}: {hit['tier']} {hit['score']:.3f} of "
        f"{hit['benchmark']} {hit['benchmark_id']}, now {now}\n{printable(hit['span'])}"
    )


def _print(hits: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(
        "score",
        "tier",
        "now",
        "benchmark",
        "row",
        "matched span",
        title="most doubtful hits",
        title_justify="left",
    )
    for hit in hits:
        name = f"{hit['benchmark']} {hit['benchmark_id']}"
        now = "dropped" if hit["drops"] else "kept"
        table.add_row(
            f"{hit['score']:.3f}", hit["tier"], now, name, str(hit["row"] + 1), Text(printable(hit["span"]))
        )
    Console().print(table)


def printable(text: str) -> str:
    """Text from elsewhere without what a terminal would obey."""
    return "".join(c if c.isprintable() else " " for c in text)
