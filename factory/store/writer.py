"""Writing a step's folder: kept rows, dropped rows, manifest. The manifest comes last and only if the ledger balances."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

import factory
from factory.errors import FactoryError
from factory.store.atomic import atomic_path, digest, disk_error, file_digest, write_json
from factory.store.parts import MANIFEST
from schemas import DROPPED, TABLES, TableSchema

ROWS_PER_PART = 50_000
BYTES_PER_PART = 256 * 2**20


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
            for path in self.out.glob("part-*.parquet"):
                path.unlink()
        except OSError as error:
            raise disk_error(error, self.out) from error
        shutil.rmtree(self.out / "dropped", ignore_errors=True)
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Nothing to close: parts are whole files."""

    def keep(self, rows: pl.DataFrame | pa.Table) -> None:
        """Add rows to the step's output, in order."""
        self._kept.add(_arrow(rows))

    def drop(self, rows: pl.DataFrame | pa.Table) -> None:
        """Add rows of `schemas.DROPPED`; see `dropped_rows`."""
        table = _arrow(rows)
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
        kept, dropped = self._kept.rows, self._dropped.rows
        if rows_in != kept + dropped:
            raise FactoryError(
                f"ledger of step {self.step} does not balance: {rows_in} {unit} in, {kept} out + {dropped} dropped",
                do="this is a defect of the factory; keep the folder and report it",
            )
        files = {
            str(path.relative_to(self.out)): {"sha256": file_digest(path), "bytes": path.stat().st_size}
            for path in [*self._kept.paths, *self._dropped.paths]
        }
        manifest = {
            "step": self.step,
            "schema": {"name": self.schema.name, "version": self.schema.version} if self.schema else None,
            "factory_version": factory.__version__,
            "key": step_key(self.step, self.settings, self.inputs),
            "settings": self.settings,
            "inputs": self.inputs,
            "unit": unit,
            "rows_in": rows_in,
            "rows_out": kept,
            "rows_dropped": dropped,
            "dropped": dict(sorted(self.reasons.items())),
            "totals": dict(totals or {}),
            "files": files,
            "output_digest": self._kept.content_digest(),
            "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        write_json(self.out / MANIFEST, manifest)
        return manifest


class _Parts:
    """Buffers rows and writes them as numbered parts."""

    def __init__(self, folder: Path, schema: TableSchema | None) -> None:
        self.folder, self.schema = folder, schema
        self.paths: list[Path] = []
        self.rows = 0
        self._buffer: list[pa.Table] = []
        self._buffered_rows = self._buffered_bytes = 0

    def add(self, table: pa.Table) -> None:
        if table.num_rows == 0 and (self._buffer or self.paths):
            return
        if self.schema is not None:
            table = self.schema.conform(table)
        self._buffer.append(table)
        self.rows += table.num_rows
        self._buffered_rows += table.num_rows
        self._buffered_bytes += table.nbytes
        if self._buffered_rows >= ROWS_PER_PART or self._buffered_bytes >= BYTES_PER_PART:
            self.flush()

    def flush(self, *, always: bool = False) -> None:
        """Write what is buffered; with `always`, an empty part too, so that the folder shows its columns."""
        if not self._buffer:
            if not always or self.paths:
                return
            self._buffer = [self.schema.empty() if self.schema else pa.table({})]
        table = pa.concat_tables(self._buffer, promote_options="default")
        path = self.folder / f"part-{len(self.paths):05d}.parquet"
        with atomic_path(path) as temporary:
            pq.write_table(table, temporary, compression="zstd", compression_level=3, write_page_index=True)
        self.paths.append(path)
        self._buffer, self._buffered_rows, self._buffered_bytes = [], 0, 0

    def content_digest(self) -> str:
        """Digest of the parts without clock columns: equal for equal output whatever the run took."""
        return digest([_content_digest(path) for path in self.paths])


def _content_digest(path: Path) -> str:
    """Digest of a part; of its bytes, unless it carries a clock column (of whichever table first named it)."""
    names = pq.read_schema(path).names
    clocks = {name for table in TABLES.values() for name in table.clock_names} & set(names)
    if not clocks:
        return file_digest(path)
    names = [name for name in names if name not in clocks]
    table = pq.read_table(path, columns=names)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="none")
    return hashlib.sha256(sink.getvalue()).hexdigest()


def _arrow(rows: pl.DataFrame | pa.Table) -> pa.Table:
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


def step_key(step: str, settings: Mapping[str, Any], inputs: Mapping[str, str]) -> str:
    """The identity of a step's output: a finished folder with this key need not be made again."""
    return digest({"step": step, "settings": settings, "inputs": inputs, "factory": factory.__version__})


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
        rows: the rows as they were; each is kept whole, as JSON, in column `row`.
        step: the step that drops them.
        reason: one short word for all rows, or an expression over `rows`.
        id_column: column with the row's id.
        detail: a sentence for all rows, or an expression.
        evidence: an expression that gives a JSON string.
    """
    as_expr = lambda value: value if isinstance(value, pl.Expr) else pl.lit(value, dtype=pl.String)  # noqa: E731
    problem = "problem_id" if "problem_id" in rows.columns else "id" if "id" in rows.columns else None
    whole = [json.dumps(row, ensure_ascii=False, default=str) for row in rows.iter_rows(named=True)]
    return rows.select(
        step=pl.lit(step, dtype=pl.String),
        row_id=pl.col(id_column).cast(pl.String),
        problem_id=pl.col(problem).cast(pl.String) if problem else pl.lit(None, dtype=pl.String),
        reason=as_expr(reason),
        detail=as_expr(detail),
        evidence=as_expr(evidence),
        row=pl.Series("row", whole, dtype=pl.String),
    )
