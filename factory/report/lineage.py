"""The life of one row: what every step of a run did with a problem, a response, or an unreadable line of input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import polars as pl

from factory.errors import UsageError
from factory.report.step_folders import RunTables, State, StepFolder, ordered, scan_columns
from factory.run.layout import DATASETS, before

ID_COLUMNS = ("id", "response_id", "problem_id", "chosen_response_id", "rejected_response_id")
"""Columns in which a row of some table names what it is or what it was made of."""

FACTS = (
    "verdict", "verdict_reason", "method", "extracted", "answer", "status", "error", "sampler", "model",
    "completion_tokens", "usd", "source", "licence", "domain", "level", "cluster_id", "loop_score", "pass_rate",
    "attempts", "band", "pair_rule", "bucket",
)  # fmt: skip
"""Columns that say in few words what a row is."""
_MOST_FACTS = 14
_DROP = ["row_id", "reason", "detail", "evidence"]
_SIDES = ("chosen_response_id", "rejected_response_id")


class Outcome(StrEnum):
    """What a step did with the row."""

    KEPT = "kept"
    DROPPED = "dropped"
    NOT_HERE = "not here"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Event:
    """What one step did with the row. `facts` are short; `evidence` is the drop's JSON."""

    folder: str
    step: str
    outcome: Outcome
    what: str
    facts: tuple[tuple[str, str], ...] = ()
    evidence: str | None = None
    row_id: str | None = None


@dataclass(frozen=True, slots=True)
class Life:
    """Everything that happened to an id. `problem_id` is None for a line that never became a problem."""

    id: str
    kind: str
    problem_id: str | None
    events: tuple[Event, ...]


def trace(tables: RunTables, row_id: str) -> Life:
    """Follow an id through every step of a run, in the order of the steps.

    Args:
        tables: the run, from `open_run`.
        row_id: id of a problem or response, a dropped row's id (`FILE:LINE`), or the beginning of one (6 characters).

    Raises:
        UsageError: no table knows the id, or several begin with it.
    """
    kind, problem_id = _identify(tables, row_id)
    if kind is None:
        row_id = _complete(tables, row_id)
        kind, problem_id = _identify(tables, row_id)
    assert kind is not None
    events = _only_news(
        [event for folder in ordered(tables) for event in _events(folder, row_id, kind, problem_id)]
    )
    dropped = [event for event in events if event.outcome == Outcome.DROPPED]
    there = {event.folder for event in events if event.outcome == Outcome.KEPT}
    events += [
        Event(f"datasets/{name}", "", Outcome.NOT_HERE, _why_not(tables, name, dropped, (row_id, problem_id)))
        for name in DATASETS
        if tables.at(tables.layout.dataset(name)).readable and f"datasets/{name}" not in there
    ]
    return Life(row_id, kind, problem_id, tuple(events))


def find_rows(
    parts: Sequence[Path],
    names: Sequence[str],
    value: str,
    columns: Sequence[str] | None = None,
    *,
    limit: int | None = None,
) -> pl.DataFrame:
    """Rows in which any of the columns `names` equals `value`; `columns` that are absent are left out."""
    scan = scan_columns(parts)
    present = scan.collect_schema()
    tests = [as_string(name, present) == value for name in names if name in present]
    if not tests:
        return pl.DataFrame()
    wanted = present.names() if columns is None else [name for name in columns if name in present]
    scan = scan.filter(pl.any_horizontal(tests)).select(wanted)
    return (scan if limit is None else scan.head(limit)).collect(engine="streaming")


def _identify(tables: RunTables, row_id: str) -> tuple[str | None, str | None]:
    """What an id is, and the problem behind it."""
    only_dropped: tuple[str | None, str | None] = (None, None)
    for folder in ordered(tables):
        if folder.readable:
            response = ("response_id", *_SIDES)
            found = find_rows(folder.parts, response, row_id, [*response, "problem_id"], limit=1)
            if found.height:
                problem = found["problem_id"][0] if "problem_id" in found.columns else None
                return "response", None if problem is None else str(problem)
            if find_rows(folder.parts, ("id", "problem_id"), row_id, ["id", "problem_id"], limit=1).height:
                return "problem", row_id
        dropped = find_rows(folder.dropped, ("row_id",), row_id, ["problem_id"], limit=1)
        if dropped.height:
            problem = dropped["problem_id"][0]
            only_dropped = ("problem" if problem == row_id else "row", problem)
    if only_dropped[0] == "row" and row_id.startswith("r-"):
        return "response", only_dropped[1]
    return only_dropped


def _complete(tables: RunTables, beginning: str) -> str:
    """The one id that begins with `beginning`."""
    found: set[str] = set()
    for folder in ordered(tables) if len(beginning) >= 6 else ():
        found |= _beginning(folder.parts if folder.readable else (), ("id", "response_id"), beginning)
        found |= _beginning(folder.dropped, ("row_id",), beginning)
    if len(found) == 1:
        return found.pop()
    if found:
        some = ", ".join(sorted(found)[:5])
        raise UsageError(
            f"more than one id begins with {beginning}: {some}{', ...' if len(found) > 5 else ''}",
            do="give more of it",
        )
    raise UsageError(
        f"no table of {tables.run} knows {beginning}",
        do="give the id of a problem (p-...), a response (r-...) or a dropped row, as the tables show it",
    )


def _beginning(parts: Sequence[Path], names: Sequence[str], beginning: str) -> set[str]:
    scan = scan_columns(parts)
    present = scan.collect_schema()
    texts = [as_string(name, present) for name in names if name in present]
    return {
        value
        for text in texts
        for value in scan.select(text).filter(text.str.starts_with(beginning)).head(10).collect().to_series()
    }


def as_string(name: str, schema: pl.Schema) -> pl.Expr:
    """A column of ids as text: tables of other tools may number their rows; lists and objects name none."""
    if schema[name] == pl.String:
        return pl.col(name)
    if schema[name].is_nested() or schema[name] in (pl.Binary, pl.Object):
        return pl.lit(None, dtype=pl.String).alias(name)
    return pl.col(name).cast(pl.String, strict=False)


def _events(folder: StepFolder, row_id: str, kind: str, problem_id: str | None) -> list[Event]:
    step = str(folder.manifest.get("step", ""))

    def event(outcome: Outcome, what: str, *more: Any) -> Event:
        return Event(folder.name, step, outcome, what, *more)

    if folder.state == State.INCOMPLETE:
        return [event(Outcome.UNKNOWN, "incomplete step; not searched")]
    names = ("id", "problem_id") if kind == "problem" else ("response_id", *_SIDES)
    parts = folder.parts if folder.readable else ()
    kept = find_rows(parts, names, row_id, [*ID_COLUMNS, *FACTS])
    events = []
    if kept.height:
        events.append(event(Outcome.KEPT, _what(kept, row_id, kind), _short_facts(kept)))
    looked = ("row_id", "problem_id") if kind == "problem" else ("row_id",)
    dropped = find_rows(folder.dropped, looked, row_id, _DROP)
    its_problem = problem_id if kind == "response" and not kept.height and not dropped.height else None
    if its_problem:
        # A response disappears with its problem where a step drops whole problems.
        dropped = find_rows(folder.dropped, ("row_id",), its_problem, _DROP)
    for row in dropped.head(8).iter_rows(named=True):
        whose = "" if row["row_id"] == row_id else f"{row['row_id']}: "
        what = f"{whose}{row['reason']}" + (f" ({row['detail']})" if row["detail"] else "")
        events.append(event(Outcome.DROPPED, what, (), row["evidence"], row["row_id"]))
    if dropped.height > 8:
        events.append(event(Outcome.DROPPED, f"and {dropped.height - 8} more of its rows"))
    if its_problem and not dropped.height:
        problem = find_rows(parts, ("id",), its_problem, [*ID_COLUMNS, *FACTS])
        if problem.height:
            events.append(event(Outcome.KEPT, "its problem", _short_facts(problem)))
    if folder.state == State.CORRUPT and not kept.height and not dropped.height:
        events.append(event(Outcome.UNKNOWN, "a part of this step is corrupt; the row may have been in it"))
    return events


def _only_news(events: list[Event]) -> list[Event]:
    """The events, each with only the facts that are new or changed since the one before."""
    known: dict[str, str] = {}
    news = []
    for event in events:
        fresh = tuple((name, value) for name, value in event.facts if known.get(name) != value)
        known |= dict(event.facts)
        news.append(replace(event, facts=fresh))
    return news


def _what(rows: pl.DataFrame, row_id: str, kind: str) -> str:
    one = rows.row(0, named=True) if rows.height == 1 else None
    for name, other, word, against in ((*_SIDES, "chosen", "over"), (*_SIDES[::-1], "rejected", "under")):
        if name in rows.columns and (rows.select(as_string(name, rows.schema)).to_series() == row_id).any():
            words = f"{word} in {rows.height} pair{'s' if rows.height > 1 else ''}"
            return f"{words}, {against} {one.get(other)}" if one else words
    if kind == "problem" and one and "chosen_response_id" in one:
        return f"one pair: {one['chosen_response_id']} over {one.get('rejected_response_id')}"
    if kind == "problem" and "response_id" in rows.columns:
        words = f"{rows.height} response{'s' if rows.height > 1 else ''}"
        if "verdict" in rows.columns:
            counts = rows.group_by("verdict").len().sort("len", "verdict", descending=[True, False])
            words += ": " + ", ".join(f"{n} {verdict}" for verdict, n in counts.iter_rows())
        return words
    return "one row" if one else f"{rows.height} rows"


def _why_not(tables: RunTables, dataset: str, dropped: Sequence[Event], ids: Sequence[str | None]) -> str:
    """Explains in one phrase why a row is missing from a training set: the first step that dropped it or its own.

    `ids` are the row's own id and its problem's; `dropped` is in the order of the steps.
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
    mine = pl.col("problem_id").cast(pl.String) == problem
    kept = folder.rows(["problem_id", *_SIDES]).filter(mine)
    if kept.height:
        return f"its problem's pair is {kept[_SIDES[0]][0]} over {kept[_SIDES[1]][0]}"
    lost = folder.dropped_rows(["problem_id", "row_id", "reason"]).filter(mine)
    if lost.height:
        return f"its problem's pair, of {lost['row_id'][0]}, was left out: {lost['reason'][0]}"
    return None


def _short_facts(rows: pl.DataFrame) -> tuple[tuple[str, str], ...]:
    """Name and value of the facts of a single row; nothing for several rows."""
    if rows.height != 1:
        return ()
    row = rows.row(0, named=True)
    return tuple([(name, _short(row[name])) for name in FACTS if row.get(name) is not None][:_MOST_FACTS])


def _short(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else " ".join(str(value).split())
    return text if len(text) <= 160 else text[:159] + "…"
