"""Sorting a step's rows that may not fit in memory: scatter by key range into files, then sort each range."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from factory.run.parts import batch_rows

RANGE_BYTES = 128 * 2**20
"""Arrow bytes of one key range; bounds the memory of the sort."""
FAN_OUT = 256
"""Ranges that are written at once; larger ones are scattered again. Each is an open file."""
WAITING_BYTES = 128 * 2**20
"""Arrow bytes of rows that are held until they are written to their ranges, so that each gets few, long batches."""
BATCH_ROWS = 2_000
"""Rows read at a time, at most."""
SAMPLE = 1_000_000
"""Keys that the borders of the ranges are chosen from, at most."""


def sorted_rows(paths: list[Path], key: tuple[str, ...], scratch: Path) -> Iterator[pa.Table]:
    """Rows of Parquet files sorted by `key` (nulls first); with an empty key, in the given order.

    Equal keys keep their order. The next range is sorted while one is used: about four times `RANGE_BYTES` are in memory,
    or `WAITING_BYTES` while rows are scattered. Rows of one value of the first key column are one range, however many.

    Args:
        paths: Parquet files with the key's columns.
        key: columns to sort by; the first is text.
        scratch: folder for the ranges, removed at the end.
    """
    source = _Files(paths)
    if not key:
        yield from source.tables()
        return
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        yield from _ahead(_sorted(source, key, scratch))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class _Files:
    """Rows of Parquet files."""

    paths: list[Path]

    def tables(self) -> Iterator[pa.Table]:
        for path in self.paths:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=batch_rows(file.metadata, BATCH_ROWS)):
                    yield pa.Table.from_batches([batch]).replace_schema_metadata(None)

    def schema(self) -> pa.Schema:
        return pa.unify_schemas([pq.read_schema(path).remove_metadata() for path in self.paths])

    def size(self) -> int:
        """Arrow bytes, judged by the first batch: Parquet counts repeated text once."""
        encoded = rows = 0
        for metadata in map(pq.read_metadata, self.paths):
            encoded += sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
            rows += metadata.num_rows
        first = next(self.tables(), None)
        return (
            max(encoded, first.nbytes * rows // first.num_rows) if first is not None and first.num_rows else 0
        )

    def keys(self, name: str) -> pl.Series:
        """Every n-th key, so that there are at most `SAMPLE`."""
        rows = sum(pq.read_metadata(path).num_rows for path in self.paths)
        every = rows // SAMPLE + 1
        return pl.scan_parquet(self.paths).select(name).gather_every(every).collect(engine="streaming")[name]


@dataclass(frozen=True, slots=True)
class _Range:
    """Rows of one key range, in a file."""

    path: Path
    bytes: int

    def tables(self) -> Iterator[pa.Table]:
        with pa.memory_map(str(self.path)) as file, pa.ipc.open_stream(file) as reader:
            for batch in reader:
                yield pa.Table.from_batches([batch])

    def schema(self) -> pa.Schema:
        with pa.memory_map(str(self.path)) as file, pa.ipc.open_stream(file) as reader:
            return reader.schema

    def size(self) -> int:
        return self.bytes

    def keys(self, name: str) -> pl.Series:
        options = pa.ipc.IpcReadOptions(included_fields=[self.schema().get_field_index(name)])
        with pa.memory_map(str(self.path)) as file, pa.ipc.open_stream(file, options=options) as reader:
            keys = pl.Series(name, reader.read_all().column(name))
        return keys.gather_every(len(keys) // SAMPLE + 1)


def _ahead(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same tables; the next one is made, in a thread, while one is used."""
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(next, tables, None)
        while (table := waiting.result()) is not None:
            waiting = pool.submit(next, tables, None)
            yield table


def _sorted(source: _Files | _Range, key: tuple[str, ...], scratch: Path) -> Iterator[pa.Table]:
    borders = _borders(source, key[0])
    if not borders:
        tables = list(source.tables())
        if tables:
            yield _sort(pa.concat_tables(tables, promote_options="default"), key)
        return
    for part in _scatter(source, key[0], borders, scratch):
        yield from _sorted(part, key, part.path.with_suffix(""))
        part.path.unlink()


def _borders(source: _Files | _Range, name: str) -> list[str]:
    """Keys at which ranges of about `RANGE_BYTES` begin, all but the first; none if the rows are one range."""
    ranges = min(source.size() // RANGE_BYTES + 1, FAN_OUT)
    if ranges == 1:
        return []
    keys = source.keys(name).drop_nulls().sort()
    marks = {keys[len(keys) * i // ranges] for i in range(1, ranges)} if len(keys) else set()
    return sorted(mark for mark in marks if mark > keys[0])


def _sort(table: pa.Table, key: tuple[str, ...]) -> pa.Table:
    # Polars' sort is stable on request; the index is sorted alone, so that no wide column is converted.
    keys = pl.from_arrow(table.select(list(key)))
    assert isinstance(keys, pl.DataFrame)
    order = keys.with_row_index("_row").sort(list(key), nulls_last=False, maintain_order=True)["_row"]
    return table.take(order.to_arrow())


def _scatter(source: _Files | _Range, name: str, borders: Sequence[str], scratch: Path) -> list[_Range]:
    """Write every row to the file of its range, in the order of the source."""
    scratch.mkdir(parents=True, exist_ok=True)
    files = [scratch / f"{i:05d}.arrows" for i in range(len(borders) + 1)]
    schema, sizes, held = source.schema(), [0] * len(files), 0
    waiting: list[list[pa.Table]] = [[] for _ in files]
    # Arrow streams, not Parquet: a Parquet writer keeps the metadata of every small batch in memory until it closes.
    # zstd at level 1: long chains take 0.46 of their size on disk, 0.81 with lz4, for no more processor time.
    options = pa.ipc.IpcWriteOptions(compression=pa.Codec("zstd", compression_level=1))
    writers = [pa.ipc.new_stream(str(path), schema, options=options) for path in files]

    def write() -> None:
        for number, tables in enumerate(waiting):
            if tables:
                writers[number].write_table(pa.concat_tables(tables).combine_chunks())
                tables.clear()

    try:
        for table in source.tables():
            whole = pa.concat_tables([table, schema.empty_table()], promote_options="default").select(
                schema.names
            )
            for number, rows in _split(whole, name, borders):
                waiting[number].append(rows)
                sizes[number] += rows.nbytes
            held += whole.nbytes
            if held >= WAITING_BYTES:
                write()
                held = 0
        write()
    finally:
        for writer in writers:
            writer.close()
    return [_Range(path, size) for path, size in zip(files, sizes, strict=True)]


def _split(table: pa.Table, name: str, borders: Sequence[str]) -> Iterator[tuple[int, pa.Table]]:
    """The rows of each range, with its number; rows without a key are in the first."""
    values = pl.Series(name, table.column(name))
    place = pl.Series(borders).search_sorted(values.fill_null(""), side="right")
    groups = pl.DataFrame({"range": place}).with_row_index("row").partition_by("range", as_dict=True)
    for (number,), rows in groups.items():
        yield int(number), table if rows.height == table.num_rows else table.take(rows["row"].to_arrow())
