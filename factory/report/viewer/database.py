"""DuckDB over the Parquet parts of a run, read-only.

It may read nothing outside the run folder, load no extension and change no setting. Column names come only from the tables
themselves and are quoted; values are always bound parameters.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from factory.errors import UsageError
from factory.report.viewer.query import literal

SETTINGS = (
    "enable_external_access = false",
    "autoinstall_known_extensions = false",
    "autoload_known_extensions = false",
    "enable_progress_bar = false",
    "parquet_metadata_cache = true",
    "lock_configuration = true",
)

RESERVED = frozenset({"file_index", "file_row_number", "_factory_part", "_factory_row"})
"""Columns that a table may not have, in lower case: they would hide those by which rows are found."""


class Database:
    """Safe to use from several threads: each query has its own cursor."""

    def __init__(self, folder: Path) -> None:
        """`folder` is all that may be read."""
        import duckdb

        self._database = duckdb.connect(":memory:")
        self._database.execute(f"SET allowed_directories = [{literal(str(folder.resolve()) + '/')}]")
        for setting in SETTINGS:
            self._database.execute(f"SET {setting}")
        self._lock = threading.Lock()

    def run(
        self, sql: str, values: Sequence[Any] = (), matches: pl.DataFrame | None = None
    ) -> list[tuple[Any, ...]]:
        """Rows of a query; `matches` is a table that it may name.

        Raises:
            UsageError: a value does not fit its column, or a part has changed.
        """
        import duckdb

        with self._lock:
            cursor = self._database.cursor()
        try:
            if matches is not None:
                cursor.register("matches", matches.to_arrow())
            return cursor.execute(sql, list(values)).fetchall()
        except duckdb.ConversionException as error:
            raise UsageError("a filter's value does not fit its column") from error
        except duckdb.IOException as error:
            raise UsageError(
                "a file of this table changed while it was read", do="reload the page"
            ) from error
        except (duckdb.DataError, duckdb.NotSupportedError, duckdb.BinderException) as error:
            first = str(error).partition("\n")[0][:300]
            raise UsageError(f"the viewer's database cannot answer this: {first}") from error
        finally:
            cursor.close()

    def close(self) -> None:
        """Let the memory go."""
        self._database.close()


def source(parts: Sequence[Path]) -> str:
    """Parts as one table in SQL, with `_factory_part`, the number of the part, and `_factory_row`, the row in it."""
    files = ", ".join(literal(str(path.resolve())) for path in parts)
    return (
        f"(SELECT *, file_index AS _factory_part, file_row_number AS _factory_row FROM read_parquet([{files}], "
        "union_by_name = true))"
    )
