"""Explains why a row is missing from a training set: the first step that dropped it, its problem or its responses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import polars as pl

from factory.report.step_folders import RunTables, read_columns
from factory.run.layout import before

if TYPE_CHECKING:
    from factory.report.lineage import Event


def why_not(tables: RunTables, dataset: str, dropped: Sequence[Event], ids: Sequence[str | None]) -> str:
    """One phrase for a training set that does not hold a row.

    Args:
        tables: the run.
        dataset: name of the set.
        dropped: what steps dropped of the row, in the order of the steps.
        ids: the row's own id and its problem's.
    """
    selection = f"selected/{dataset}"
    for event in dropped:
        own = event.row_id in ids
        if own and (event.folder == selection or event.folder in before(dataset)):
            return f"left out by {event.folder}: {_reason(event)}"
    theirs = dict.fromkeys(_reason(event) for event in dropped if event.folder == selection and event.row_id)
    if theirs:
        return f"its responses were left out by {selection}: {', '.join(theirs)}"
    if dataset == "preference" and ids[-1] is not None:
        return _pairs_of(tables, ids[-1]) or "not in this training set"
    return "not in this training set"


def _reason(event: Event) -> str:
    """The reason without the id that stands before it and the detail after it."""
    what = event.what
    if event.row_id and what.startswith(f"{event.row_id}: "):
        what = what[len(event.row_id) + 2 :]
    return what.partition(" (")[0]


def _pairs_of(tables: RunTables, problem: str) -> str | None:
    """What became of the problem's pairs when the row itself is in none."""
    folder = tables.at(tables.layout.selected("preference"))
    names = ["problem_id", "chosen_response_id", "rejected_response_id"]
    kept = read_columns(folder.parts if folder.readable else (), names).filter(
        pl.col("problem_id").cast(pl.String) == problem
    )
    if kept.height:
        return f"its problem's pair is {kept['chosen_response_id'][0]} over {kept['rejected_response_id'][0]}"
    lost = folder.dropped_rows(["problem_id", "row_id", "reason"]).filter(
        pl.col("problem_id").cast(pl.String) == problem
    )
    if lost.height:
        return f"its problem's pair, of {lost['row_id'][0]}, was left out: {lost['reason'][0]}"
    return None
