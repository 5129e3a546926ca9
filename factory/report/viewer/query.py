"""What the reader asked of a table, read from the page's address, and as SQL.

Names in SQL come from the tables and are quoted; values are bound parameters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any
from urllib.parse import urlencode

ROWS = 50
MOST_FILTERS = 12


class Operator(StrEnum):
    """How a filter compares a column with its value."""

    IS = "is"
    IS_NOT = "is not"
    CONTAINS = "contains"
    BELOW = "<"
    ABOVE = ">"
    EMPTY = "empty"
    FILLED = "filled"


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition on one column."""

    column: str
    operator: Operator
    value: str = ""


@dataclass(frozen=True, slots=True)
class Query:
    """A view of one table. `deep` also searches the long columns (reasoning, messages, whole dropped rows)."""

    sheet: str
    search: str = ""
    deep: bool = False
    filters: tuple[Filter, ...] = ()
    sort: str | None = None
    descending: bool = False
    page: int = 0
    columns: tuple[str, ...] = ()

    def link(self, **changes: object) -> str:
        """The address of this view with some of it changed; any change but of the page goes back to the first page."""
        target = replace(self, **({"page": 0} | changes))  # type: ignore[arg-type]
        pairs = [("sheet", target.sheet), ("q", target.search), ("deep", "1" if target.deep else "")]
        for one in target.filters:
            pairs += [("fc", one.column), ("fo", one.operator.value), ("fv", one.value)]
        if target.sort:
            pairs += [("sort", target.sort), ("desc", "1" if target.descending else "0")]
        pairs += [*(("col", column) for column in target.columns), ("page", str(target.page or ""))]
        return "/table?" + urlencode([(name, value) for name, value in pairs if value or name == "fv"])

    def only(self, one: Filter) -> Query:
        """The view with one more filter."""
        return replace(self, filters=(*[f for f in self.filters if f != one], one))

    def with_filter(self, one: Filter) -> str:
        """The address with one more filter."""
        return self.only(one).link(page=0)

    def without_filter(self, one: Filter) -> str:
        """The address with one filter less."""
        return self.link(filters=tuple(f for f in self.filters if f != one))


def read_query(
    sheet: str, known: Sequence[str], single: Mapping[str, str], multi: Mapping[str, Sequence[str]]
) -> Query:
    """A query from address parameters; whatever is unknown or malformed is left out.

    Args:
        sheet: name of the table.
        known: its columns; others are never passed on.
        single: parameters that stand once: q, deep, sort, desc, page (from 0) or number (the page as people count, from 1).
        multi: parameters that repeat: fc, fo, fv (filters), col (columns).
    """
    filters = []
    for column, operator, value in zip(multi["fc"], multi["fo"], multi["fv"], strict=False):
        if column in known and operator in set(Operator):
            filters.append(Filter(column, Operator(operator), value[:1_000]))
    sort = single.get("sort")
    page, number = single.get("page", "0"), single.get("number", "")
    return Query(
        sheet,
        single.get("q", "").strip()[:400],
        single.get("deep") == "1",
        tuple(filters[:MOST_FILTERS]),
        sort if sort in known else None,
        single.get("desc") == "1",
        max(_whole(number) - 1, 0) if number else _whole(page),
        tuple(column for column in dict.fromkeys(multi["col"]) if column in known),
    )


def _whole(text: str) -> int:
    return min(int(text[:9]), 10**7) if text.isdecimal() and text.isascii() else 0


def conditions(columns: Sequence[tuple[str, str]], filters: Sequence[Filter]) -> tuple[str, list[Any]]:
    """The WHERE clause of filters and its bound values."""
    tests: list[str] = []
    values: list[Any] = []
    for one in filters:
        test, bound = _condition(one, dict(columns)[one.column])
        tests.append(test)
        values += bound
    return (f"WHERE {' AND '.join(tests)}" if tests else ""), values


def order(query: Query) -> str:
    """The order of a view's rows, for ORDER BY: that of the table among equal values."""
    first = f"{quoted(query.sort)} {'DESC' if query.descending else 'ASC'} NULLS LAST, " if query.sort else ""
    return f"{first}_factory_part, _factory_row"


def _condition(one: Filter, kind: str) -> tuple[str, list[Any]]:
    column, text = quoted(one.column), _text(one.column, kind)
    match one.operator:
        case Operator.IS:
            return f"{text} = ?", [one.value]
        case Operator.IS_NOT:
            return f"{text} IS DISTINCT FROM ?", [one.value]
        case Operator.CONTAINS:
            return f"{text} ILIKE ? ESCAPE '\\'", ["%" + escaped(one.value) + "%"]
        case Operator.BELOW | Operator.ABOVE:
            if kind == "VARCHAR" or "[" in kind or "STRUCT" in kind:
                return f"{text} {one.operator.value} ?", [one.value]
            return f"{column} {one.operator.value} CAST(? AS DOUBLE)", [one.value]
        case Operator.EMPTY:
            return f"({column} IS NULL OR {text} = '')", []
        case Operator.FILLED:
            return f"({column} IS NOT NULL AND {text} <> '')", []


def _text(name: str, kind: str) -> str:
    return quoted(name) if kind == "VARCHAR" else f"CAST({quoted(name)} AS VARCHAR)"


def escaped(value: str) -> str:
    """`value` as part of a LIKE pattern with backslash as escape."""
    return value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def quoted(name: str) -> str:
    """A column's name as an identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """A string as an SQL literal; only for paths, which DuckDB does not take as parameters."""
    return "'" + value.replace("'", "''") + "'"
