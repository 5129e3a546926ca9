"""How many bytes of values each row holds: the same for equal rows, however the table is chunked or sliced."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Sizes = npt.NDArray[np.int64]


def row_bytes(table: pa.Table) -> Sizes:
    """Bytes of text and numbers in each row, shape (rows,). Nulls count nothing; lists count their items."""
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
