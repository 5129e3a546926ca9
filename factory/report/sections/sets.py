"""The training sets: rows by domain and level, and the preference pairs with their lint."""

from __future__ import annotations

from typing import Any

import polars as pl

from factory.numbers import number
from factory.report.blocks import Block, Note, Section, folded, grid, many, shorten
from factory.report.plots import histogram
from factory.report.step_folders import RunTables
from factory.report.svg import BAD, GOOD
from factory.run.layout import DATASETS
from schemas import Level

SHOWN = 6
"""Domains of the table; the rest are folded."""
_CHECK = ("name", "value", "limit", "passed", "meaning")
_WORST = ("check", "characters", "problem_id", "chosen", "rejected")


def sets(run: RunTables) -> Section | None:
    """Rows of every set by domain and level, and what the pairs teach besides what is right."""
    frames = {name: run.at(run.layout.dataset(name)) for name in DATASETS}
    frames = {name: table for name, table in frames.items() if table.readable}
    blocks: list[Block] = []
    folds: list[Block] = []
    rows = {
        {"preference": "pairs"}.get(name, name): table.typed(domain=pl.String, level=pl.String)
        for name, table in frames.items()
    }
    for by in ("level", "domain"):
        counts = {
            name: dict(frame[by].fill_null("(none)").value_counts().iter_rows())
            for name, frame in rows.items()
        }
        groups = _ordered({group for each in counts.values() for group in each}, counts)
        cells = [(group, *(each.get(group, 0) for each in counts.values())) for group in groups]
        if len(cells) > 1:
            blocks.append(grid((by, *counts), cells[:SHOWN], f"Rows by {by}"))
            folds += folded(f"{len(cells) - SHOWN:,} more domains", (by, *counts), cells[SHOWN:])
    blocks += pairs(run)
    blocks += folds
    return (
        Section("sets", "Training sets", "datasets/, selected/preference", tuple(blocks)) if blocks else None
    )


def pairs(run: RunTables) -> list[Block]:
    """Lengths of chosen and rejected, and the lint of the step that made the pairs."""
    chosen_set = run.at(run.layout.selected("preference"))
    table = chosen_set if chosen_set.readable else run.at(run.layout.dataset("preference"))
    if not table.readable or not table.rows(["problem_id"]).height:
        return []
    frame = table.typed(chosen_tokens=pl.Int64, rejected_tokens=pl.Int64)
    sides = {side: frame[f"{side}_tokens"].drop_nulls().to_list() for side in ("chosen", "rejected")}
    blocks: list[Block] = []
    if all(sides.values()):
        longer = frame.filter(pl.col("chosen_tokens") > pl.col("rejected_tokens")).height
        said = f"{frame.height:,} preference pairs; the chosen side has more tokens in {longer:,} of them"
        blocks.append(histogram("pair-lengths", sides, xlabel="tokens", caption=said, colours=(GOOD, BAD)))
    return [*blocks, *_lint(table.totals.get("lint"))]


def _lint(lint: Any) -> list[Block]:
    """Every check against its limit, and the pairs that weigh most, folded."""
    checks = lint.get("checks") if isinstance(lint, dict) else None
    if not isinstance(checks, list):
        return [Note("The step that made the pairs left no lint.", warning=True)]
    rows = [[check.get(name) for name in _CHECK] for check in checks if isinstance(check, dict)]
    failed = [str(row[0]) for row in rows if row[3] is False]
    blocks: list[Block] = [Note(f"Not passed: {', '.join(failed)}.", warning=True)] if failed else []
    said = "Every check of the pairs" if failed else f"The pairs passed {many(len(rows), 'checks')}: each"
    blocks += folded(f"{said} against its limit", _CHECK, rows)
    worst = lint.get("worst")
    if isinstance(worst, list) and worst:
        names = list(dict.fromkeys(key for row in worst if isinstance(row, dict) for key in row))
        order = [name for name in _WORST if name in names] + [name for name in names if name not in _WORST]
        found = [[_text(row.get(name)) for name in order] for row in worst if isinstance(row, dict)]
        title = "The pairs that weigh most in each check (ends of the texts)"
        blocks += folded(title, [name.replace("_", " ") for name in order], found)
    return blocks


def _text(value: Any) -> str:
    if isinstance(value, list):
        value = " / ".join(number(each) if isinstance(each, int | float) else str(each) for each in value)
    return shorten(str(value or ""), 240)


def _ordered(groups: set[str], counts: dict[str, dict[str, int]]) -> list[str]:
    """Levels in their order; everything else with the largest first."""
    known = [level.value for level in Level if level.value in groups]
    rest = sorted(
        groups - set(known), key=lambda group: (-sum(each.get(group, 0) for each in counts.values()), group)
    )
    return known + rest
