"""One Parquet file of a step, written row group by row group, so that its size does not decide the memory it takes."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from factory.atomic import atomic_path
from schemas import TableSchema

GROUP_ROWS = 10_000
GROUP_BYTES = 16 * 2**20
"""Rows or Arrow bytes at which a row group is written. Readers go group by group, too."""


class PartFile:
    """A file that is whole at its path after `close`, or absent. Equal rows added alike give equal bytes."""

    def __init__(self, path: Path, schema: TableSchema | None = None) -> None:
        """`schema` puts its columns first and adds absent ones as nulls; None takes tables as they are."""
        self.path, self.schema = path, schema
        self.rows = self.bytes = 0
        self._waiting: list[pa.Table] = []
        self._waiting_rows = self._waiting_bytes = 0
        self._scope = ExitStack()
        self._writer: pq.ParquetWriter | None = None

    def add(self, table: pa.Table) -> None:
        """Append rows."""
        if self.schema is not None:
            table = self.schema.conform(table)
        if table.num_rows == 0 and (self._waiting or self._writer):
            return
        self._waiting.append(table)
        self.rows, self.bytes = self.rows + table.num_rows, self.bytes + table.nbytes
        self._waiting_rows += table.num_rows
        self._waiting_bytes += table.nbytes
        if self._waiting_rows >= GROUP_ROWS or self._waiting_bytes >= GROUP_BYTES:
            self._flush()

    def fits(self, table: pa.Table) -> bool:
        """Whether the rows can go into this file: its columns are settled once the first row group is written."""
        if self._writer is None:
            return True
        table = self.schema.conform(table) if self.schema else table
        try:
            return bool(pa.unify_schemas([self._writer.schema, table.schema]) == self._writer.schema)
        except pa.ArrowException:
            return False

    def close(self) -> Path:
        """Write the rest and put the file in place.

        Raises:
            UsageError: the folder cannot be written.
            Stopped: the disk is full.
        """
        if self._waiting or self._writer is None:
            self._flush()
        self._scope.close()
        return self.path

    def abandon(self) -> None:
        """Remove what was written, unless the file is in place."""
        with suppress(_Abandoned), self._scope:
            raise _Abandoned

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        self._waiting_rows = self._waiting_bytes = 0
        if self._writer is None:
            nothing = [] if waiting else [self.schema.empty() if self.schema else pa.table({})]
            table = pa.concat_tables([*waiting, *nothing], promote_options="default")
            temporary = self._scope.enter_context(atomic_path(self.path))
            self._writer = pq.ParquetWriter(
                temporary, table.schema, compression="zstd", compression_level=3, write_page_index=True
            )
            self._scope.callback(self._writer.close)
        else:
            table = pa.concat_tables(
                [self._writer.schema.empty_table(), *waiting], promote_options="default"
            ).select(self._writer.schema.names)
        if table.num_rows:  # `datasets` cannot read a row group without rows
            self._writer.write_table(table, row_group_size=rows_each(table, GROUP_ROWS, GROUP_BYTES))


def rows_each(table: pa.Table, rows: int, size: int) -> int:
    """Rows of a table's slices that hold about equally many, at most `rows` and about `size` Arrow bytes each."""
    slices = max(-(-table.num_rows // rows), -(-table.nbytes // size), 1)
    return max(1, -(-table.num_rows // slices))


class _Abandoned(Exception):
    """Ends the scope of the temporary file without keeping it."""
