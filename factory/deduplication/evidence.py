"""Dropped rows with their evidence, and the names of clusters."""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa

from factory.run.tables import rows_as_json
from factory.text.hashing import U64


def cluster_names(keys: U64) -> pl.Series:
    """`c-` and 16 hex of each key (the survivor's canonical text and guard): the same in every run."""
    letters = np.empty((keys.size, 18), dtype=np.uint8)
    letters[:, :2] = np.frombuffer(b"c-", dtype=np.uint8)
    letters[:, 2:] = np.frombuffer(keys.astype(">u8").tobytes().hex().encode(), dtype=np.uint8).reshape(
        -1, 16
    )
    bounds = np.arange(0, 18 * keys.size + 1, 18, dtype=np.int64)
    array = pa.LargeStringArray.from_buffers(keys.size, pa.py_buffer(bounds), pa.py_buffer(letters))
    return pl.Series("cluster_id", array)


CONFLICTS = {"cluster_id": pl.String, "row_id": pl.String, "answer": pl.String, "kept": pl.Boolean}
"""Rows of clusters whose golds contradict each other."""


def outcome(
    rows: pl.DataFrame, ids: pl.Series, fate: pl.DataFrame, step: str
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Kept rows with `cluster_id`, dropped rows (`schemas.DROPPED`), and rows of torn clusters (columns `CONFLICTS`).

    Args:
        rows: some rows, as they were.
        ids: their ids.
        fate: what becomes of each (`link.Settled.fate`).
        step: the step that drops them.
    """
    stays = fate["survivor"].is_null()
    kept = rows.with_columns(fate["cluster_id"]).filter(stays)
    dropped = _dropped(rows.filter(~stays), fate.with_columns(row_id=ids).filter(~stays), step)
    answer = rows["answer"].cast(pl.String) if "answer" in rows.columns else pl.lit(None, pl.String)
    columns = {"cluster_id": fate["group"], "row_id": ids, "answer": answer, "kept": stays}
    conflicts = rows.select(**columns).filter(fate["torn"]).sort("cluster_id", maintain_order=True)
    return kept, dropped, conflicts


def _dropped(rows: pl.DataFrame, fate: pl.DataFrame, step: str) -> pl.DataFrame:
    """Rows of `schemas.DROPPED` with cluster, survivor and similarity as evidence."""
    problem = next((name for name in ("problem_id", "id") if name in rows.columns), None)
    similarity = pl.col("similarity").round(4)
    proof = pl.struct("cluster_id", "survivor", similarity).struct.json_encode()
    return fate.select(
        step=pl.lit(step, dtype=pl.String),
        row_id=pl.col("row_id"),
        problem_id=rows[problem].cast(pl.String) if problem else pl.lit(None, dtype=pl.String),
        reason=pl.when("outvoted")
        .then(pl.lit("contradicting_gold"))
        .when("exact")
        .then(pl.lit("exact_duplicate"))
        .otherwise(pl.lit("near_duplicate")),
        detail=pl.when("outvoted")
        .then(pl.lit("another gold in cluster ") + pl.col("group"))
        .otherwise(pl.lit("duplicate of ") + pl.col("survivor")),
        evidence=proof,
        row=rows_as_json(rows),
    )
