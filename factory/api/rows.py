"""What the functions take as rows, brought to files: paths, frames, tables, datasets, lists of dicts, results."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from factory.api.result import Result
from factory.atomic import digest, file_digest
from factory.errors import UsageError

Rows = Any
"""A path, a glob or a list of them; a polars frame (lazy too), an Arrow table, a pandas frame or a Dataset of
`datasets`; a list of dicts; a `Result`."""

CACHE = Path(".factory")
"""Where results go that are given no folder: the same call finds its result there again."""


def to_paths(rows: Rows, cache: Path) -> list[str]:
    """Where rows lie; those in memory are written below `cache`, under a name made of their content.

    Raises:
        UsageError: they are nothing that can be read.
    """
    if isinstance(rows, Result):
        return [str(rows.folder)]
    if isinstance(rows, str | Path):
        return [str(rows)]
    if isinstance(rows, Sequence) and rows and all(isinstance(each, str | Path) for each in rows):
        return [str(each) for each in rows]
    folder = cache / "given"
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{os.urandom(4).hex()}.tmp"
    try:
        to_frame(rows).write_parquet(temporary)
        path = temporary.replace(folder / f"rows-{file_digest(temporary)[:16]}.parquet")
    finally:
        temporary.unlink(missing_ok=True)
    return [str(path)]


def to_frame(rows: Rows) -> pl.DataFrame:
    """Rows in memory as a polars frame.

    Raises:
        UsageError: they are nothing that is known, or no rows.
    """
    if isinstance(rows, pl.LazyFrame):
        rows = rows.collect()
    if hasattr(rows, "data") and isinstance(getattr(rows.data, "table", None), pa.Table):  # datasets.Dataset
        rows = rows.with_format("arrow")[:]
    if isinstance(rows, pl.DataFrame):
        frame = rows
    elif isinstance(rows, pa.Table | pa.RecordBatch):
        frame = pl.DataFrame(pl.from_arrow(rows))
    elif isinstance(rows, Sequence) and all(isinstance(each, dict) for each in rows):
        frame = pl.DataFrame(list(rows), infer_schema_length=None, strict=False)
    elif hasattr(rows, "columns") and hasattr(rows, "to_parquet"):  # pandas
        frame = pl.from_pandas(rows)
    else:
        raise UsageError(
            f"cannot take rows from {type(rows).__name__}",
            do="give a path, a polars or pandas frame, an Arrow table, a Dataset, or a list of dicts",
        )
    if frame.height == 0:
        raise UsageError("there are no rows", do="give at least one")
    return frame


def folder_of(verb: str, out: str | Path | None, *what: Any) -> Path:
    """The folder that a result goes to: `out`, or one below `CACHE` that the same call finds again."""
    return Path(out) if out is not None else CACHE / f"{verb}-{digest([str(each) for each in what])[:12]}"
