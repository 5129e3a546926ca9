"""`factory decontaminate --review`: borderline hits, one by one at a terminal, as a list elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from factory.cli.show import say, show

if TYPE_CHECKING:
    import polars as pl

ANSWERS = {"k": "keep", "d": "drop", "s": "skip", "q": "quit"}


def review_hits(hits: pl.DataFrame, count: int, decisions: Path) -> None:
    """Ask about hits one by one and write what is decided, or print them where there is no terminal.

    Args:
        hits: undecided hits, the most borderline first (`decisions.borderline`).
        count: how many to show.
        decisions: file to write to.
    """
    if hits.is_empty():
        say("no doubtful hits")
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
    say(f"{made} decisions written to {decisions}; the same command again applies them")


def _ask() -> str:
    while True:
        said = click.prompt("[k]eep the row, [d]rop it, [s]kip, [q]uit", default="s").strip().lower()
        for letter, word in ANSWERS.items():
            if said in (letter, word):
                return word


def _show(hit: dict[str, Any], number: int, count: int) -> None:
    now = "dropped" if hit["drops"] else "kept"
    say(
        "",
        f"{number}/{count}  row {hit['row'] + 1}, {hit['field']}: {hit['tier']} {hit['score']:.3f} of "
        f"{hit['benchmark']} {hit['benchmark_id']}, now {now}",
        hit["span"],
    )


def _print(hits: list[dict[str, Any]]) -> None:
    rows = [
        (
            f"{hit['score']:.3f}",
            hit["tier"],
            "dropped" if hit["drops"] else "kept",
            f"{hit['benchmark']} {hit['benchmark_id']}",
            hit["row"] + 1,
            hit["span"],
        )
        for hit in hits
    ]
    show("most doubtful hits", (">score", "tier", "now", "benchmark", ">row", "matched span"), rows)
