"""One browsable table: its columns, which of them are shown, and how a cell is shown."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import itemgetter
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from factory.report.step_folders import State
from factory.report.viewer.query import literal, quoted

PREVIEW = 140
"""Characters of a cell that the table shows."""

DEEP = (
    "reasoning", "row", "metadata", "solution", "completion", "chosen", "rejected", "prompt", "request_key",
)  # fmt: skip
"""Long columns: searched only on request."""

ROW_TEXTS = ("content", "problem", "text", "prompt", "reasoning")
"""What says most about a dropped row, which lies in one column as JSON."""

IDS = ("response_id", "id", "row_id", "chosen_response_id", "problem_id")
"""Columns that name a row, the most telling first."""

SHOWN = (
    *IDS, "problem", "prompt", "content", "row", "completion", "chosen", "rejected", "reason", "detail", "verdict",
    "method", "extracted", "answer", "status", "band", "pass_rate", "completion_tokens", "chosen_tokens",
    "rejected_tokens", "domain", "level", "source",
)  # fmt: skip
"""Columns that a table shows unless others are asked for."""

Place = tuple[int, int]
"""The number of a part and a row in it."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One browsable table: the kept or the dropped rows of a step."""

    name: str
    step: str
    rows: int
    state: State
    parts: tuple[Path, ...]
    columns: tuple[tuple[str, str], ...]
    empty: frozenset[str] = frozenset()
    lengths: tuple[int, ...] = ()
    unreadable: str = ""
    """`empty` names the columns without any value, `lengths` are the rows of each part, `unreadable` says why none is shown."""

    @property
    def names(self) -> list[str]:
        """Column names."""
        return [name for name, _ in self.columns]

    @property
    def starts(self) -> list[int]:
        """The number in the sheet of each part's first row."""
        return [*accumulate(self.lengths, initial=0)][:-1]

    def place(self, row: int) -> Place:
        """Where row number `row` of the sheet lies."""
        starts = self.starts
        part = bisect_right(starts, row) - 1
        return part, row - starts[part]

    def places(self, rows: pl.Series) -> pl.DataFrame:
        """Where some rows lie: columns `part` and `row`."""
        starts = pl.Series(self.starts, dtype=pl.Int64)
        at = rows.cast(pl.Int64)
        part = starts.search_sorted(at, side="right").cast(pl.Int64) - 1
        return pl.DataFrame({"part": part, "row": at - starts.gather(part)})

    @property
    def id_column(self) -> str | None:
        """The column that names a row."""
        return next((name for name in IDS if name in self.names), None)

    @property
    def shown(self) -> tuple[str, ...]:
        """The columns shown by default; never one without any value."""
        found = [name for name in SHOWN if name in self.names and name not in self.empty]
        twice = {
            "response_id": ("problem_id",),
            "content": ("problem",),
            "completion": ("prompt",),
            "chosen_response_id": ("problem_id",),
        }
        for name, others in twice.items():
            found = [each for each in found if name not in found or each not in others]
        return (
            tuple(found)
            or tuple(name for name in self.names if name not in self.empty)[:8]
            or (self.names[0],)
        )


def part_counts(parts: Sequence[Path]) -> tuple[tuple[int, ...], frozenset[str]]:
    """Rows of each part, and the flat columns that hold nulls only, from the files' footers."""
    lengths, filled, seen = [], set(), set()
    for part in parts:
        meta = pq.read_metadata(part)
        lengths.append(meta.num_rows)
        for group in range(meta.num_row_groups):
            for number in range(meta.num_columns):
                column = meta.row_group(group).column(number)
                seen.add(column.path_in_schema)
                found = column.statistics
                if found is None or found.null_count is None or found.null_count < column.num_values:
                    filled.add(column.path_in_schema)
    return tuple(lengths), frozenset(seen - filled)


NEEDLE = "_factory_needle"
"""In SQL: what is searched for, in lower case; empty without a search."""


def preview(sheet: Sheet, column: str) -> str:
    """What a table shows of a column, in SQL: its beginning, or around what is searched for."""
    kind = dict(sheet.columns)[column]
    cell = quoted(column)
    if kind == "VARCHAR" and column == "row":  # a dropped row as JSON: its text
        texts = ", ".join(f"try(json_extract_string({cell}, '$.{name}'))" for name in ROW_TEXTS)
        return _around(f"COALESCE({texts}, {cell})")
    if kind == "VARCHAR":
        return _around(cell)
    if _is_messages(kind):
        return _around(f"{cell}[-1].content")  # the last one's text
    if "[" in kind or "STRUCT" in kind:
        return f"left(CAST({cell} AS VARCHAR), {PREVIEW + 1})"
    return cell


def found_beside(sheet: Sheet, shown: Sequence[str], *, deep: bool) -> str:
    """Where a row holds what is searched for when no column that is shown does, in SQL: the column's name, and the place."""
    cases = []
    for column, kind in sheet.columns:
        text = _searched(column, kind)
        if text is not None and column not in sheet.empty and (deep or column not in DEEP):
            told = "NULL" if column in shown else f"{literal(column)} || ': ' || {_around(text)}"
            cases.append((column not in shown, f"WHEN {_place(text)} > 0 THEN {told}"))
    return f"CASE {' '.join(case for _, case in sorted(cases, key=itemgetter(0)))} END" if cases else "NULL"


def _searched(column: str, kind: str) -> str | None:
    if kind == "VARCHAR":
        return quoted(column)
    if kind == "VARCHAR[]":
        return f"array_to_string({quoted(column)}, ' ')"
    return f"array_to_string([m.content FOR m IN {quoted(column)}], ' ')" if _is_messages(kind) else None


def _is_messages(kind: str) -> bool:
    return kind.startswith("STRUCT(") and kind.endswith(")[]") and "content VARCHAR" in kind.replace('"', "")


def _place(text: str) -> str:
    return f"CASE WHEN {NEEDLE} = '' THEN 0 ELSE strpos(lower({text}), {NEEDLE}) END"


def _around(text: str) -> str:
    begin = f"{_place(text)} - {PREVIEW // 2}"
    return f"CASE WHEN {begin} > 0 THEN '… ' || substr({text}, {begin}, {PREVIEW + 1}) ELSE left({text}, {PREVIEW + 1}) END"
