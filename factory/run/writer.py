"""The one writer of steps: kept rows, dropped rows and side tables, first in a scratch directory.

A step writes below `OUT/.scratch-KEY/out`, a tree of the names that its files will have in OUT. Workers that write one
part each leave a record beside it (`record-N.json`, written last), so a part whose record is there is done, also for a
run that is started again. A leftover worker is harmless: it rewrites identical bytes, or an abandoned directory.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import polars as pl
import pyarrow as pa

from factory.atomic import atomic_path, read_json, write_json
from factory.errors import FactoryError
from factory.run.part_file import PartFile, rows_each
from factory.run.parts import DROPPED_FOLDER, SIDE_FOLDER
from factory.run.tables import arrow_table, content_digest, file_facts
from schemas import DROPPED, TableSchema

ROWS_PER_PART = 10_000
BYTES_PER_PART = 64 * 2**20
"""Rows or Arrow bytes of a part. A part is what one worker works on at a time: small enough that the paper's 10 M
responses (about 100 GB) make well over a thousand, so that 64 nodes have something to do, and memory stays small."""


@dataclass(frozen=True, slots=True)
class Record:
    """What one writer wrote.

    `files` are the `sha256` and `bytes` of every file by its name in the step's folder, `content` the digests of the
    kept parts without clock columns, `notes` what the work returned (JSON).
    """

    number: int
    rows_in: int
    rows_out: int
    dropped: dict[str, int]
    content: list[str]
    files: dict[str, dict[str, Any]]
    notes: dict[str, Any]


class Writer:
    """Collects kept rows, dropped rows and side tables. Use as a context manager."""

    def __init__(self, scratch: Path, schema: TableSchema | None, number: int | None = None) -> None:
        """Files go below `scratch`. With `number` the rows make this one part; without, as many as they need."""
        self.scratch, self.schema, self.number = scratch, schema, number
        self.reasons: Counter[str] = Counter()
        self._kept = _Parts(scratch / "out", schema, number)
        self._dropped = _Parts(scratch / "out" / DROPPED_FOLDER, DROPPED, number)
        self._side: list[Path] = []
        self._shards: list[Path] = []
        self._shard_rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Remove files that are not complete."""
        self._kept.abandon()
        self._dropped.abandon()

    def keep(self, rows: pl.DataFrame | pa.Table) -> None:
        """Add rows to the output, in order.

        Raises:
            FactoryError: a numbered part gets other columns than it began with.
        """
        self._kept.schema = self.schema
        self._kept.add(arrow_table(rows))

    def drop(self, rows: pl.DataFrame | pa.Table) -> None:
        """Add rows of `schemas.DROPPED`; see `dropped_rows`."""
        table = arrow_table(rows)
        if table.num_rows:
            self.reasons.update(table.column("reason").to_pylist())
            self._dropped.add(table)

    def keep_files(self, paths: list[Path], rows: int) -> None:
        """Take complete files below `scratch/out`, of so many rows, as the output."""
        self._shards, self._shard_rows = paths, rows

    def aside(self, name: str, rows: pl.DataFrame) -> None:
        """Write a table of this part for the driver (`aside_path`); it does not stay."""
        assert self.number is not None
        with atomic_path(aside_path(self.scratch, name, self.number)) as temporary:
            rows.write_parquet(temporary)

    def side(self, name: str, rows: pl.DataFrame | dict[str, Any]) -> None:
        """Write a side table (`side_path`), or JSON, that stays with the step."""
        path = self.side_file(name)
        if isinstance(rows, dict):
            write_json(path, rows)
        else:
            with atomic_path(path) as temporary:
                rows.write_parquet(temporary)

    def side_file(self, name: str) -> Path:
        """Where to write a side file that stays with the step."""
        path = self.scratch / "out" / SIDE_FOLDER / name
        self._side.append(path)
        return path

    def record(self, rows_in: int, notes: dict[str, Any] | None = None, *, empty: bool = True) -> Record:
        """Close the files. With `empty`, a step that kept nothing gets a part without rows that shows the columns."""
        kept = [*self._shards, *self._kept.close(always=empty and not self._shards)]
        paths = [*kept, *self._dropped.close(), *self._side]
        facts = {path: file_facts(path) for path in paths if path.exists()}
        return Record(
            self.number or 0,
            rows_in,
            self._kept.rows + self._shard_rows,
            dict(sorted(self.reasons.items())),
            [content_digest(path, facts[path]["sha256"]) for path in kept],
            {str(path.relative_to(self.scratch / "out")): fact for path, fact in facts.items()},
            notes or {},
        )


def save_record(scratch: Path, record: Record) -> Record:
    """Note that a part is done."""
    write_json(_record_path(scratch, record.number), asdict(record), seal=True)
    return record


def read_record(scratch: Path, number: int) -> Record | None:
    """The record of a part that is done, or None."""
    path = _record_path(scratch, number)
    return Record(**read_json(path)) if path.exists() else None


def aside_path(scratch: Path, name: str, number: int) -> Path:
    """Where a part's table of this name lies until the step is done."""
    return scratch / f"{name}-{number:05d}.parquet"


def _record_path(scratch: Path, number: int) -> Path:
    return scratch / f"record-{number:05d}.json"


class _Parts:
    """Rows as one part of a given number, or as many parts of about equal size."""

    def __init__(self, folder: Path, schema: TableSchema | None, number: int | None) -> None:
        self.folder, self.schema, self.number = folder, schema, number
        self.paths: list[Path] = []
        self.rows = 0
        self._open: PartFile | None = None

    def add(self, table: pa.Table) -> None:
        if self.number is not None:
            self._add(table)
            return
        each = rows_each(table, ROWS_PER_PART, BYTES_PER_PART)
        for start in range(0, max(table.num_rows, 1), each):
            self._add(table.slice(start, each))

    def _add(self, table: pa.Table) -> None:
        if self._open and not self._takes(table):
            self._flush()
        if table.num_rows == 0 and self.paths:
            return
        self._file().add(table)
        self.rows += table.num_rows

    def _takes(self, table: pa.Table) -> bool:
        assert self._open is not None
        fits = self._open.fits(table)
        if self.number is not None:
            if not fits:
                raise FactoryError(
                    f"part {self.number} of {self.folder.parent.parent} changes its columns midway",
                    do="this is a defect of the factory; keep the folder and report it",
                )
            return True
        if table.num_rows == 0:
            return True
        rows, size = self._open.rows + table.num_rows, self._open.bytes + table.nbytes
        return fits and rows <= ROWS_PER_PART and size <= BYTES_PER_PART

    def _file(self) -> PartFile:
        if self._open is None:
            number = len(self.paths) if self.number is None else self.number
            self._open = PartFile(self.folder / f"part-{number:05d}.parquet", self.schema)
        return self._open

    def _flush(self) -> None:
        if self._open is not None:
            self.paths.append(self._open.close())
        self._open = None

    def close(self, *, always: bool = False) -> list[Path]:
        if always and not self.paths:
            self._file()
        self._flush()
        return self.paths

    def abandon(self) -> None:
        if self._open is not None:
            self._open.abandon()
