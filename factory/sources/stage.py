"""Files of any origin as Parquet parts of one schema, read block by block, so that no file has to fit in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from factory.engines.engine import Engine
from factory.errors import UsageError
from factory.run.part_file import PartFile
from factory.run.parts import count_rows, iter_part, reading
from factory.run.tables import arrow_table
from factory.sources.columns import Kinds, conform, holds_text, kinds_of, union, written
from factory.sources.files import BLOCK_BYTES, Patterns, no_drops, read_blocks
from factory.sources.formats import is_table
from factory.sources.paths import expand


@dataclass(frozen=True, slots=True)
class Staged:
    """Parts of one schema, in the order of the files, and the lines that could not be read (`schemas.DROPPED`)."""

    parts: list[Path]
    unread: pl.DataFrame


def stage(patterns: Patterns, folder: Path, engine: Engine, *, size: int = BLOCK_BYTES) -> Staged:
    """Parts that hold what the patterns name.

    Parquet files of one schema are parts as they are; everything else is read into parts in `folder`. Types follow
    `factory.sources.columns`, over all files. Text is read `size` bytes at a time.

    Raises:
        UsageError: a path matches nothing, or a file cannot be read at all.
    """
    files = expand(patterns)
    if all(map(_is_parquet, files)) and len({_schema(path) for path in files}) == 1:
        if not count_rows(files):
            raise UsageError(f"{', '.join(map(str, files[:3]))} holds no rows")
        return Staged(files, no_drops())
    folder.mkdir(parents=True, exist_ok=True)
    read = list(engine.map(partial(_read, folder.resolve(), size), list(enumerate(files))))
    parts = [part for each, _ in read for part in each]
    if not parts:
        _write(folder / "nothing.parquet", pl.DataFrame())
        parts = [(folder / "nothing.parquet", {})]
    kinds = union([kinds for _, kinds in parts])
    stale = [path for path, found in parts if written(found) != list(kinds.items())]
    list(engine.map(partial(_conform, kinds), stale))
    unread = pl.concat([no_drops(), *(pl.read_parquet(path) for _, path in read if path)])
    return Staged([path for path, _ in parts], unread)


def _is_parquet(path: Path) -> bool:
    with reading(path):
        return path.suffix == ".parquet" and is_table(path)


def _schema(path: Path) -> str:
    """A Parquet file's columns and types."""
    with reading(path):
        return str(pq.read_schema(path).remove_metadata())


def require_text(read: Staged, fields: Sequence[str], purpose: str, where: str = "the input") -> None:
    """Check that columns to compare by are there and can be read as text.

    Args:
        read: what was read.
        fields: the columns.
        purpose: ends the sentence "no column FIELD ...".
        where: what the files are to the user.

    Raises:
        UsageError: one is missing, or holds lists, objects or bytes; or nothing could be read.
    """
    kinds = pl.read_parquet_schema(read.parts[0])
    if not kinds:
        bad = read.unread.height
        what = f"no line of {where} can be read, of {bad:,}" if bad else f"{where} holds no rows"
        first = f"the first is {read.unread['row_id'][0]}: {read.unread['detail'][0]}" if bad else None
        raise UsageError(what, do=first)
    for field in fields:
        if field not in kinds:
            raise UsageError(
                f"no column {field} {purpose}", do=f"choose one with --field: {', '.join(kinds)}"
            )
        if not holds_text(kinds[field]):
            raise UsageError(
                f"column {field} holds {kinds[field]}, no text", do="choose another with --field"
            )


def _read(folder: Path, size: int, item: tuple[int, Path]) -> tuple[list[tuple[Path, Kinds]], Path | None]:
    """One file into numbered parts; what they hold, and where the unreadable lines are."""
    number, path = item
    parts, unread = [], []
    for block, result in enumerate(read_blocks(path, size)):
        unread.append(result.dropped)
        if result.rows.height:
            target = folder / f"read-{number:05d}-{block:05d}.parquet"
            _write(target, result.rows)
            parts.append((target, kinds_of(result.rows)))
    dropped = pl.concat([no_drops(), *unread])
    if dropped.height == 0:
        return parts, None
    dropped.write_parquet(folder / f"unread-{number:05d}.parquet")
    return parts, folder / f"unread-{number:05d}.parquet"


def _write(path: Path, rows: pl.DataFrame) -> None:
    file = PartFile(path)
    file.add(arrow_table(rows))
    file.close()


def _conform(kinds: Kinds, path: Path) -> None:
    """Write a part again with these columns and types."""
    file = PartFile(path)
    for rows in iter_part(path):
        file.add(arrow_table(conform(rows, kinds)))
    file.close()
