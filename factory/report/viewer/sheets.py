"""The run's tables as sheets that can be searched, filtered and sorted."""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from factory.errors import UsageError
from factory.report.step_folders import RunTables, State, StepFolder, ordered
from factory.report.viewer.database import RESERVED, Database, source
from factory.report.viewer.query import ROWS, Query, conditions, order, quoted
from factory.report.viewer.scan import Found, Scans
from factory.report.viewer.search import SearchText
from factory.report.viewer.sheet import DEEP, NEEDLE, Place, Sheet, found_beside, part_counts, preview


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a sheet.

    `total` is None and `searched` the number of rows searched so far while a search of a big table goes on. `places` names
    each row by number of its part and row in it; see `Sheets.record`.
    """

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    ids: list[str | None]
    places: list[Place]
    more: bool
    total: int | None
    searched: int | None = None
    beside: Sequence[str | None] = ()
    """Where each row holds what is searched for, when no column that is shown does."""


class Sheets:
    """All sheets of a run. Safe to use from several threads."""

    def __init__(self, tables: RunTables, so_far: Mapping[str, Sequence[Path]] | None = None) -> None:
        """`so_far` are the finished parts of steps that did not end, by name."""
        self._database = Database(tables.run)
        self.run = self._database.run
        self.all: dict[str, Sheet] = {}
        for folder in ordered(tables):
            self.all |= {sheet.name: sheet for sheet in self._sheets(folder)}
        for name, parts in (so_far or {}).items():
            if unfinished := self._sheet(name, "", State.INCOMPLETE, tuple(parts)):
                self.all[name] = unfinished
        self.text = SearchText(DEEP, {sheet.name: sheet.parts for sheet in self.all.values() if sheet.parts})
        self._scans = Scans()
        self.close = weakref.finalize(self, _close, self.text, self._scans, self._database)
        """Removes the search copies and closes the database; also when the last request is done with these sheets."""

    def page(self, query: Query) -> Page:
        """The rows of one page. Raises UsageError when a filter does not fit its column."""
        try:
            return self._page(query)
        finally:
            self.text.page_served(search=bool(query.search))

    def _page(self, query: Query) -> Page:
        sheet = self.all[query.sheet]
        columns = query.columns or sheet.shown
        found = self.search(query)
        places, total = self._places(sheet, query, found)
        more, places = len(places) > ROWS, places[:ROWS]
        rows = self.cells(sheet, places, columns, query.search)
        searched = None if found is None or found.complete else found.seen
        if searched is not None:
            total = None
        ids = [None if row[-1] is None else str(row[-1]) for row in rows]
        beside = self._beside(sheet, places, rows, query)
        return Page(tuple(columns), [row[:-1] for row in rows], ids, places, more, total, searched, beside)

    def search(self, query: Query) -> Found | None:
        """What the query's search finds within the time that a page may take; None without a search."""
        if not query.search:
            return None
        sheet = self.all[query.sheet]
        rows = self.text.rows(query.sheet, query.search, deep=query.deep)
        if rows is not None:
            return Found(rows, sheet.rows, True)
        left_out = sheet.empty if query.deep else sheet.empty | {*DEEP}
        return self._scans.find(sheet.parts, query.search, left_out)

    def rows_like(self, query: Query, found: Found | None) -> tuple[str, list[Any], pl.DataFrame | None]:
        """FROM and WHERE of a query's rows, the values bound in it, and the matches that it refers to."""
        sheet = self.all[query.sheet]
        where, values = conditions(sheet.columns, query.filters)
        if found is None:
            return f"{source(sheet.parts)} {where}", values, None
        where = f"{where} {'AND' if where else 'WHERE'} (_factory_part, _factory_row) IN (SELECT part, row FROM matches)"
        return f"{source(sheet.parts)} {where}", values, sheet.places(found.rows)

    def source(self, name: str) -> str:
        """The sheet as a table in SQL, with `_factory_part` and `_factory_row`."""
        return source(self.all[name].parts)

    def record(self, name: str, part: int, row: int) -> dict[str, Any]:
        """Every column of one row.

        Raises:
            UsageError: the table has no such row.
        """
        parts = self.all[name].parts
        if 0 <= part < len(parts) and row >= 0:
            found = pl.scan_parquet(parts[part]).slice(row, 1).collect()
            if found.height:
                return found.row(0, named=True)
        raise UsageError(f"{name} has no row {part}.{row}")

    def values(self, name: str, column: str, limit: int = 30) -> list[tuple[str, int]]:
        """The commonest values of a column with their counts."""
        cell = quoted(column)
        found = self.run(
            f"SELECT left(CAST({cell} AS VARCHAR), 200), count(*) AS n FROM {self.source(name)} "
            f"WHERE {cell} IS NOT NULL GROUP BY 1 ORDER BY n DESC, 1 LIMIT {int(limit)}"
        )
        return [(str(value), int(n)) for value, n in found]

    def cells(
        self, sheet: Sheet, places: Sequence[Place], columns: Sequence[str], search: str = ""
    ) -> list[tuple[Any, ...]]:
        """The previews of the columns at some places, of what is searched for where it is found; then the row's id."""

        def cells(there: Sheet) -> list[str]:
            own = [preview(there, name) if name in there.names else "NULL" for name in columns]
            return [*own, quoted(sheet.id_column) if sheet.id_column in there.names else "NULL"]

        return self._at(sheet, places, cells, search)

    def _beside(
        self, sheet: Sheet, places: Sequence[Place], rows: Sequence[tuple[Any, ...]], query: Query
    ) -> list[Any]:
        """For every row `found_beside`, when none of its previews shows what the query searches for."""
        if not query.search:
            return []
        columns, pattern = query.columns or sheet.shown, re.compile(re.escape(query.search), re.IGNORECASE)
        missing = [n for n, row in enumerate(rows) if not any(pattern.search(str(cell)) for cell in row[:-1])]
        told = self._at(
            sheet,
            [places[n] for n in missing],
            lambda there: [found_beside(there, columns, deep=query.deep)],
            query.search,
        )
        found = dict(zip(missing, told, strict=True))
        return [found[n][0] if n in found else None for n in range(len(rows))]

    def _at(
        self, sheet: Sheet, places: Sequence[Place], cells: Callable[[Sheet], list[str]], search: str
    ) -> list[tuple[Any, ...]]:
        """What `cells` gives in SQL, for the columns that a part has, at some places."""
        wanted: dict[int, list[int]] = {}
        for part, row in places:
            wanted.setdefault(part, []).append(row)

        rows: dict[Place, tuple[Any, ...]] = {}
        for part, numbers in wanted.items():
            names = {*pq.read_schema(sheet.parts[part]).names}
            there = replace(sheet, columns=tuple(each for each in sheet.columns if each[0] in names))
            some = ", ".join(str(int(n)) for n in numbers)
            # The range lets DuckDB pass over row groups; the list picks the rows.
            where = f"_factory_row BETWEEN {min(numbers)} AND {max(numbers)} AND _factory_row IN ({some})"
            table = f"{source([sheet.parts[part]])}, (SELECT lower(?) AS {NEEDLE})"
            sql = f"SELECT _factory_row, {', '.join(cells(there))} FROM {table} WHERE {where}"
            rows |= {(part, found[0]): found[1:] for found in self.run(sql, [search])}
        return [rows[place] for place in places]

    def _places(self, sheet: Sheet, query: Query, found: Found | None) -> tuple[list[Place], int | None]:
        """Where the page's rows lie, one more than a page when there are more, and how many match in all."""
        first = query.page * ROWS
        if not query.filters and not query.sort:
            if found is not None:
                rows = found.rows.slice(first, ROWS + 1).to_list()
                return [sheet.place(row) for row in rows], found.rows.len()
            return [sheet.place(row) for row in range(first, min(first + ROWS + 1, sheet.rows))], sheet.rows
        rows_like, values, matches = self.rows_like(query, found)
        places = self.run(
            f"SELECT _factory_part, _factory_row FROM {rows_like} ORDER BY {order(query)} LIMIT {ROWS + 1} OFFSET {first}",
            values,
            matches,
        )
        if not query.filters:
            return places, sheet.rows if found is None else found.rows.len()
        return places, self.run(f"SELECT count(*) FROM {rows_like}", values, matches)[0][0]

    def _sheets(self, folder: StepFolder) -> list[Sheet]:
        if folder.state == State.INCOMPLETE:
            return [Sheet(folder.name, "", 0, folder.state, (), ())]
        step = str(folder.manifest.get("step", ""))
        both = ((folder.name, folder.parts), (f"{folder.name}/dropped", folder.dropped))
        return [
            sheet
            for name, parts in both
            if (sheet := self._sheet(name, step, folder.state, parts)) is not None
        ]

    def _sheet(self, name: str, step: str, state: State, parts: tuple[Path, ...]) -> Sheet | None:
        if not parts:
            return None
        lengths, empty = part_counts(parts)
        try:
            described = self.run(
                f"DESCRIBE SELECT * EXCLUDE (_factory_part, _factory_row) FROM {source(parts)}"
            )
            if reserved := RESERVED & {str(row[0]).lower() for row in described}:
                raise UsageError(f"the viewer cannot show a table with a column {min(reserved)}")
        except UsageError as error:
            return Sheet(name, step, sum(lengths), state, (), (), unreadable=str(error))
        columns = tuple((str(row[0]), str(row[1])) for row in described)
        return Sheet(name, step, sum(lengths), state, parts, columns, empty, lengths)


def _close(text: SearchText, scans: Scans, database: Database) -> None:
    text.close()
    scans.close()
    database.close()
