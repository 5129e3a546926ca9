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
from factory.run.parts import iter_part, reading
from factory.run.tables import arrow_table
from factory.sources.columns import as_text_column
from factory.sources.files import BLOCK_BYTES, Patterns, no_drops, read_blocks
from factory.sources.paths import expand

Kinds = dict[str, pl.DataType]
EMPTY_LISTS = pl.List(pl.Null())


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
    if all(path.suffix == ".parquet" for path in files) and len({_schema(path) for path in files}) == 1:
        return Staged(files, no_drops())
    folder.mkdir(parents=True, exist_ok=True)
    read = list(engine.map(partial(_read, folder.resolve(), size), list(enumerate(files))))
    parts = [part for each, _ in read for part in each]
    if not parts:
        _write(folder / "nothing.parquet", pl.DataFrame())
        parts = [(folder / "nothing.parquet", {})]
    kinds = _union([kinds for _, kinds in parts])
    stale = [path for path, found in parts if _written(found) != list(kinds.items())]
    list(engine.map(partial(_conform, kinds), stale))
    unread = pl.concat([no_drops(), *(pl.read_parquet(path) for _, path in read if path)])
    return Staged([path for path, _ in parts], unread)


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
    kinds = pl.DataFrame(pl.from_arrow(pq.read_schema(read.parts[0]).empty_table())).schema
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
        if kinds[field].is_nested() or kinds[field] in (pl.Binary, pl.Object):
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
            parts.append((target, _kinds(result.rows)))
    dropped = pl.concat([no_drops(), *unread])
    if dropped.height == 0:
        return parts, None
    dropped.write_parquet(folder / f"unread-{number:05d}.parquet")
    return parts, folder / f"unread-{number:05d}.parquet"


def _write(path: Path, rows: pl.DataFrame) -> None:
    file = PartFile(path)
    file.add(arrow_table(rows))
    file.close()


def _kinds(rows: pl.DataFrame) -> Kinds:
    """Type of every column; Null for one that holds nothing, a list of Null for one that holds empty lists."""
    return {name: _kind(rows[name]) for name in rows.columns}


def _written(kinds: Kinds) -> list[tuple[str, pl.DataType]]:
    """Columns and types as they lie in the file: text where nothing is known."""
    unknown = {pl.Null(): pl.String(), EMPTY_LISTS: pl.List(pl.String())}
    return [(name, unknown.get(kind, kind)) for name, kind in kinds.items()]


def _kind(column: pl.Series) -> pl.DataType:
    # Text is what JSON without a value is read as; a Parquet file's own types are its own.
    if column.dtype == pl.String and column.null_count() == column.len():
        return pl.Null()
    if column.dtype == pl.List(pl.String) and not column.list.len().sum():
        return EMPTY_LISTS
    return column.dtype


def _union(found: Sequence[Kinds]) -> Kinds:
    """One type a column: what all blocks agree on, the wider number, or text."""
    names = list(dict.fromkeys(name for kinds in found for name in kinds))
    return {name: _one({kinds[name] for kinds in found if name in kinds} - {pl.Null()}) for name in names}


def _one(kinds: set[pl.DataType]) -> pl.DataType:
    known = kinds - {EMPTY_LISTS}
    lists = [kind for kind in known if isinstance(kind, pl.List)]
    if EMPTY_LISTS in kinds and len(lists) == len(known):
        return _one(known) if known else pl.List(pl.String())
    if len(kinds) == 1:
        return next(iter(kinds))
    if kinds and all(kind.is_numeric() for kind in kinds):
        return pl.Float64() if any(kind.is_float() for kind in kinds) else pl.Int64()
    inner = {kind.inner for kind in lists}
    if lists and len(lists) == len(kinds) and all(kind.is_numeric() for kind in inner):
        return pl.List(_one({pl.Float64() if kind.is_float() else pl.Int64() for kind in inner}))
    return pl.String()


def _conform(kinds: Kinds, path: Path) -> None:
    """Write a part again with these columns and types."""
    file = PartFile(path)
    for rows in iter_part(path):
        columns = []
        for name, kind in kinds.items():
            column = rows[name] if name in rows.columns else pl.Series(name, [None] * rows.height)
            is_text = kind == pl.String and column.dtype not in (pl.String, pl.Null)
            columns.append(as_text_column(column) if is_text else column.cast(kind))
        file.add(arrow_table(pl.DataFrame(columns)))
    file.close()
