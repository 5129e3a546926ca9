"""From a row of a view to the next one, in the order that the reader sees, or to a random one."""

from __future__ import annotations

import random
from collections.abc import Collection

from factory.report.viewer.query import Filter, Query, quoted
from factory.report.viewer.scan import Found
from factory.report.viewer.sheets import Sheets


def next_row(
    sheets: Sheets, query: Query, row_id: str, only: Filter | None = None, without: Collection[str] = ()
) -> str | None:
    """The id of the next row after `row_id` in the view's order that fits its search, its filters and `only`.

    Rows whose ids are in `without` are passed over. None when there is none, or the table has no ids. A row that the view
    does not hold has its place in the order all the same; an unknown id stands before the first row.
    """
    sheet = sheets.all[query.sheet]
    if sheet.id_column is None:
        return None
    name = f"CAST({quoted(sheet.id_column)} AS VARCHAR)"
    rows, values, matches = sheets.rows_like(query.only(only) if only else query, _searched(sheets, query))
    key = quoted(query.sort) if query.sort else "0"
    here = f"SELECT {key} AS key, _factory_part AS part, _factory_row AS row FROM {sheets.source(query.sheet)} WHERE {name} = ?"
    values = [row_id, *values]
    behind = (
        "(t.key IS NOT DISTINCT FROM here.key AND (t._factory_part, t._factory_row) > (here.part, here.row))"
    )
    beyond = f"t.key {'<' if query.descending else '>'} here.key OR (t.key IS NULL AND here.key IS NOT NULL)"
    tests = [f"here.part IS NULL OR {behind} OR {beyond}"]
    if without:
        tests.append("t.id NOT IN (SELECT unnest(?::VARCHAR[]))")
        values.append(list(without))
    first = sheets.run(
        f"WITH here AS ({here} ORDER BY part, row LIMIT 1) "
        f"SELECT t.id FROM (SELECT {name} AS id, {key} AS key, _factory_part, _factory_row FROM {rows}) t LEFT JOIN here ON true "
        f"WHERE t.id IS NOT NULL AND {' AND '.join(f'({test})' for test in tests)} "
        f"ORDER BY t.key {'DESC' if query.descending else 'ASC'} NULLS LAST, t._factory_part, t._factory_row LIMIT 1",
        values,
        matches,
    )
    return first[0][0] if first else None


def _searched(sheets: Sheets, query: Query) -> Found | None:
    """What the query's search finds among all rows, however long that takes."""
    while (found := sheets.search(query)) is not None and not found.complete:
        pass
    return found


def random_row(sheets: Sheets, query: Query) -> tuple[int, int, str | None] | None:
    """Number of the part, row and id of a random row among those that fit; None when none does."""
    sheet = sheets.all[query.sheet]
    if not query.filters and not query.search:
        places = [sheet.place(random.randrange(sheet.rows))] if sheet.rows else []
    else:
        rows, values, matches = sheets.rows_like(query, _searched(sheets, query))
        places = sheets.run(
            f"SELECT _factory_part, _factory_row FROM (FROM {rows}) USING SAMPLE 1 ROWS", values, matches
        )
    if not places:
        return None
    part, row = places[0]
    cell = sheets.cells(sheet, places, ())[0][0]
    return part, row, None if cell is None else str(cell)


def count_of(sheets: Sheets, name: str, ids: Collection[str]) -> int:
    """How many of the ids name a row of the sheet."""
    sheet = sheets.all[name]
    if not ids or sheet.id_column is None:
        return 0
    cell = f"CAST({quoted(sheet.id_column)} AS VARCHAR)"
    where = f"WHERE {cell} IN (SELECT unnest(?::VARCHAR[]))"
    return int(
        sheets.run(f"SELECT count(DISTINCT {cell}) FROM {sheets.source(name)} {where}", [list(ids)])[0][0]
    )
