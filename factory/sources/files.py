"""Rows from files: JSON Lines (plain, .gz, .zst), Parquet, folders and globs.

A line that cannot be read becomes a dropped row named `FILE:LINE`. A file that is absent or unreadable as a whole (such
as a broken archive) is the user's mistake and stops the reading.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import polars as pl

from factory.errors import UsageError, first_line
from factory.run.parts import count_rows, iter_part, reading
from factory.run.tables import dropped_rows
from factory.sources.columns import frame_of, stack
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
    """Read one file; the suffix says how.

    Args:
        path: the file.
        place: name of a column to add with each row's `FILE:LINE` (Parquet: row number from 1).

    Raises:
        UsageError: the file cannot be read at all.
    """
    with reading(path):
        if path.suffix == ".parquet":
            rows, numbers, dropped, there = *_numbered(pl.read_parquet(path)), no_drops(), count_rows([path])
        else:
            rows, numbers, dropped, there = _read_lines(path, _lines(path))
        if place is not None:
            rows = rows.with_columns(pl.Series(place, [f"{path}:{n}" for n in numbers], dtype=pl.String))
        return ReadResult(rows, dropped, there)


def read_blocks(path: Path, size: int = BLOCK_BYTES) -> Iterator[ReadResult]:
    """Read one file in blocks of about `size` bytes of text; each block chooses its columns' types by itself.

    Raises:
        UsageError: the file cannot be read at all.
    """
    with reading(path):
        if path.suffix == ".parquet":
            for rows in iter_part(path):
                yield ReadResult(rows, no_drops(), rows.height)
            return
        lines = _lines(path)
        while block := _take(lines, size):
            rows, _, dropped, there = _read_lines(path, block)
            yield ReadResult(rows, dropped, there)


def _take(lines: Iterator[tuple[int, bytes]], size: int) -> list[tuple[int, bytes]]:
    """The next lines, of `size` bytes or a little more together."""
    block: list[tuple[int, bytes]] = []
    for number, line in lines:
        block.append((number, line))
        size -= len(line)
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


def _numbered(rows: pl.DataFrame) -> tuple[pl.DataFrame, list[int]]:
    return rows, list(range(1, rows.height + 1))


def _read_lines(
    path: Path, lines: Iterable[tuple[int, bytes]]
) -> tuple[pl.DataFrame, list[int], pl.DataFrame, int]:
    """Rows, their line numbers, dropped lines, and how many lines held anything."""
    there = 0
    objects: list[dict[str, Any]] = []
    numbers: list[int] = []
    bad: list[tuple[str, str, str, str]] = []
    for number, line in lines:
        raw = line.rstrip(b"\r\n")
        if not raw.strip():
            continue
        there += 1
        value, reason, detail = _parse(raw)
        if value is None:
            bad.append((f"{path}:{number}", reason, detail, raw.decode("utf-8", "replace")))
        else:
            objects.append(value)
            numbers.append(number)
    return frame_of(objects), numbers, drop_lines(bad), there


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
        return None, "lone_surrogate", "holds half of a UTF-16 pair, which no text can hold"
    return value, "", ""


def _encodable(value: dict[str, Any]) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as handle:
        if path.suffix == ".gz":
            lines: Iterable[bytes] = gzip.GzipFile(fileobj=handle)
        elif path.suffix == ".zst":
            lines = _split_lines(_unzstd(handle))
        else:
            lines = handle
        for number, line in enumerate(lines, start=1):
            yield number, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line


def _unzstd(handle: IO[bytes]) -> Iterator[bytes]:
    """Chunks of a zstd file, several frames allowed; unlike `stream_reader`, a cut file is an error."""
    import zstandard

    frame, whole = zstandard.ZstdDecompressor().decompressobj(), True
    try:
        while data := handle.read(1 << 20):
            while data:
                yield frame.decompress(data)
                data, whole = frame.unused_data, frame.eof
                if whole:
                    frame = zstandard.ZstdDecompressor().decompressobj()
    except zstandard.ZstdError as error:
        raise OSError(str(error)) from error
    if not whole:
        raise EOFError("the file ends in the middle of a frame")


def _split_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
    if rest:
        yield rest


def _stack_dropped(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat(frames) if frames else no_drops()
