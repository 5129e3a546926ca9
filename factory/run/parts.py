"""A step's folder: its rows, its side tables, its manifest, and whether its files are those that the manifest names.

    part-00000.parquet ...   the rows that the step kept
    _manifest.json           what it was made of, what it holds (written last)
    __dropped/part-*.parquet rows that the step dropped, with reasons (`schemas.DROPPED`)
    __side/*                 side tables: hits, gold audit, lint ...

Polars and DuckDB (`DIR/*.parquet`), PyArrow (`read_table(DIR)`) and `datasets` (`load_dataset(DIR)`) all pass over
folders whose names start with two underscores, so they read exactly the kept rows.
"""

from __future__ import annotations

import resource
import sys
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

import factory
from factory.atomic import digest, file_digest, read_json, write_json
from factory.errors import FactoryError, UsageError, first_line
from schemas import TableSchema

MANIFEST = "_manifest.json"
DROPPED_FOLDER = "__dropped"
SIDE_FOLDER = "__side"
JOB = "_job.json"
"""Among the side tables: under which name the store keeps the account of the step's budget."""
DROPPED_NAMES = (DROPPED_FOLDER, "dropped")
"""The second is what former versions called it."""
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


def require_parts(folder: Path) -> list[Path]:
    """The parts of a step's folder, in order.

    Raises:
        UsageError: there are none.
    """
    if not (paths := part_paths(folder)):
        raise UsageError(f"{folder} holds no part-*.parquet", do="run the step that writes it first")
    return paths


def read_parts(folder: Path) -> pl.DataFrame:
    """All rows of a step's folder.

    Raises:
        UsageError: the folder holds no parts.
    """
    return scan_parts(folder).collect()


def scan_parts(folder: Path) -> pl.LazyFrame:
    """A lazy view of a step's rows, for what does not fit in memory."""
    return pl.scan_parquet(require_parts(folder), missing_columns="insert", extra_columns="ignore")


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
    return max(min(BATCH_BYTES * metadata.num_rows // max(unpacked_bytes(metadata), 1), most), 1)


def unpacked_bytes(metadata: pq.FileMetaData) -> int:
    """Bytes of a file's columns before compression; text that repeats is counted once where it is stored once."""
    return sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))


def count_rows(paths: Iterable[Path]) -> int:
    """Rows of Parquet files, from their footers."""
    return sum(_count(path) for path in paths)


def _count(path: Path) -> int:
    with reading(path):
        return int(pq.read_metadata(path).num_rows)


def dropped_folder(folder: Path) -> Path:
    """Where a step's dropped rows lie; `dropped/` in folders of former versions."""
    former = folder / "dropped"
    return (
        former if part_paths(former) and not (folder / DROPPED_FOLDER).exists() else folder / DROPPED_FOLDER
    )


def read_dropped(folder: Path) -> pl.DataFrame | None:
    """The dropped table of a step's folder, or None when nothing was dropped."""
    where = dropped_folder(folder)
    return read_parts(where) if part_paths(where) else None


def side_path(folder: Path, name: str) -> Path:
    """Where a step's side table of this name lies; beside the parts in folders of former versions."""
    former = folder / name
    return former if former.exists() else folder / SIDE_FOLDER / name


def note_path(folder: Path, name: str) -> Path:
    """Where a note that outlives the step's output lies, among the side tables; one of a former version is moved there."""
    former, path = folder / name, folder / SIDE_FOLDER / name
    if former.exists() and not path.exists():
        path.parent.mkdir(exist_ok=True)
        former.replace(path)
    return path


def default_store(out: Path) -> Path:
    """Where a verb keeps the responses of its output folder; `store/` in folders of former versions."""
    former = out / "store"
    return former if former.is_dir() else out / "__store"


def check_parts(folder: Path) -> None:
    """Compare every file with the manifest by size and checksum.

    Raises:
        FactoryError: a file is missing, is not the one that was written, or is one too many; the message names it.
    """
    _compare(folder, read_json(folder / MANIFEST), every_byte=True)


def check_files(folder: Path) -> None:
    """The same by sizes; checksums only of files that were written after the manifest.

    Raises:
        FactoryError: as `check_parts`.
    """
    _compare(folder, read_json(folder / MANIFEST), every_byte=False)


def _compare(folder: Path, manifest: dict[str, Any], *, every_byte: bool) -> None:
    """Sizes always; digests when asked for, or when a file was written after the manifest."""
    do = f"put it back, or delete {folder} and run its step again"
    files, sealed = manifest["files"], (folder / MANIFEST).stat().st_mtime_ns
    for name, expected in files.items():
        path = folder / name
        try:
            found = path.stat()
        except OSError:
            raise FactoryError(f"{path} is missing", do=do) from None
        if found.st_size != expected["bytes"]:
            raise FactoryError(
                f"{path} is corrupt (it has {found.st_size:,} bytes, not {expected['bytes']:,})", do=do
            )
        if (every_byte or found.st_mtime_ns > sealed) and file_digest(path) != expected["sha256"]:
            raise FactoryError(f"{path} is corrupt (checksum differs)", do=do)
    for path in sorted(folder.glob("*-[0-9]*.parquet")):
        if path.name not in files:
            raise FactoryError(
                f"{path} was not written by step {manifest.get('step')}", do=f"move it out of {folder}"
            )


def finished(folder: Path, key: str) -> dict[str, Any] | None:
    """The manifest of a finished step with this key, or None when the step has to run.

    Raises:
        FactoryError: the step is finished, but one of its files is missing or changed.
    """
    path = folder / MANIFEST
    if not path.exists():
        return None
    manifest: dict[str, Any] = read_json(path)
    if not isinstance(manifest, dict):
        raise UsageError(f"{path} is no manifest", do=f"delete {folder} and run its step again")
    if manifest.get("key") != key:
        return None
    _compare(folder, manifest, every_byte=False)
    return manifest


def input_digest(path: Path) -> str:
    """What a step's input is: the `output_digest` of a step's folder, or the SHA-256 of a file's bytes.

    Raises:
        FactoryError: a file of the step's folder is missing or changed.
    """
    if (path / MANIFEST).exists():
        manifest = read_json(path / MANIFEST)
        _compare(path, manifest, every_byte=False)
        return str(manifest["output_digest"])
    if path.is_dir():
        return digest([(p.name, file_digest(p)) for p in sorted(path.iterdir()) if p.is_file()])
    return file_digest(path)


def finish_step(
    out: Path,
    step: str,
    key: str,
    *,
    settings: Mapping[str, Any],
    inputs: Mapping[str, str],
    read: Mapping[str, int],
    rows_out: int,
    dropped: Mapping[str, int],
    totals: Mapping[str, Any],
    files: Mapping[str, Mapping[str, Any]],
    output_digest: str,
    schema: TableSchema | None = None,
    unit: str = "rows",
    seconds: float | None = None,
    session: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write the manifest of files that are in place and rows that balance: from now on the step is finished.

    `seconds` is how long this attempt took; `memory_gib` is the most memory that this process or a worker of it has held
    so far; `session` is what was asked and got (`factory.sampling.session`). They and `finished_at` say nothing of the output.
    """
    lost = sum(dropped.values())
    manifest = {
        "step": step,
        "schema": {"name": schema.name, "version": schema.version} if schema else None,
        "factory_version": factory.__version__,
        "key": key,
        "settings": dict(settings),
        "inputs": dict(inputs),
        "read": dict(sorted(read.items())),
        "unit": unit,
        "rows_in": rows_out + lost,
        "rows_out": rows_out,
        "rows_dropped": lost,
        "dropped": dict(sorted(dropped.items())),
        "totals": dict(totals),
        "files": dict(sorted(files.items())),
        "output_digest": output_digest,
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": None if seconds is None else round(seconds, 3),
        "memory_gib": peak_memory(),
        **({"session": dict(session)} if session is not None else {}),
    }
    write_json(out / MANIFEST, manifest, seal=True)
    return manifest


def peak_memory() -> float:
    """The most memory (GiB resident) that this process or one of its finished workers has held so far."""
    most = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return round(most * (1 if sys.platform == "darwin" else 1024) / 2**30, 3)


def step_key(step: str, settings: Mapping[str, Any], inputs: Mapping[str, str]) -> str:
    """The identity of a step's output: a finished folder with this key need not be made again."""
    return digest({"step": step, "settings": settings, "inputs": inputs, "factory": factory.__version__})
