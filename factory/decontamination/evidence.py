"""Dropped rows with what was found in them."""

from __future__ import annotations

import json

import polars as pl

from factory.run.tables import dropped_rows

OTHERS = 5
"""Further hits of a row that its evidence names."""


def dropped_with_evidence(rows: pl.DataFrame, ids: pl.Series, hits: pl.DataFrame, step: str) -> pl.DataFrame:
    """Rows in the form of `schemas.DROPPED`.

    Args:
        rows: the rows to drop.
        ids: their ids.
        hits: all hits (`find.HITS`) of these rows; of each row at least one drops it.
        step: name of the step.
    """
    first, evidence = [], []
    for group in hits.sort("row", ~pl.col("drops"), maintain_order=True).partition_by(
        "row", maintain_order=True
    ):
        found = group.drop("row", "text", "drops", "decision").to_dicts()
        others = [
            {k: h[k] for k in ("benchmark", "benchmark_id", "tier", "score")} for h in found[1 : 1 + OTHERS]
        ]
        first.append(found[0])
        evidence.append(json.dumps({**found[0], "hits": len(found), "others": others}, ensure_ascii=False))
    details = [
        f"{h['benchmark']} {h['benchmark_id']} found in {h['field']} ({h['tier']}, {h['score']})"
        for h in first
    ]
    marked = rows.with_columns(
        pl.Series("__id", ids),
        pl.Series("__reason", [f"benchmark_{h['tier']}" for h in first], dtype=pl.String),
        pl.Series("__detail", details, dtype=pl.String),
        pl.Series("__evidence", evidence, dtype=pl.String),
    )
    dropped = dropped_rows(
        marked,
        step=step,
        reason=pl.col("__reason"),
        id_column="__id",
        detail=pl.col("__detail"),
        evidence=pl.col("__evidence"),
    )
    whole = [json.dumps(row, ensure_ascii=False, default=str) for row in rows.iter_rows(named=True)]
    return dropped.with_columns(row=pl.Series("row", whole, dtype=pl.String))
