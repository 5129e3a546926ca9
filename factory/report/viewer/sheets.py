"""The run's tables as sheets that can be searched, filtered and sorted: DuckDB over the Parquet parts, read-only.

DuckDB may read nothing outside the run folder, load no extension and change no setting. Column names come only from
the tables themselves and are quoted; values are always bound parameters.
"""

from __future__ import annotations

import random
import threading
import weakref
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from factory.errors import UsageError
from factory.report.step_folders import RunTables, State, StepFolder, ordered
from factory.report.viewer.query import ROWS, Filter, Query, conditions, literal, quoted
from factory.report.viewer.scan import Found, Scans
from factory.report.viewer.search import Matches, SearchText
from factory.report.viewer.sheet import DEEP, Sheet, part_counts, preview

Place = tuple[str, int]
"""A part's path and a row in it."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a sheet.

    `total` is None and `searched` the number of rows searched so far while a search of a big table goes on. `places` names
    each row by number of its part and row in it; see `Sheets.record`.
    """

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    ids: list[str | None]
    places: list[tuple[int, int]]
    more: bool
    total: int | None
    searched: int | None = None


class Sheets:
    """All sheets of a run. Safe to use from several threads: each query has its own cursor."""

    def __init__(self, tables: RunTables, so_far: Mapping[str, Sequence[Path]] | None = None) -> None:
        """`so_far` are the finished parts of steps that did not end, by name."""
        import duckdb

        self._database = duckdb.connect(":memory:")
        self._database.execute(f"SET allowed_directories = [{literal(str(tables.run.resolve()) + '/')}]")
        for setting in (
            "enable_external_access = false",
            "autoinstall_known_extensions = false",
            "autoload_known_extensions = false",
            "enable_progress_bar = false",
            "parquet_metadata_cache = true",
            "lock_configuration = true",
        ):
            self._database.execute(f"SET {setting}")
        self._lock = threading.Lock()
        self.all: dict[str, Sheet] = {}
        for folder in ordered(tables):
            self.all |= {sheet.name: sheet for sheet in self._sheets(folder)}
        for name, parts in (so_far or {}).items():
            if unfinished := self._sheet(name, "", State.INCOMPLETE, tuple(parts)):
                self.all[name] = unfinished
        self.text = SearchText(DEEP, {sheet.name: sheet.parts for sheet in self.all.values() if sheet.parts})
        self._scans = Scans(frozenset(DEEP))
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
        rows = self._cells(sheet, places, columns)
        searched = None if found is None or found.complete else found.seen
        if searched is not None:
            total = None
        ids = [None if row[-1] is None else str(row[-1]) for row in rows]
        return Page(
            tuple(columns), [row[:-1] for row in rows], ids, self._named(sheet, places), more, total, searched
        )

    def search(self, query: Query, *, all_rows: bool = False) -> Found | None:
        """What the query's search finds within the time that a page may take; None without a search."""
        if not query.search:
            return None
        sheet = self.all[query.sheet]
        matches = self.text.rows(query.sheet, query.search, deep=query.deep)
        if matches is not None:
            return Found(matches, sheet.rows, True)
        all_rows = all_rows or bool(query.filters or query.sort)
        enough = sheet.rows + 1 if all_rows else (query.page + 1) * ROWS + 1
        return self._scans.find(sheet.parts, query.search, deep=query.deep, enough=enough)

    def rows_like(self, query: Query, found: Found | None) -> tuple[str, list[Any], pa.Table | None]:
        """FROM and WHERE of a query's rows, the values bound in it, and the matches that it refers to."""
        sheet = self.all[query.sheet]
        where, values = conditions(sheet.columns, query.filters)
        if found is not None:
            where = f"{where} {'AND' if where else 'WHERE'} (_part, _row) IN (SELECT part, row FROM matches)"
        return (
            f"{self._source(sheet.parts)} {where}",
            values,
            None if found is None else _match_table(found.matches),
        )

    def neighbour(
        self, query: Query, row_id: str, only: Filter | None, without: Collection[str] = ()
    ) -> str | None:
        """The id of the next row after `row_id` in the order of the table that fits the query's filters and `only`.

        Rows whose ids are in `without` are passed over. None when there is none, or the table has no ids.
        """
        sheet = self.all[query.sheet]
        if sheet.id_column is None:
            return None
        name = f"CAST({quoted(sheet.id_column)} AS VARCHAR)"
        source = self._source(sheet.parts)
        here = self.run(f"SELECT _part, _row FROM {source} WHERE {name} = ? ORDER BY ALL LIMIT 1", [row_id])
        filters = (*query.filters, *([only] if only else []))
        where, values = conditions(sheet.columns, filters)
        tests = [f"{name} IS NOT NULL"]
        if here:
            tests.append("(_part, _row) > (?, ?)")
            values += here[0]
        if without:
            tests.append(f"{name} NOT IN (SELECT unnest(?::VARCHAR[]))")
            values.append(list(without))
        where = f"{where} {'AND' if where else 'WHERE'} {' AND '.join(tests)}"
        found = self.run(f"SELECT {name} FROM {source} {where} ORDER BY _part, _row LIMIT 1", values)
        return found[0][0] if found else None

    def random(self, query: Query) -> tuple[int, int, str | None] | None:
        """Number of the part, row and id of a random row among those that fit; None when none does."""
        sheet = self.all[query.sheet]
        if not query.filters and not query.search:
            places = self._numbered(sheet, random.randrange(sheet.rows), 1) if sheet.rows else []
        else:
            source, values, matches = self.rows_like(query, self.search(query, all_rows=True))
            places = self.run(f"SELECT _part, _row FROM (FROM {source}) USING SAMPLE 1 ROWS", values, matches)
        if not places:
            return None
        part, row = self._named(sheet, places)[0]
        cell = self._cells(sheet, places, ())[0][-1]
        return part, row, None if cell is None else str(cell)

    def count_of(self, name: str, ids: Collection[str]) -> int:
        """How many of the ids name a row of the sheet."""
        sheet = self.all[name]
        if not ids or sheet.id_column is None:
            return 0
        cell = f"CAST({quoted(sheet.id_column)} AS VARCHAR)"
        source = self._source(sheet.parts)
        sql = f"SELECT count(DISTINCT {cell}) FROM {source} WHERE {cell} IN (SELECT unnest(?::VARCHAR[]))"
        return int(self.run(sql, [list(ids)])[0][0])

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

    def _places(self, sheet: Sheet, query: Query, found: Found | None) -> tuple[list[Place], int | None]:
        """Where the page's rows lie, one more than a page when there are more, and how many match in all."""
        first = query.page * ROWS
        if not query.filters and not query.sort:
            if found is not None:
                return slice_matches(found.matches, first, ROWS + 1), sum(
                    rows.len() for _, rows in found.matches
                )
            return self._numbered(sheet, first, ROWS + 1), sheet.rows
        source, values, matches = self.rows_like(query, found)
        order = ""
        if query.sort:
            order = f"ORDER BY {quoted(query.sort)} {'DESC' if query.descending else 'ASC'} NULLS LAST, _part, _row"
        places = self.run(
            f"SELECT _part, _row FROM {source} {order} LIMIT {ROWS + 1} OFFSET {first}", values, matches
        )
        if not query.filters and found is None:
            return places, sheet.rows
        return places, self.run(f"SELECT count(*) FROM {source}", values, matches)[0][0]

    def _numbered(self, sheet: Sheet, first: int, count: int) -> list[Place]:
        """The places of rows `first`, `first` + 1, ... of a sheet."""
        places: list[Place] = []
        for part, length in zip(sheet.parts, sheet.lengths, strict=True):
            rows = range(first, min(first + count - len(places), length)) if first < length else ()
            places += [(str(part.resolve()), row) for row in rows]
            first = max(first - length, 0)
        return places

    def _named(self, sheet: Sheet, places: Sequence[Place]) -> list[tuple[int, int]]:
        numbers = {str(part.resolve()): number for number, part in enumerate(sheet.parts)}
        return [(numbers[part], row) for part, row in places]

    def values(self, name: str, column: str, limit: int = 30) -> list[tuple[str, int]]:
        """The commonest values of a column with their counts."""
        source = self._source(self.all[name].parts)
        cell = quoted(column)
        found = self.run(
            f"SELECT left(CAST({cell} AS VARCHAR), 200), count(*) AS n FROM {source} WHERE {cell} IS NOT NULL "
            f"GROUP BY 1 ORDER BY n DESC, 1 LIMIT {int(limit)}",
            [],
        )
        return [(str(value), int(n)) for value, n in found]

    def _cells(self, sheet: Sheet, places: Sequence[Place], columns: Sequence[str]) -> list[tuple[Any, ...]]:
        """The previews of the columns at some places, each row with the row's id after them."""
        wanted: dict[str, list[int]] = {}
        for part, row in places:
            wanted.setdefault(part, []).append(row)
        rows: dict[Place, tuple[Any, ...]] = {}
        for part, numbers in wanted.items():
            source, there = self._source([Path(part)]), {*pq.read_schema(part).names}
            cells = [preview(sheet, column) if column in there else "NULL" for column in columns]
            identity = sheet.id_column if sheet.id_column in there else None
            cells.append(quoted(identity) if identity else "NULL")
            some = ", ".join(str(int(n)) for n in numbers)
            # The range lets DuckDB pass over row groups; the list picks the rows.
            where = f"_row BETWEEN {min(numbers)} AND {max(numbers)} AND _row IN ({some})"
            for cells_of in self.run(f"SELECT _row, {', '.join(cells)} FROM {source} WHERE {where}", []):
                rows[part, cells_of[0]] = cells_of[1:]
        return [rows[place] for place in places]

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
        described = self.run(f"DESCRIBE SELECT * EXCLUDE (_part, _row) FROM {self._source(parts)}", [])
        lengths, empty = part_counts(parts)
        columns = tuple((str(row[0]), str(row[1])) for row in described)
        return Sheet(name, step, sum(lengths), state, parts, columns, empty, lengths)

    def source(self, name: str) -> str:
        """The sheet as a table in SQL, with `_part` and `_row`."""
        return self._source(self.all[name].parts)

    def _source(self, parts: Sequence[Path]) -> str:
        files = ", ".join(literal(str(path.resolve())) for path in parts)
        return (
            f"(SELECT * EXCLUDE (filename, file_row_number), filename AS _part, file_row_number AS _row FROM read_parquet([{files}], "
            "filename = true, file_row_number = true, union_by_name = true))"
        )

    def run(self, sql: str, values: Sequence[Any], matches: pa.Table | None = None) -> list[tuple[Any, ...]]:
        """Rows of a query; `matches` is a table that it may name. Raises UsageError when a value does not fit its column."""
        import duckdb

        with self._lock:
            cursor = self._database.cursor()
        try:
            if matches is not None:
                cursor.register("matches", matches)
            return cursor.execute(sql, list(values)).fetchall()
        except duckdb.ConversionException as error:
            raise UsageError("a filter's value does not fit its column") from error
        except duckdb.IOException as error:
            raise UsageError(
                "a file of this table changed while it was read", do="reload the page"
            ) from error
        finally:
            cursor.close()


def _close(text: SearchText, scans: Scans, database: Any) -> None:
    text.close()
    scans.close()
    database.close()


def slice_matches(matches: Matches, first: int, count: int) -> list[Place]:
    """`count` places from number `first` on."""
    places: list[Place] = []
    for part, rows in matches:
        if len(places) < count:
            places += [(str(part.resolve()), row) for row in rows.slice(first, count - len(places)).to_list()]
        first = max(first - rows.len(), 0)
    return places


def _match_table(matches: Matches) -> pa.Table:
    frames = [
        pl.DataFrame(schema={"part": pl.String, "row": pl.Int64}),
        *(
            pl.DataFrame({"row": rows}).select(
                pl.lit(str(part.resolve())).alias("part"), pl.col("row").cast(pl.Int64)
            )
            for part, rows in matches
        ),
    ]
    return pl.concat(frames).to_arrow()
