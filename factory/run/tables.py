"""Tables on their way to disk: Arrow types as the schemas declare them, dropped rows, digests that ignore clocks."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from factory.atomic import file_digest
from schemas import TABLES

_CLOCKS = sorted({name for table in TABLES.values() for name in table.clock_names})


def file_facts(path: Path) -> dict[str, Any]:
    """What the manifest says of a file."""
    return {"sha256": file_digest(path), "bytes": path.stat().st_size}


def content_digest(path: Path, sha256: str) -> str:
    """Digest of a part, equal for equal output however long the run took.

    It is `sha256`, that of the bytes, unless the part carries a clock column (of whichever table first named it): then of the rest.
    """
    there = pq.read_schema(path).names if path.suffix == ".parquet" else []
    names = [name for name in there if name not in _CLOCKS]
    if names == there:
        return sha256
    table = pq.read_table(path, columns=names)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="none")
    return hashlib.sha256(sink.getvalue()).hexdigest()


def arrow_table(rows: pl.DataFrame | pa.Table) -> pa.Table:
    """Rows as Arrow, with the ordinary strings and lists that the tables are declared with."""
    if isinstance(rows, pa.Table):
        return rows
    table = rows.to_arrow()
    return table.cast(pa.schema([pa.field(f.name, ordinary(f.type)) for f in table.schema]))


def ordinary(kind: pa.DataType) -> pa.DataType:
    """An Arrow type without polars' large strings and lists."""
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_large_list(kind):
        return pa.list_(ordinary(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(f.name, ordinary(f.type)) for f in kind])
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
        rows: the rows as they were; each is kept complete, as JSON, in column `row` (but for clock columns, so that
            equal rows are dropped with equal bytes).
        step: the step that drops them.
        reason: one short word for all rows, or an expression over `rows`.
        id_column: column with the row's id.
        detail: a sentence for all rows, or an expression.
        evidence: an expression that gives a JSON string.
    """
    rows = rows.rechunk()  # polars 2.1 panics on pl.format over several chunks beside a series
    as_expr = lambda value: value if isinstance(value, pl.Expr) else pl.lit(value, dtype=pl.String)  # noqa: E731
    problem = "problem_id" if "problem_id" in rows.columns else "id" if "id" in rows.columns else None
    return rows.select(
        step=pl.lit(step, dtype=pl.String),
        row_id=_id_text(rows[id_column]),
        problem_id=_id_text(rows[problem]) if problem else pl.lit(None, dtype=pl.String),
        reason=as_expr(reason),
        detail=as_expr(detail),
        evidence=as_expr(evidence),
        row=rows_as_json(rows),
    )


def _id_text(ids: pl.Series) -> pl.Series:
    """Ids as text; lists, objects and bytes as JSON."""
    if ids.dtype.is_nested() or _holds_bytes(ids.dtype):
        texts = [None if each is None else _json(each) for each in ids.to_list()]
        return pl.Series(ids.name, texts, dtype=pl.String)
    return ids.cast(pl.String)


def rows_as_json(rows: pl.DataFrame) -> pl.Series:
    """Every row as JSON, without clock columns: the column `row` of `schemas.DROPPED`."""
    rows = rows.drop(_CLOCKS, strict=False)
    if any(map(_holds_bytes, rows.dtypes)):
        return pl.Series("row", [_json(row) for row in rows.iter_rows(named=True)], dtype=pl.String)
    return rows.select(pl.struct(pl.all()).struct.json_encode().alias("row"))["row"]


def _holds_bytes(kind: pl.DataType) -> bool:
    """Whether polars has no JSON for the type (it panics)."""
    if isinstance(kind, pl.Struct):
        return any(_holds_bytes(field.dtype) for field in kind.fields)  # type: ignore[arg-type]
    inner = getattr(kind, "inner", None)
    return _holds_bytes(inner) if inner is not None else kind in (pl.Binary, pl.Object)


def _json(value: Any) -> str:
    return orjson.dumps(value, default=str).decode()


def give_reason(rows: pl.DataFrame, where: pl.Expr, reason: str) -> pl.DataFrame:
    """Give rows that have no `reason` this one."""
    hit = pl.col("reason").is_null() & where.fill_null(False)
    return rows.with_columns(reason=pl.when(hit).then(pl.lit(reason)).otherwise("reason"))
