"""Writing a step's folder: kept rows, dropped rows, manifest. The manifest comes last and only if the ledger balances."""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import orjson
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from factory.atomic import disk_error, file_digest
from factory.run.manifest import close_books, step_key
from factory.run.part_file import PartFile, rows_each
from factory.run.parts import MANIFEST
from schemas import DROPPED, TABLES, TableSchema

ROWS_PER_PART = 10_000
BYTES_PER_PART = 64 * 2**20
"""Rows or Arrow bytes of a part. A part is what one worker works on at a time: small enough that the paper's 10 M
responses (about 100 GB) make well over a thousand, so that 64 nodes have something to do, and memory stays small."""
_CLOCKS = sorted({name for table in TABLES.values() for name in table.clock_names})


class StepWriter:
    """Collects what a step keeps and drops, writes it in parts, and closes the books.

    Use as a context manager and call `finish` inside it. Leaving without `finish` leaves no manifest, so the step
    counts as not done and runs again.

    Example:
        with StepWriter(out, "verify", VERDICT, settings={...}, inputs={"responses": digest}) as writer:
            writer.keep(frame)
            writer.drop(dropped)
            writer.finish(rows_in=frame.height + dropped.height)
    """

    def __init__(
        self,
        out: Path,
        step: str,
        schema: TableSchema | None = None,
        *,
        settings: Mapping[str, Any] | None = None,
        inputs: Mapping[str, str] | None = None,
    ) -> None:
        """`settings` and `inputs` (name to digest) make up the step's key; see `step_key`."""
        self.out, self.step, self.schema = out, step, schema
        self.settings, self.inputs = dict(settings or {}), dict(inputs or {})
        self.reasons: Counter[str] = Counter()
        self._kept = _Parts(out, schema)
        self._dropped = _Parts(out / "dropped", DROPPED)
        self._finished = False

    def __enter__(self) -> Self:
        """Clear the remains of an earlier, unfinished attempt.

        Raises:
            UsageError: the folder cannot be written.
        """
        try:
            self.out.mkdir(parents=True, exist_ok=True)
            (self.out / MANIFEST).unlink(missing_ok=True)
            for path in [*self.out.glob("part-*.parquet"), *self.out.glob(".part-*.tmp")]:
                path.unlink()
        except OSError as error:
            raise disk_error(error, self.out) from error
        shutil.rmtree(self.out / "dropped", ignore_errors=True)
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Remove a part that is not whole."""
        self._kept.abandon()
        self._dropped.abandon()

    def keep(self, rows: pl.DataFrame | pa.Table) -> None:
        """Add rows to the step's output, in order."""
        self._kept.add(arrow_table(rows))

    def drop(self, rows: pl.DataFrame | pa.Table) -> None:
        """Add rows of `schemas.DROPPED`; see `dropped_rows`."""
        table = arrow_table(rows)
        if table.num_rows:
            self.reasons.update(table.column("reason").to_pylist())
            self._dropped.add(table)

    def finish(
        self, *, rows_in: int, unit: str = "rows", totals: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Write the last parts and the manifest.

        Args:
            rows_in: how many units came in; must equal kept + dropped.
            unit: what is counted: rows, requests, ...
            totals: further sums and facts for the ledger and report (tokens, usd, certificate, audit ...).

        Returns:
            The manifest.

        Raises:
            FactoryError: rows_in differs from kept + dropped.
        """
        self._kept.flush(always=True)
        self._dropped.flush()
        return close_books(
            self.out,
            self.step,
            self.schema,
            settings=self.settings,
            inputs=self.inputs,
            unit=unit,
            rows_in=rows_in,
            rows_out=self._kept.rows,
            dropped=self.reasons,
            totals=totals or {},
            files={
                str(path.relative_to(self.out)): file_facts(path)
                for path in [*self._kept.paths, *self._dropped.paths]
            },
            parts=[content_digest(path) for path in self._kept.paths],
        )


class _Parts:
    """Rows as numbered parts, each of about equal size."""

    def __init__(self, folder: Path, schema: TableSchema | None) -> None:
        self.folder, self.schema = folder, schema
        self.paths: list[Path] = []
        self.rows = 0
        self._open: PartFile | None = None

    def add(self, table: pa.Table) -> None:
        each = rows_each(table, ROWS_PER_PART, BYTES_PER_PART)
        for start in range(0, max(table.num_rows, 1), each):
            self._add(table.slice(start, each))

    def _add(self, table: pa.Table) -> None:
        if self._open and not (self._open.fits(table) and self._has_room(table)):
            self.flush()
        if table.num_rows == 0 and (self._open or self.paths):
            return
        if self._open is None:
            self._open = PartFile(self.folder / f"part-{len(self.paths):05d}.parquet", self.schema)
        self._open.add(table)
        self.rows += table.num_rows

    def _has_room(self, table: pa.Table) -> bool:
        assert self._open is not None
        rows, size = self._open.rows + table.num_rows, self._open.bytes + table.nbytes
        return rows <= ROWS_PER_PART and size <= BYTES_PER_PART

    def flush(self, *, always: bool = False) -> None:
        """Put the part in place; with `always`, an empty one too, so that the folder shows its columns."""
        if self._open is None:
            if not always or self.paths:
                return
            self._open = PartFile(self.folder / "part-00000.parquet", self.schema)
        self.paths.append(self._open.close())
        self._open = None

    def abandon(self) -> None:
        if self._open is not None:
            self._open.abandon()


def file_facts(path: Path) -> dict[str, Any]:
    """What the manifest says of a file."""
    return {"sha256": file_digest(path), "bytes": path.stat().st_size}


def content_digest(path: Path) -> str:
    """Digest of a part, equal for equal output whatever the run took.

    It is of the bytes, unless the part carries a clock column (of whichever table first named it): then of the rest.
    """
    there = pq.read_schema(path).names
    names = [name for name in there if name not in _CLOCKS]
    if names == there:
        return file_digest(path)
    table = pq.read_table(path, columns=names)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="none")
    return hashlib.sha256(sink.getvalue()).hexdigest()


def arrow_table(rows: pl.DataFrame | pa.Table) -> pa.Table:
    """Rows as Arrow, with the ordinary strings and lists that the tables are declared with."""
    if isinstance(rows, pa.Table):
        return rows
    table = rows.to_arrow()
    fields = [pa.field(f.name, _plain(f.type)) for f in table.schema]
    return table.cast(pa.schema(fields))


def _plain(kind: pa.DataType) -> pa.DataType:
    """Polars exports large strings and lists; the tables are declared with the ordinary ones."""
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_large_list(kind):
        return pa.list_(_plain(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(f.name, _plain(f.type)) for f in kind])
    return kind


def dropped_rows(
    rows: pl.DataFrame,
    *,
    step: str,
    reason: str | pl.Expr,
    id_column: str = "id",
    detail: str | pl.Expr | None = None,
    evidence: pl.Expr | None = None,
) -> pl.DataFrame:
    """Turn rows into rows of `schemas.DROPPED`.

    Args:
        rows: the rows as they were; each is kept whole, as JSON, in column `row` (but for clock columns, so that
            equal rows are dropped with equal bytes).
        step: the step that drops them.
        reason: one short word for all rows, or an expression over `rows`.
        id_column: column with the row's id.
        detail: a sentence for all rows, or an expression.
        evidence: an expression that gives a JSON string.
    """
    as_expr = lambda value: value if isinstance(value, pl.Expr) else pl.lit(value, dtype=pl.String)  # noqa: E731
    problem = "problem_id" if "problem_id" in rows.columns else "id" if "id" in rows.columns else None
    return rows.select(
        step=pl.lit(step, dtype=pl.String),
        row_id=pl.col(id_column).cast(pl.String),
        problem_id=pl.col(problem).cast(pl.String) if problem else pl.lit(None, dtype=pl.String),
        reason=as_expr(reason),
        detail=as_expr(detail),
        evidence=as_expr(evidence),
        row=rows_as_json(rows),
    )


def rows_as_json(rows: pl.DataFrame) -> pl.Series:
    """Every row as JSON, without clock columns: the column `row` of `schemas.DROPPED`."""
    rows = rows.drop(_CLOCKS, strict=False)
    try:
        return rows.select(pl.struct(pl.all()).struct.json_encode().alias("row"))["row"]
    except pl.exceptions.PolarsError:
        # Types that polars has no JSON for, such as bytes.
        whole = [orjson.dumps(row, default=str).decode() for row in rows.iter_rows(named=True)]
        return pl.Series("row", whole, dtype=pl.String)


__all__ = [
    "StepWriter",
    "arrow_table",
    "content_digest",
    "dropped_rows",
    "file_facts",
    "rows_as_json",
    "step_key",
]
