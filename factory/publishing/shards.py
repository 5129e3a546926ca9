"""Parquet shards as the Hub wants them: `<split>-00000-of-000NN.parquet`, written in one streaming pass.

The same rows in the same order give the same bytes, however they were batched: row groups are cut by the rows'
own sizes, never by the batches in which they came. Pages are cut by content (content-defined chunking), so that
after a small change most of a file's chunks are already on the Hub.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from factory.atomic import disk_error
from schemas import TableSchema

Sizes = npt.NDArray[np.int64]

SHARD_BYTES = 256 * 2**20
"""Compressed size at which a shard is closed. It may be larger by one row group."""
GROUP_BYTES = 32 * 2**20
"""Uncompressed size at which a row group is closed; bounds the memory of writer and readers (the Hub's viewer)."""
GROUP_ROWS = 10_000
"""Rows at which a row group is closed."""

SORT_KEYS: dict[str, tuple[str, ...]] = {
    "completion": ("problem_id", "response_id"),
    "preference": ("problem_id", "chosen_response_id", "rejected_response_id"),
    "rl_prompt": (),
    "verdict": ("problem_id", "sample_index", "response_id"),
    "dropped": ("step", "row_id", "reason"),
}
"""Order of the rows of each published table. Empty: the given order is kept (RL prompts are in training order)."""


@dataclass(frozen=True, slots=True)
class Shards:
    """What `write_shards` wrote."""

    paths: list[Path]
    rows: int
    bytes: int


def write_shards(
    folder: Path,
    frames: Iterable[pl.DataFrame | pa.Table],
    schema: TableSchema,
    split: str = "train",
    *,
    shard_bytes: int = SHARD_BYTES,
) -> Shards:
    """Write rows, in the given order, as shards of about `shard_bytes` compressed bytes.

    One row group is in memory at a time. Files get their final names only when all are complete, because the number of
    shards is part of each name; earlier shards of the split are replaced then. No rows give one empty shard, so that
    the columns show.

    Args:
        folder: where the shards go; other files in it stay.
        frames: tables of the declared columns (plus extra ones, the same in every table).
        schema: declared columns; their docs are written into the files.
        split: name of the split.
        shard_bytes: compressed bytes at which a shard is closed.

    Raises:
        UsageError: the folder cannot be written.
        Stopped: the disk is full.
        pa.ArrowInvalid: a value does not fit its declared type.
    """
    scratch = folder / f".{split}.tmp"
    try:
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        rows = 0
        temporary: list[Path] = []
        groups = row_groups((_documented(frame, schema) for frame in frames), schema)
        for table in groups:
            path = scratch / f"{len(temporary):05d}.parquet"
            temporary.append(path)
            rows += _write_shard(path, table, groups, shard_bytes)
        paths = _publish(folder, split, temporary)
        return Shards(paths, rows, sum(path.stat().st_size for path in paths))
    except OSError as error:
        raise disk_error(error, folder) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def row_groups(tables: Iterable[pa.Table], schema: TableSchema) -> Iterator[pa.Table]:
    """Cut a stream of tables into row groups whose borders depend on the rows alone; at least one, maybe empty."""
    waiting: list[pa.Table] = []
    size = count = 0
    empty: pa.Table | None = None
    yielded = False
    for table in tables:
        empty = table.slice(0, 0) if empty is None else empty
        sizes = row_bytes(table)
        start = 0
        while start < table.num_rows:
            reach = size + np.cumsum(sizes[start : start + GROUP_ROWS - count])
            full = int(np.searchsorted(reach, GROUP_BYTES))
            taken = min(full + 1, len(reach))
            waiting.append(table.slice(start, taken))
            size, count, start = int(reach[taken - 1]), count + taken, start + taken
            if size >= GROUP_BYTES or count >= GROUP_ROWS:
                yield _join(waiting)
                waiting, size, count, yielded = [], 0, 0, True
    if waiting or not yielded:
        nothing = _documented(schema.empty(), schema) if empty is None else empty
        yield _join(waiting or [nothing])


def _write_shard(path: Path, first: pa.Table, rest: Iterator[pa.Table], shard_bytes: int) -> int:
    """Write row groups until the file is large enough; returns the rows written."""
    rows = 0
    with pa.OSFile(str(path), "wb") as sink:
        writer = pq.ParquetWriter(
            sink,
            first.schema,
            compression="zstd",
            compression_level=3,
            write_page_index=True,
            use_content_defined_chunking=True,
        )
        with writer:
            table: pa.Table | None = first
            while table is not None:
                if table.num_rows:  # `datasets` cannot read a row group without rows
                    writer.write_table(table, row_group_size=table.num_rows)
                rows += table.num_rows
                table = next(rest, None) if sink.tell() < shard_bytes else None
    with path.open("rb+") as handle:
        os.fsync(handle.fileno())
    return rows


def _publish(folder: Path, split: str, temporary: list[Path]) -> list[Path]:
    """Give complete shards their names, in place of the split's earlier ones."""
    for old in folder.glob(f"{split}-[0-9]*-of-[0-9]*.parquet"):
        old.unlink()
    names = [f"{split}-{i:05d}-of-{len(temporary):05d}.parquet" for i in range(len(temporary))]
    paths = [path.rename(folder / name) for path, name in zip(temporary, names, strict=True)]
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return paths


def _join(tables: list[pa.Table]) -> pa.Table:
    return pa.concat_tables(tables).combine_chunks()


def _documented(frame: pl.DataFrame | pa.Table, schema: TableSchema) -> pa.Table:
    """Declared columns in order and type, each with its doc, then the extra ones."""
    table = schema.conform(frame if isinstance(frame, pa.Table) else frame.to_arrow())
    docs = {column.name: {"doc": column.doc} for column in schema.columns}
    fields = [field.with_metadata(docs.get(field.name, {})) for field in table.schema]
    about = {"table": schema.name, "version": str(schema.version)}
    return pa.table(table.columns, schema=pa.schema(fields, metadata=about))


def row_bytes(table: pa.Table) -> Sizes:
    """Bytes of values in each row, shape (rows,): the same for equal rows, however the table is chunked or sliced.

    Nulls count nothing; lists count their items.
    """
    total = np.zeros(table.num_rows, dtype=np.int64)
    for column in table.columns:
        chunks = [_sizes(chunk) for chunk in column.chunks]
        total += np.concatenate(chunks) if chunks else 0
    return total


def _sizes(array: pa.Array) -> Sizes:
    kind = array.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind):
        return _numbers(pc.binary_length(array))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        items = np.concatenate([[0], np.cumsum(_sizes(array.flatten()))])
        ends = np.cumsum(_numbers(pc.list_value_length(array)))
        starts = np.concatenate([[0], ends[:-1]])
        return items[ends] - items[starts]
    if pa.types.is_struct(kind):
        fields = [_sizes(field) for field in array.flatten()]
        return np.sum(fields, axis=0, dtype=np.int64) if fields else np.zeros(len(array), dtype=np.int64)
    width = 0 if pa.types.is_null(kind) else max(getattr(kind, "bit_width", 8) // 8, 1)
    return np.where(array.is_valid().to_numpy(zero_copy_only=False), width, 0).astype(np.int64)


def _numbers(lengths: pa.Array) -> Sizes:
    filled = pc.fill_null(lengths, 0)
    return filled.to_numpy(zero_copy_only=False).astype(np.int64)
