"""Sorting a step's rows that may not fit in memory: scatter by key range into files, then sort each range."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

RANGE_BYTES = 256 * 2**20
"""Uncompressed bytes of one key range; bounds the memory of the sort."""
BATCH_ROWS = 2_000
"""Rows read at a time."""


def sorted_rows(paths: list[Path], key: tuple[str, ...], scratch: Path) -> Iterator[pa.Table]:
    """Rows of Parquet files sorted by `key` (nulls first); with an empty key, in the given order.

    Equal keys keep their order. At most about one range of `RANGE_BYTES` is in memory, besides the first key column.

    Args:
        paths: Parquet files with the key's columns.
        key: columns to sort by.
        scratch: folder for the ranges, removed at the end.
    """
    if not key:
        yield from _batches(paths)
        return
    shutil.rmtree(scratch, ignore_errors=True)
    size = sum(_uncompressed(path) for path in paths)
    ranges = size // RANGE_BYTES + 1
    if ranges == 1:
        tables = list(_batches(paths))
        if tables:
            yield _sort(pa.concat_tables(tables, promote_options="default"), key)
        return
    try:
        for path in _scatter(paths, key[0], ranges, scratch):
            with pa.memory_map(str(path)) as source:
                yield _sort(pa.ipc.open_stream(source).read_all(), key)
            path.unlink()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _sort(table: pa.Table, key: tuple[str, ...]) -> pa.Table:
    # Polars' sort is stable on request; the index is sorted alone, so that no wide column is converted.
    keys = pl.from_arrow(table.select(list(key)))
    assert isinstance(keys, pl.DataFrame)
    order = keys.with_row_index("_row").sort(list(key), nulls_last=False, maintain_order=True)["_row"]
    return table.take(order.to_arrow())


def _scatter(paths: list[Path], first: str, ranges: int, scratch: Path) -> list[Path]:
    """Write every row to the file of its range of the first key column; ranges hold about equally many rows."""
    borders = _borders(paths, first, ranges)
    scratch.mkdir(parents=True, exist_ok=True)
    files = [scratch / f"{i:05d}.arrows" for i in range(len(borders) + 1)]
    schema = pa.unify_schemas([pq.read_schema(path).remove_metadata() for path in paths])
    # Arrow streams, not Parquet: a Parquet writer keeps the metadata of every small batch in memory until it closes.
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    writers = [pa.ipc.new_stream(str(path), schema, options=options) for path in files]
    try:
        for table in _batches(paths):
            whole = pa.concat_tables([table, schema.empty_table()], promote_options="default").select(
                schema.names
            )
            values = pl.from_arrow(table.column(first))
            assert isinstance(values, pl.Series)
            place = pl.Series(borders).search_sorted(values, side="right") if len(borders) else values * 0
            groups = pl.DataFrame({"range": place}).with_row_index("row").partition_by("range", as_dict=True)
            for (number,), rows in groups.items():
                writers[int(number)].write_table(whole.take(rows["row"].to_arrow()))
    finally:
        for writer in writers:
            writer.close()
    return files


def _borders(paths: list[Path], first: str, ranges: int) -> list[str]:
    keys = pl.scan_parquet(paths).select(pl.col(first).drop_nulls()).collect().to_series().sort()
    marks = [keys[len(keys) * i // ranges] for i in range(1, ranges)] if len(keys) else []
    return sorted(set(marks))


def _batches(paths: list[Path]) -> Iterator[pa.Table]:
    for path in paths:
        file = pq.ParquetFile(path)
        for batch in file.iter_batches(batch_size=BATCH_ROWS):
            yield pa.Table.from_batches([batch]).replace_schema_metadata(None)


def _uncompressed(path: Path) -> int:
    metadata = pq.read_metadata(path)
    return sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
