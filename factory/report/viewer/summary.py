"""What each column of a table holds: from all rows of a small table, from stretches of rows spread over a big one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from factory.report.viewer.search import text_bytes
from factory.report.viewer.sheet import Sheet

ROWS, BYTES = 100_000, 2**28
"""Most rows, and most bytes of rows, that a summary is made from."""
STRETCHES = 20
"""Stretches in which the rows of a big table are taken."""
MOST_VALUES, FEW, CELL, BINS = 8, 50, 200, 24
"""Values that are named, of columns with at most `FEW`; characters of one; ranges of a histogram."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column's summary.

    `low`, `middle`, `mean`, `high` are of the finite numbers, or of the characters of texts; dates and times have `low` and
    `high`. `distinct` is None for nested columns.
    """

    name: str
    kind: str
    nulls: int
    distinct: int | None
    low: Any
    middle: float | None
    mean: float | None
    high: Any
    not_finite: int
    values: list[tuple[str, int]]
    bins: list[int]


def columns(sheet: Sheet) -> tuple[list[Column], int]:
    """A summary of every column, and the number of rows that it is from: all, or as many as `ROWS` and `BYTES` allow."""
    most = min(ROWS, BYTES * sheet.rows // max(text_bytes(sheet.parts), 1) + STRETCHES)
    taken = [pl.scan_parquet(part).slice(first, count) for part, first, count in _stretches(sheet, most)]
    scan = pl.concat(taken, how="diagonal_relaxed")
    schema = scan.collect_schema()
    plain = [name for name, kind in schema.items() if not kind.is_nested()]
    sizes = {name: size for name in plain if (size := _size(name, schema[name])) is not None}
    frame = scan.select(
        *(pl.col(name).is_null().alias(f"null {name}") for name in schema),
        *(pl.col(name).hash().alias(f"hash {name}") for name in plain),
        *(size.alias(f"size {name}") for name, size in sizes.items()),
    ).collect(engine="streaming")
    nulls = {name: int(frame[f"null {name}"].sum()) for name in schema}
    distinct = {name: frame[f"hash {name}"].n_unique() - (nulls[name] > 0) for name in plain}
    named = [
        name
        for name in plain
        if (_is_text(schema[name]) or schema[name] == pl.Boolean) and 0 < distinct[name] <= FEW
    ]
    values = _values(scan, named)
    found = []
    for name, kind in sheet.columns:
        if name in schema:
            low, middle, mean, high, odd, bins = _measured(frame[f"size {name}"] if name in sizes else None)
            bins = [] if name in values else bins
            column = Column(
                name,
                kind,
                nulls[name],
                distinct.get(name),
                low,
                middle,
                mean,
                high,
                odd,
                values.get(name, []),
                bins,
            )
            found.append(column)
    return found, frame.height


def _stretches(sheet: Sheet, most: int) -> Iterator[tuple[Path, int, int]]:
    """Parts, with the first row and the number of rows to take of each, so that at most `most` are taken in all."""
    wanted = [(0, sheet.rows)]
    if sheet.rows > most:
        wanted = [(number * sheet.rows // STRETCHES, most // STRETCHES) for number in range(STRETCHES)]
    for begin, count in wanted:
        for part, start, length in zip(sheet.parts, sheet.starts, sheet.lengths, strict=True):
            first, end = max(begin, start), min(begin + count, start + length)
            if first < end or not sheet.rows:
                yield part, first - start, end - first


def _is_text(kind: pl.DataType) -> bool:
    return isinstance(kind, pl.String | pl.Categorical | pl.Enum)


def _size(name: str, kind: pl.DataType) -> pl.Expr | None:
    """What is measured of a column: a number itself, the characters of a text, a date or time itself."""
    column = pl.col(name)
    if _is_text(kind):
        return column.cast(pl.String).str.len_chars()
    if kind.is_numeric():
        return column.cast(pl.Float64)
    return column if kind.is_temporal() else None


def _measured(sizes: pl.Series | None) -> tuple[Any, float | None, float | None, Any, int, list[int]]:
    """Least, median, mean and greatest of the finite values, how many are not finite, and the histogram."""
    if sizes is None or (sizes := sizes.drop_nulls()).is_empty():
        return None, None, None, None, 0, []
    if sizes.dtype.is_temporal():
        return str(sizes.min()), None, None, str(sizes.max()), 0, []
    numbers = sizes.cast(pl.Float64).to_numpy()
    finite = numbers[np.isfinite(numbers)]
    odd = numbers.size - finite.size
    if not finite.size:
        return None, None, None, None, odd, []
    low, high = float(finite.min()), float(finite.max())
    plotted = low < high and np.isfinite(high - low)
    bins = np.histogram(finite, BINS, (low, high))[0].tolist() if plotted else []
    with np.errstate(over="ignore"):
        mean = float(finite.mean())
    return low, float(np.median(finite)), mean if np.isfinite(mean) else None, high, odd, bins


def _values(scan: pl.LazyFrame, names: Sequence[str]) -> dict[str, list[tuple[str, int]]]:
    """The commonest values of some columns with their counts."""
    cells = [pl.col(name).cast(pl.String).str.slice(0, CELL).drop_nulls().alias("value") for name in names]
    counts = [
        scan.select(cell)
        .group_by("value")
        .len()
        .sort(["len", "value"], descending=[True, False])
        .head(MOST_VALUES)
        for cell in cells
    ]
    found = pl.collect_all(counts, engine="streaming")
    return {name: frame.rows() for name, frame in zip(names, found, strict=True)}
