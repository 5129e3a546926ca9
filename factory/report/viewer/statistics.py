"""What a table's columns hold: facets of a view, and groups by a column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from factory.report.viewer.query import Query, quoted
from factory.report.viewer.sheet import Sheet
from factory.report.viewer.sheets import Sheets

FACETS = (
    "verdict", "reason", "method", "status", "band", "domain", "level", "source", "sampler", "model", "finish_reason",
    "pair_rule", "answer_kind", "label", "step", "split", "role", "repetitive", "judged",
)  # fmt: skip
"""Columns with few values that say what a row is."""
GROUPED = (*FACETS, "licence", "student", "language")
TELLING = (
    "completion_tokens", "reasoning_tokens", "usd", "pass_rate", "attempts", "correct", "chosen_tokens", "rejected_tokens",
    "similarity", "loop_score", "tokens_mean", "prompt_tokens",
)  # fmt: skip
"""Numbers whose means say something about a group."""
MOST_FACETS, MOST_VALUES, MOST_GROUPS = 6, 8, 200


@dataclass(frozen=True, slots=True)
class Facet:
    """The commonest values of a column among the rows of a view, and how many values it has there."""

    column: str
    values: list[tuple[str | None, int]]
    distinct: int


@dataclass(frozen=True, slots=True)
class Group:
    """The rows with one value of a column, and the means of some numbers over them."""

    value: str | None
    rows: int
    means: tuple[float | None, ...]


def facets(sheets: Sheets, query: Query) -> tuple[list[Facet], bool]:
    """The facets of the rows that a query finds, and whether its search looked at every row in time."""
    sheet = sheets.all[query.sheet]
    names = facet_columns(sheet)
    found = sheets.search(query)
    if not names:
        return [], True
    source, values, matches = sheets.rows_like(query, found)
    cells = ", ".join(quoted(name) for name in names)
    sets = ", ".join(f"({quoted(name)})" for name in names)
    rows = sheets.run(
        f"SELECT GROUPING_ID({cells}), left(CAST(COALESCE({cells_as_text(names)}) AS VARCHAR), 200), count(*) "
        f"FROM {source} GROUP BY GROUPING SETS ({sets}) ORDER BY 3 DESC, 2",
        values,
        matches,
    )
    # GROUPING_ID has a bit for each column that a row is not grouped by, the first column the highest.
    masks = {((1 << len(names)) - 1) ^ (1 << (len(names) - 1 - i)): name for i, name in enumerate(names)}
    counts: dict[str, list[tuple[str | None, int]]] = {name: [] for name in names}
    for mask, value, count in rows:
        counts[masks[int(mask)]].append((value, int(count)))
    kept = [Facet(name, each[:MOST_VALUES], len(each)) for name, each in counts.items() if len(each) > 1]
    return kept, found is None or found.complete


def cells_as_text(names: list[str]) -> str:
    """Columns as texts, so that columns of several types stand in one list."""
    return ", ".join(f"CAST({quoted(name)} AS VARCHAR)" for name in names)


def groups(sheets: Sheets, name: str, by: str) -> tuple[list[str], list[Group]]:
    """The rows of each value of a column, the commonest first; with the names of the numbers whose means are given."""
    sheet = sheets.all[name]
    numbers = [column for column, kind in sheet.columns if _is_number(kind) and column not in sheet.empty]
    numbers = [column for column in TELLING if column in numbers][:6] or numbers[:6]
    means = "".join(f", avg({quoted(column)})" for column in numbers)
    rows = sheets.run(
        f"SELECT left(CAST({quoted(by)} AS VARCHAR), 200), count(*){means} FROM {sheets.source(name)} "
        f"GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {MOST_GROUPS}",
    )
    return numbers, [Group(row[0], int(row[1]), tuple(_number(mean) for mean in row[2:])) for row in rows]


def facet_columns(sheet: Sheet) -> list[str]:
    """The columns whose values are counted beside a table."""
    return _groupable(sheet, FACETS)[:MOST_FACETS]


def groupable(sheet: Sheet) -> list[str]:
    """Columns by which rows can be grouped."""
    return _groupable(sheet, GROUPED)


def _groupable(sheet: Sheet, names: tuple[str, ...]) -> list[str]:
    kinds = dict(sheet.columns)
    flat = [name for name in names if name in kinds and name not in sheet.empty]
    return [name for name in flat if "[" not in kinds[name] and "STRUCT" not in kinds[name]]


def _is_number(kind: str) -> bool:
    return (
        kind.endswith("INT")
        or kind in ("INTEGER", "UINTEGER", "DOUBLE", "FLOAT")
        or kind.startswith("DECIMAL")
    )


def _number(value: Any) -> float | None:
    """A finite number; None for NaN and the infinities."""
    return float(value) if value is not None and abs(float(value)) < float("inf") else None
