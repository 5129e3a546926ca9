"""The run's tables as sheets that can be searched, filtered and sorted: DuckDB over the Parquet parts, read-only.

DuckDB may read nothing outside the run folder, load no extension and change no setting. Column names come only from
the tables themselves and are quoted; values are always bound parameters.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from factory.errors import UsageError
from factory.report.step_folders import RunTables, State, StepFolder, ordered
from factory.report.viewer.query import ROWS, Query, conditions, literal, quoted
from factory.report.viewer.search import Matches, SearchText

PREVIEW = 140
"""Characters of a cell that the table shows."""

DEEP = (
    "reasoning", "row", "metadata", "solution", "completion", "chosen", "rejected", "prompt", "request_key",
)  # fmt: skip
"""Long columns: searched only on request."""

IDS = ("response_id", "id", "row_id", "chosen_response_id", "problem_id")
"""Columns that name a row, the most telling first."""

SHOWN = (
    *IDS, "problem", "prompt", "content", "completion", "chosen", "rejected", "reason", "detail", "verdict",
    "method", "extracted", "answer", "status", "band", "pass_rate", "completion_tokens", "chosen_tokens",
    "rejected_tokens", "domain", "level", "source",
)  # fmt: skip
"""Columns that a table shows unless others are asked for."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One browsable table: the kept or the dropped rows of a step."""

    name: str
    step: str
    rows: int
    state: State
    parts: tuple[Path, ...]
    columns: tuple[tuple[str, str], ...]

    @property
    def names(self) -> list[str]:
        """Column names."""
        return [name for name, _ in self.columns]

    @property
    def id_column(self) -> str | None:
        """The column that names a row."""
        return next((name for name in IDS if name in self.names), None)

    @property
    def shown(self) -> tuple[str, ...]:
        """The columns shown by default."""
        found = [name for name in SHOWN if name in self.names]
        twice = {"response_id": ("problem_id",), "content": ("problem",), "completion": ("prompt",)}
        for name, others in twice.items():
            found = [each for each in found if name not in found or each not in others]
        return tuple(found) or tuple(self.names[:8])


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a sheet. `total` is None when counting would mean reading every long text.

    `places` names each row by number of its part and row in it; see `Sheets.record`.
    """

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    ids: list[str | None]
    places: list[tuple[int, int]]
    more: bool
    total: int | None


class Sheets:
    """All sheets of a run. Safe to use from several threads: each query has its own cursor."""

    def __init__(self, tables: RunTables) -> None:
        import duckdb

        self._database = duckdb.connect(":memory:")
        self._database.execute(f"SET allowed_directories = [{literal(str(tables.run.resolve()) + '/')}]")
        for setting in (
            "enable_external_access = false",
            "autoinstall_known_extensions = false",
            "autoload_known_extensions = false",
            "enable_progress_bar = false",
            "lock_configuration = true",
        ):
            self._database.execute(f"SET {setting}")
        self._lock = threading.Lock()
        self.all: dict[str, Sheet] = {}
        for folder in ordered(tables):
            for sheet in self._sheets(folder):
                self.all[sheet.name] = sheet
        self.text = SearchText(DEEP, {sheet.name: sheet.parts for sheet in self.all.values() if sheet.parts})

    def close(self) -> None:
        """Remove the search copies and close the database."""
        self.text.close()
        self._database.close()

    def page(self, query: Query) -> Page:
        """The rows of one page. Raises UsageError when a filter does not fit its column."""
        try:
            return self._page(query)
        finally:
            self.text.page_served(search=bool(query.search))

    def _page(self, query: Query) -> Page:
        sheet = self.all[query.sheet]
        columns = query.columns or sheet.shown
        identity = sheet.id_column
        cells = [
            *(_preview(sheet, column) for column in columns),
            quoted(identity) if identity else "NULL",
        ]
        matches = self.text.rows(query.sheet, query.search, deep=query.deep) if query.search else None
        places, total = self._places(sheet, query, matches)
        more, places = len(places) > ROWS, places[:ROWS]
        found = self._rows_at(places, cells)
        if total is None and not more:
            total = query.page * ROWS + len(places)
        ids = [None if row[-1] is None else str(row[-1]) for row in found]
        numbers = {str(part.resolve()): number for number, part in enumerate(sheet.parts)}
        named = [(numbers[part], row) for part, row in places]
        return Page(tuple(columns), [row[:-1] for row in found], ids, named, more, total)

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

    def _places(
        self, sheet: Sheet, query: Query, matches: Matches | None
    ) -> tuple[list[tuple[Any, ...]], int | None]:
        """Where the page's rows lie (part, row), one more than a page when there are more, and how many match in all."""
        first = query.page * ROWS
        if matches is not None and not query.filters and not query.sort:
            return slice_matches(matches, first, ROWS + 1), sum(rows.len() for _, rows in matches)
        where, values = conditions(sheet.columns, DEEP, query, searched=matches is None)
        source = self._source(sheet.parts)
        order = ""
        if query.sort:
            order = f"ORDER BY {quoted(query.sort)} {'DESC' if query.descending else 'ASC'} NULLS LAST, _part, _row"
        extra: pa.Table | None = None
        if matches is not None:
            extra = _match_table(matches)
            where = f"{where} {'AND' if where else 'WHERE'} (_part, _row) IN (SELECT part, row FROM matches)"
        places = self._run(
            f"SELECT _part, _row FROM {source} {where} {order} LIMIT {ROWS + 1} OFFSET {first}", values, extra
        )
        if query.search and matches is None:
            return places, None
        if not query.filters and not query.search:
            return places, sheet.rows
        return places, self._run(f"SELECT count(*) FROM {source} {where}", values, extra)[0][0]

    def values(self, name: str, column: str, limit: int = 30) -> list[tuple[str, int]]:
        """The commonest values of a column with their counts."""
        source = self._source(self.all[name].parts)
        cell = quoted(column)
        found = self._run(
            f"SELECT left(CAST({cell} AS VARCHAR), 200), count(*) AS n FROM {source} WHERE {cell} IS NOT NULL "
            f"GROUP BY 1 ORDER BY n DESC, 1 LIMIT {int(limit)}",
            [],
        )
        return [(str(value), int(n)) for value, n in found]

    def _rows_at(self, places: list[tuple[Any, ...]], cells: list[str]) -> list[tuple[Any, ...]]:
        wanted: dict[str, list[int]] = {}
        for part, row in places:
            wanted.setdefault(part, []).append(row)
        rows: dict[tuple[str, int], tuple[Any, ...]] = {}
        for part, numbers in wanted.items():
            source = self._source([Path(part)])
            some = ", ".join(str(int(n)) for n in numbers)
            for row in self._run(f"SELECT _row, {', '.join(cells)} FROM {source} WHERE _row IN ({some})", []):
                rows[part, row[0]] = row[1:]
        return [rows[part, row] for part, row in places]

    def _sheets(self, folder: StepFolder) -> list[Sheet]:
        if folder.state == State.INCOMPLETE:
            return [Sheet(folder.name, "", 0, folder.state, (), ())]
        found = []
        step = str(folder.manifest.get("step", ""))
        for name, parts in ((folder.name, folder.parts), (f"{folder.name}/dropped", folder.dropped)):
            if parts:
                source = self._source(parts)
                described = self._run(f"DESCRIBE SELECT * EXCLUDE (_part, _row) FROM {source}", [])
                rows = self._run(f"SELECT count(*) FROM {source}", [])[0][0]
                columns = tuple((str(row[0]), str(row[1])) for row in described)
                found.append(Sheet(name, step, rows, folder.state, parts, columns))
        return found

    def _source(self, parts: Sequence[Path]) -> str:
        files = ", ".join(literal(str(path.resolve())) for path in parts)
        return (
            f"(SELECT * EXCLUDE (filename, file_row_number), filename AS _part, file_row_number AS _row FROM read_parquet([{files}], "
            "filename = true, file_row_number = true, union_by_name = true))"
        )

    def _run(self, sql: str, values: Sequence[Any], matches: pa.Table | None = None) -> list[tuple[Any, ...]]:
        import duckdb

        with self._lock:
            cursor = self._database.cursor()
        try:
            if matches is not None:
                cursor.register("matches", matches)
            return cursor.execute(sql, list(values)).fetchall()
        except duckdb.ConversionException as error:
            raise UsageError("a filter's value does not fit its column") from error
        finally:
            cursor.close()


def slice_matches(matches: Matches, first: int, count: int) -> list[tuple[Any, ...]]:
    """`count` places (part, row) from number `first` on."""
    places: list[tuple[Any, ...]] = []
    for part, rows in matches:
        if len(places) < count:
            places += [(str(part.resolve()), row) for row in rows.slice(first, count - len(places)).to_list()]
        first = max(first - rows.len(), 0)
    return places


def _match_table(matches: Matches) -> pa.Table:
    frames = [
        pl.DataFrame({"row": rows}).select(
            pl.lit(str(part.resolve())).alias("part"), pl.col("row").cast(pl.Int64)
        )
        for part, rows in matches
    ]
    return pl.concat(frames).to_arrow()


def _preview(sheet: Sheet, column: str) -> str:
    kind = dict(sheet.columns)[column]
    cell = quoted(column)
    if kind.startswith("STRUCT(") and kind.endswith(")[]") and "content VARCHAR" in kind.replace('"', ""):
        return f"left({cell}[-1].content, {PREVIEW + 1})"  # messages: the last one's text
    if kind == "VARCHAR":
        return f"left({cell}, {PREVIEW + 1})"
    if "[" in kind or "STRUCT" in kind:
        return f"left(CAST({cell} AS VARCHAR), {PREVIEW + 1})"
    return cell
