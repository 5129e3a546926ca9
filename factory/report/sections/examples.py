"""Examples: the best, the worst and the longest responses, and rows that every step dropped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl

from factory.report.blocks import Block, Section, Text, shorten
from factory.report.step_folders import RunTables, StepFolder, scan_columns
from schemas import Verdict

_TEXT = 6_000
"""Characters shown of one text: a report stays small however long the traces are."""

_REASONS = 3
"""Reasons of a step of which an example is shown."""
_FACTS = (
    "verdict", "method", "verdict_reason", "extracted", "answer", "completion_tokens", "domain", "level", "source",
    "response_id",
)  # fmt: skip
_TEXTS = ("problem", "reasoning", "content")


def examples(run: RunTables) -> Section | None:
    """A few rows in full, chosen by rule, so that nobody has to trust the averages."""
    table = run.best_verdicts
    blocks: list[Block] = []
    if table.readable:
        # Ids and numbers first: the texts of a whole run need not fit in memory to pick five of them.
        frame = table.rows(["response_id", "verdict", "completion_tokens", "loop_score"]).with_columns(
            pl.col("loop_score").cast(pl.Float64), pl.col("completion_tokens").cast(pl.Int64)
        )
        picks = list(_picks(frame))
        texts = _full(run, [row_id for _, row_id in picks])
        blocks += [_response(title, texts[row_id]) for title, row_id in picks if row_id in texts]
    for folder in run.folders.values():
        blocks += [_dropped(folder.name, row) for row in _dropped_examples(folder)]
    return Section("examples", "Examples", f"{table.name}, dropped/", tuple(blocks)) if blocks else None


def _dropped_examples(folder: StepFolder) -> list[dict[str, Any]]:
    """One dropped row of each of the first three reasons; only their texts are read."""
    if not folder.dropped:
        return []
    reasons = folder.dropped_rows(["reason"]).with_row_index("at")
    places = reasons.unique("reason", keep="first", maintain_order=True)["at"].head(_REASONS).to_list()
    columns = ["row_id", "reason", "detail", "evidence", "row"]
    scan = scan_columns(folder.dropped, columns)
    return [row for at in places for row in scan.slice(at, 1).collect().iter_rows(named=True)]


def _dropped(step: str, row: dict[str, Any]) -> Text:
    facts = tuple(
        (name, str(row[key])) for name, key in (("row", "row_id"), ("detail", "detail")) if row[key]
    )
    pieces = tuple((key, shorten(row[key], 1_500)) for key in ("evidence", "row") if row[key])
    return Text(f"Dropped by {step}: {row['reason']}", facts, pieces)


def _picks(frame: pl.DataFrame) -> Iterator[tuple[str, str]]:
    correct = frame.filter(pl.col("verdict") == Verdict.CORRECT.value)
    wrong = frame.filter(pl.col("verdict") == Verdict.INCORRECT.value)
    rules = (
        ("Best: correct, shortest without repetition", correct.sort("loop_score", "completion_tokens", "response_id", nulls_last=True)),
        ("Worst: incorrect, most repetitive", wrong.sort("loop_score", "response_id", descending=[True, False], nulls_last=True)),
        ("Longest", frame.sort("completion_tokens", "response_id", descending=[True, False], nulls_last=True)),
        ("Shortest correct", correct.sort("completion_tokens", "response_id", nulls_last=True)),
    )  # fmt: skip
    seen = set()
    for title, ordered in rules:
        if ordered.height and ordered["response_id"][0] not in seen:
            seen.add(ordered["response_id"][0])
            yield title, ordered["response_id"][0]


def _full(run: RunTables, ids: list[str]) -> dict[str, dict[str, Any]]:
    scan = scan_columns(run.best_verdicts.parts, [*_FACTS, *_TEXTS]).filter(pl.col("response_id").is_in(ids))
    return {row["response_id"]: row for row in scan.collect(engine="streaming").iter_rows(named=True)}


def _response(title: str, row: dict[str, Any]) -> Text:
    facts = tuple((name.replace("_", " "), str(row[name])) for name in _FACTS if row[name] is not None)
    return Text(title, facts, tuple((name, shorten(row[name], _TEXT)) for name in _TEXTS if row[name]))
