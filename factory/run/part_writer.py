"""One part of a step as a worker writes it, and its books: what the driver needs to close the step.

A part's files lie in the step's workshop, a folder named by the step's key, until the step is whole. The books come
last, so a part whose books are there is done, also for a run that is started again; and a worker that outlives its run
can only write the same bytes again, or into a workshop that nobody reads.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from factory.atomic import atomic_path, read_json, write_json
from factory.errors import FactoryError
from factory.run.part_file import PartFile
from factory.run.writer import arrow_table, content_digest, file_facts
from schemas import DROPPED, TableSchema


@dataclass(frozen=True, slots=True)
class PartBooks:
    """The books of one part.

    `files` has `kept` and, if anything was dropped, `dropped`; `content` is the digest of what was kept; `notes` are
    what the step's work returned.
    """

    number: int
    rows_in: int
    rows_out: int
    dropped: dict[str, int]
    content: str
    files: dict[str, dict[str, Any]]
    notes: dict[str, Any]


class PartWriter:
    """Collects what one part of a step keeps and drops, and tables beside it. Use as a context manager."""

    def __init__(self, workshop: Path, number: int, schema: TableSchema | None) -> None:
        """Files go to `workshop` under `number`, the part's place in the step."""
        self.workshop, self.number = workshop, number
        self.reasons: Counter[str] = Counter()
        self._kept = PartFile(named(workshop, "kept", number), schema)
        self._dropped = PartFile(named(workshop, "dropped", number), DROPPED)

    def __enter__(self) -> PartWriter:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Remove files that are not whole."""
        self._kept.abandon()
        self._dropped.abandon()

    def keep(self, rows: pl.DataFrame | pa.Table) -> None:
        """Add rows to the part, in order.

        Raises:
            FactoryError: they have other columns than the rows before them.
        """
        table = arrow_table(rows)
        if not self._kept.fits(table):
            raise FactoryError(
                f"part {self.number} of {self.workshop.parent} changes its columns midway",
                do="this is a defect of the factory; keep the folder and report it",
            )
        self._kept.add(table)

    def drop(self, rows: pl.DataFrame | pa.Table) -> None:
        """Add rows of `schemas.DROPPED`; see `dropped_rows`."""
        table = arrow_table(rows)
        if table.num_rows:
            self.reasons.update(table.column("reason").to_pylist())
            self._dropped.add(table)

    @property
    def rows(self) -> int:
        """Rows kept and dropped so far."""
        return self._kept.rows + self._dropped.rows

    def aside(self, name: str, rows: pl.DataFrame) -> None:
        """Write a table for the driver, which finds it by `named(workshop, name, number)`."""
        with atomic_path(named(self.workshop, name, self.number)) as temporary:
            rows.write_parquet(temporary)

    def finish(self, rows_in: int, notes: dict[str, Any]) -> PartBooks:
        """Put the files in place, and the books after them. `notes` must be JSON."""
        files = {"kept": self._kept.close()}
        if self._dropped.rows:
            files["dropped"] = self._dropped.close()
        books = PartBooks(
            self.number,
            rows_in,
            self._kept.rows,
            dict(sorted(self.reasons.items())),
            content_digest(files["kept"]),
            {name: file_facts(path) for name, path in files.items()},
            notes,
        )
        write_json(_books(self.workshop, self.number), asdict(books))
        return books


def read_books(workshop: Path, number: int) -> PartBooks | None:
    """The books of a part that is done, or None."""
    path = _books(workshop, number)
    return PartBooks(**read_json(path)) if path.exists() else None


def named(workshop: Path, name: str, number: int) -> Path:
    """Where a part's file of this name lies until the step is whole."""
    return workshop / f"{name}-{number:05d}.parquet"


def _books(workshop: Path, number: int) -> Path:
    return workshop / f"books-{number:05d}.json"
