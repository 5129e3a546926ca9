"""What the functions return: a step's folder, and the questions one has about it."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import polars as pl

from factory.errors import UsageError
from factory.run.parts import read_dropped
from factory.run.step import StepResult
from schemas import DROPPED

IDS = ("response_id", "id", "problem_id", "row_id")
"""Columns that name a row, the most telling first."""


class Result:
    """A finished step. Its rows stay on disk until they are asked for.

    Attributes:
        folder: where it lies; every function and verb takes it as input.
        manifest: counts, settings, inputs and checksums.
        summary: what the step found (docs/functions.md lists the fields of each).
        made: False when the same call had been done before.
    """

    def __init__(self, folder: Path, done: StepResult[Any]) -> None:
        """Wrap a step's result."""
        self.folder, self.manifest, self.summary, self.made = folder, done.manifest, done.summary, done.made

    @property
    def rows(self) -> pl.DataFrame:
        """All rows."""
        return self.scan().collect()

    def scan(self) -> pl.LazyFrame:
        """All rows, lazily."""
        names = sorted(name for name in self.manifest["files"] if "/" not in name)
        paths = [self.folder / name for name in names]
        return pl.scan_ndjson(paths) if names[0].endswith(".jsonl") else pl.scan_parquet(paths)

    @property
    def dropped(self) -> pl.DataFrame:
        """What was dropped: row_id, reason, detail, evidence and the row itself as JSON."""
        found = read_dropped(self.folder)
        return pl.DataFrame(pl.from_arrow(DROPPED.empty())) if found is None else found

    def why(self, row_id: str) -> dict[str, Any]:
        """What became of a row: `{"kept": True, "row": ...}`, or the reason, detail and evidence of its being dropped.

        Raises:
            UsageError: no row of this id came in.
        """
        gone = self.dropped.filter(pl.col("row_id") == row_id)
        if gone.height:
            return {"kept": False, **gone.row(0, named=True)}
        names = self.scan().collect_schema().names()
        for name in (each for each in IDS if each in names):
            found = self.scan().filter(pl.col(name).cast(pl.String) == row_id).head(1).collect()
            if found.height:
                return {"kept": True, "row": found.row(0, named=True)}
        raise UsageError(
            f"{self.folder} has no row {row_id}", do="ids are in .rows and in .dropped['row_id']"
        )

    def show(self, rows: int = 5) -> None:
        """Print the counts and the first rows."""
        with pl.Config(tbl_rows=rows, fmt_str_lengths=60, tbl_hide_dataframe_shape=True):
            print(f"{self!r}\n{self.scan().head(rows).collect()}")  # noqa: T201

    def __len__(self) -> int:
        """How many rows there are."""
        return int(self.manifest["rows_out"])

    def __repr__(self) -> str:
        """The counts, in one line."""
        lost = ", ".join(f"{count:,} {reason}" for reason, count in self.manifest["dropped"].items())
        return (
            f"{self.manifest['step']}: {len(self):,} of {self.manifest['rows_in']:,} {self.manifest['unit']}"
            + (f"; dropped: {lost}" if lost else "")
        )

    def _repr_html_(self) -> str:
        """The counts and the first rows, in a notebook; polars escapes the cells."""
        head = self.scan().head(5).collect()
        return f"<p><b>{escape(repr(self))}</b><br>{escape(str(self.folder))}</p>{head._repr_html_()}"


class Deduplication(Result):
    """A finished deduplication, whose threshold can be changed without comparing anything again."""

    def __init__(self, folder: Path, done: StepResult[Any], again: Any) -> None:
        """`again` clusters with another threshold."""
        super().__init__(folder, done)
        self._again = again

    def rethreshold(self, threshold: float) -> Deduplication:
        """Cluster again with a threshold that is not below the one it was made with; the folder is written again.

        Raises:
            UsageError: the stored pairs do not reach so low.
        """
        found: Deduplication = self._again(threshold)
        return found


class Import(Result):
    """Problems that were brought in, and `responses`, the traces that came with them, or None."""

    def __init__(self, folder: Path, done: StepResult[Any], responses: Result | None) -> None:
        """The rows are the problems."""
        super().__init__(folder, done)
        self.responses = responses


class Export(dict[str, Result]):
    """Exported sets by name; `files` are the trainer's files by name, `left_out` sets that it cannot use, with why."""

    def __init__(self, sets: dict[str, Result], files: dict[str, str], left_out: dict[str, str]) -> None:
        """The sets, and what lies beside them."""
        super().__init__(sets)
        self.files, self.left_out = files, left_out
