"""Rows from files, folders and globs, in any format of `factory.sources.formats`.

A line that cannot be read becomes a dropped row named `FILE:LINE`. A file that is absent or unreadable as a whole (such
as a broken archive) is the user's mistake and stops the reading.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from factory.errors import UsageError, first_line
from factory.run.parts import reading
from factory.run.tables import dropped_rows
from factory.sources.columns import frame_of, stack
from factory.sources.formats import Record, is_table, records, tables
from factory.sources.paths import expand

STEP = "read"
BLOCK_BYTES = 32 * 2**20
"""Bytes of text that `read_blocks` holds at a time."""
Patterns = str | Path | Sequence[str | Path]


@dataclass(frozen=True, slots=True)
class ReadResult:
    """What was read (`rows`), what could not be (`dropped`, a `schemas.DROPPED` table), and the rows there were."""

    rows: pl.DataFrame
    dropped: pl.DataFrame
    rows_in: int


def read_rows(patterns: Patterns) -> ReadResult:
    """Read every file that the patterns name, in order, as one table.

    Args:
        patterns: files, folders and globs. A step's folder stands for its `part-*.parquet` (never `dropped/`),
            another folder for the data files directly in it.

    Returns:
        Columns are the union over files. Types follow `factory.sources.columns`.

    Raises:
        UsageError: a path matches nothing, or a file cannot be read at all.
    """
    return join([read_file(path) for path in expand(patterns)])


def join(results: Sequence[ReadResult]) -> ReadResult:
    """Results below each other."""
    rows, dropped = stack([r.rows for r in results]), _stack_dropped([r.dropped for r in results])
    return ReadResult(rows, dropped, sum(r.rows_in for r in results))


def read_file(path: Path, *, place: str | None = None) -> ReadResult:
    """Read one file; its content says how (CSV: its name).

    Args:
        path: the file.
        place: name of a column to add with each row's `FILE:LINE` (in tables the row number from 1).

    Raises:
        UsageError: the file cannot be read at all.
    """
    return join(list(read_blocks(path, sys.maxsize, place=place)))


def read_blocks(path: Path, size: int = BLOCK_BYTES, *, place: str | None = None) -> Iterator[ReadResult]:
    """Read one file in blocks of about `size` bytes of text; each block chooses its columns' types by itself.

    Raises:
        UsageError: the file cannot be read at all.
    """
    with reading(path):
        if is_table(path):
            start = 1
            for rows in tables(path, size):
                numbers = range(start, start + rows.height)
                yield ReadResult(_placed(rows, path, numbers, place), no_drops(), rows.height)
                start += rows.height
            return
        found = records(path)
        while block := _take(found, size):
            objects, places, dropped = _read_records(path, block)
            yield ReadResult(
                _placed(frame_of(objects), path, places, place), dropped, len(objects) + dropped.height
            )


def _placed(rows: pl.DataFrame, path: Path, numbers: Iterable[int], place: str | None) -> pl.DataFrame:
    if place is None:
        return rows
    return rows.with_columns(pl.Series(place, [f"{path}:{n}" for n in numbers], dtype=pl.String))


def _take(found: Iterator[Record], size: int) -> list[Record]:
    """The next records, of `size` bytes or a little more together."""
    block: list[Record] = []
    for record in found:
        block.append(record)
        size -= record.size
        if size <= 0:
            break
    return block


def require_columns(rows: pl.DataFrame, names: Sequence[str], where: object) -> None:
    """Check that columns are there.

    Raises:
        UsageError: one is missing; says which columns there are.
    """
    missing = [name for name in names if name not in rows.columns]
    if missing:
        named = [name for name in rows.columns if not name.startswith("_")]
        there = ", ".join(named) if named else "none, it holds no rows"
        raise UsageError(f"{where} has no column {', '.join(missing)} (columns there: {there})")


def no_drops() -> pl.DataFrame:
    """An empty `schemas.DROPPED` table."""
    return drop_lines([])


def drop_lines(bad: Sequence[tuple[str, str, str, str]]) -> pl.DataFrame:
    """Dropped rows for unreadable input.

    Args:
        bad: (`FILE:LINE`, reason, detail, raw text) each.
    """
    kind = dict.fromkeys(("id", "reason", "detail", "raw"), pl.String)
    rows = pl.DataFrame(list(bad), schema=kind, orient="row")
    dropped = dropped_rows(rows, step=STEP, reason=pl.col("reason"), detail=pl.col("detail"))
    whole = [json.dumps({"raw": raw}, ensure_ascii=False) for raw in rows["raw"]]
    return dropped.with_columns(
        problem_id=pl.lit(None, dtype=pl.String), row=pl.Series("row", whole, dtype=pl.String)
    )


def _read_records(
    path: Path, found: Iterable[Record]
) -> tuple[list[dict[str, Any]], list[int], pl.DataFrame]:
    """Rows, their numbers in the file, and dropped lines."""
    objects: list[dict[str, Any]] = []
    numbers: list[int] = []
    bad: list[tuple[str, str, str, str]] = []
    for record in found:
        value, reason, detail = record.value, record.reason, record.detail
        if value is None and not reason:
            value, reason, detail = _parse(record.raw)
        elif value is not None and not _encodable(value):
            value, reason, detail = None, *_SURROGATE
        if value is None:
            bad.append((f"{path}:{record.number}", reason, detail, record.raw.decode("utf-8", "replace")))
        else:
            objects.append(value)
            numbers.append(record.number)
    return objects, numbers, drop_lines(bad)


_SURROGATE = ("lone_surrogate", "holds half of a UTF-16 pair, which no text can hold")


def _parse(raw: bytes) -> tuple[dict[str, Any] | None, str, str]:
    try:
        value = json.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        return None, "not_utf8", f"byte {error.start} is not UTF-8"
    except json.JSONDecodeError as error:
        return None, "malformed_json", f"{error.msg} at column {error.colno}"
    except (ValueError, RecursionError) as error:
        return None, "malformed_json", first_line(error)
    if not isinstance(value, dict):
        return None, "not_an_object", f"a row is a JSON object, this is a {type(value).__name__}"
    if b"\\u" in raw and not _encodable(value):
        return None, *_SURROGATE
    return value, "", ""


def _encodable(value: dict[str, Any]) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _stack_dropped(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat(frames) if frames else no_drops()
