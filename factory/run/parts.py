"""Reading a step's folder: `part-*.parquet`, `dropped/part-*.parquet`, `_manifest.json`."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from factory.atomic import digest, file_digest, read_json
from factory.errors import FactoryError, UsageError, first_line

MANIFEST = "_manifest.json"
BATCH_BYTES = 32 * 2**20
"""Bytes of a part's columns, as Parquet counts them before compression, that are read at a time."""


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what is wrong with a whole file (absent, broken, cut, none of its kind) into what the user can do.

    Raises:
        UsageError: instead of what the readers of files raise.
    """
    try:
        yield
    except (OSError, EOFError, zlib.error, pl.exceptions.PolarsError, pa.ArrowException) as error:
        raise UsageError(
            f"cannot read {path}: {first_line(error)}", do="check that the file is whole"
        ) from error


def part_paths(folder: Path) -> list[Path]:
    """The parts of a step's folder, in order."""
    return sorted(folder.glob("part-*.parquet"))


def read_parts(folder: Path) -> pl.DataFrame:
    """All rows of a step's folder.

    Raises:
        UsageError: the folder holds no parts.
    """
    return scan_parts(folder).collect()


def scan_parts(folder: Path) -> pl.LazyFrame:
    """A lazy view of a step's rows, for what does not fit in memory."""
    paths = part_paths(folder)
    if not paths:
        raise UsageError(f"{folder} holds no part-*.parquet", do="run the step that writes it first")
    return pl.scan_parquet(paths, missing_columns="insert", extra_columns="ignore")


def iter_parts(folder: Path, rows: int = 10_000) -> Iterator[pl.DataFrame]:
    """Rows of a step's folder in batches of at most `rows`, in order, one batch in memory at a time."""
    for path in part_paths(folder):
        yield from iter_part(path, rows)


def iter_part(
    path: Path, rows: int = 10_000, columns: Collection[str] | None = None
) -> Iterator[pl.DataFrame]:
    """Rows of one part in order, in batches of at most `rows` and about `BATCH_BYTES`; at least one, maybe empty.

    `columns`: those to read, as far as the part has them; all when None.
    """
    with reading(path), pq.ParquetFile(path) as file:
        names = [name for name in file.schema_arrow.names if columns is None or name in columns]
        if file.metadata.num_rows == 0:
            yield pl.DataFrame(pl.from_arrow(file.schema_arrow.empty_table().select(names)))
        for batch in file.iter_batches(batch_rows(file.metadata, rows), columns=names):
            yield pl.DataFrame(pl.from_arrow(batch))


def batch_rows(metadata: pq.FileMetaData, most: int) -> int:
    """Rows of a file that are about `BATCH_BYTES`, at least one and at most `most`."""
    size = sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))
    return max(min(BATCH_BYTES * metadata.num_rows // max(size, 1), most), 1)


def count_rows(paths: Iterable[Path]) -> int:
    """Rows of Parquet files, from their footers."""
    return sum(_count(path) for path in paths)


def _count(path: Path) -> int:
    with reading(path):
        return int(pq.read_metadata(path).num_rows)


def read_dropped(folder: Path) -> pl.DataFrame | None:
    """The dropped table of a step's folder, or None when nothing was dropped."""
    return read_parts(folder / "dropped") if part_paths(folder / "dropped") else None


def check_parts(folder: Path) -> None:
    """Compare every part with its checksum in the manifest.

    Raises:
        FactoryError: a part is missing or its bytes differ; the message names it.
    """
    for name, expected in read_json(folder / MANIFEST)["files"].items():
        path = folder / name
        if not path.exists():
            raise FactoryError(f"{path} is missing", do="delete the folder and run the step again")
        if file_digest(path) != expected["sha256"]:
            raise FactoryError(
                f"{path} is corrupt (checksum differs)", do="delete the folder and run the step again"
            )


def finished(folder: Path, key: str) -> dict[str, Any] | None:
    """The manifest of a finished step with this key (`step_key`), or None when the step has to run."""
    path = folder / MANIFEST
    if not path.exists():
        return None
    manifest: dict[str, Any] = read_json(path)
    return manifest if manifest.get("key") == key else None


def input_digest(path: Path) -> str:
    """What a step's input is: the `output_digest` of a step's folder, or the SHA-256 of a file's bytes."""
    manifest = path / MANIFEST
    if manifest.exists():
        return str(read_json(manifest)["output_digest"])
    if path.is_dir():
        return digest([(p.name, file_digest(p)) for p in sorted(path.iterdir()) if p.is_file()])
    return file_digest(path)
