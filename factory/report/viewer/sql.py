"""A query as SQL: names come from the tables and are quoted, values are bound parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from factory.report.viewer.query import Filter, Operator, Query


def conditions(
    columns: tuple[tuple[str, str], ...], deep: Sequence[str], query: Query, *, searched: bool = True
) -> tuple[str, list[Any]]:
    """The WHERE clause of a query and its bound values; without the search when `searched` is False."""
    tests: list[str] = []
    values: list[Any] = []
    for one in query.filters:
        test, bound = _condition(one, dict(columns)[one.column])
        tests.append(test)
        values += bound
    if query.search and searched:
        looked_in = [
            name
            for name, kind in columns
            if (kind == "VARCHAR" and name not in deep) or (query.deep and name in deep)
        ]
        pattern = "%" + escaped(query.search) + "%"
        kinds = dict(columns)
        either = [
            f"{quoted(c) if kinds[c] == 'VARCHAR' else f'CAST({quoted(c)} AS VARCHAR)'} ILIKE ? ESCAPE '\\'"
            for c in looked_in
        ]
        tests.append(f"({' OR '.join(either)})" if either else "false")
        values += [pattern] * len(either)
    return (f"WHERE {' AND '.join(tests)}" if tests else ""), values


def _condition(one: Filter, kind: str) -> tuple[str, list[Any]]:
    column = quoted(one.column)
    text = column if kind == "VARCHAR" else f"CAST({column} AS VARCHAR)"
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


def escaped(value: str) -> str:
    """`value` as part of a LIKE pattern with backslash as escape."""
    return value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def quoted(name: str) -> str:
    """A column's name as an identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """A string as an SQL literal; only for paths, which DuckDB does not take as parameters."""
    return "'" + value.replace("'", "''") + "'"
