"""Decontaminate one table: find benchmark problems in its texts, drop them with evidence, issue a certificate."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from factory.config.decontamination import DecontaminationSection
from factory.decontamination.certificate import certify
from factory.decontamination.find import NOTHING, Outside, find_hits
from factory.decontamination.index import BenchmarkIndex
from factory.deduplication.deduplicate import row_ids
from factory.run.tables import dropped_rows

OTHERS = 5
"""Further hits of a row that its evidence names."""


@dataclass(frozen=True, slots=True)
class DecontaminationResult:
    """Kept rows, dropped rows (`schemas.DROPPED`), the certificate, and every hit, those only reported included."""

    kept: pl.DataFrame
    dropped: pl.DataFrame
    certificate: dict[str, Any]
    hits: pl.DataFrame


def decontaminate(
    rows: pl.DataFrame,
    index: BenchmarkIndex,
    settings: DecontaminationSection,
    *,
    fields: Sequence[str],
    step: str = "decontaminate",
    outside: Outside = NOTHING,
) -> DecontaminationResult:
    """Drop the rows that hold a benchmark problem.

    Args:
        rows: any table.
        index: benchmarks, see `load_index`.
        settings: coverage and whether templates are dropped too.
        fields: columns to look in; each is looked at by itself.
        step: name for the dropped rows.
        outside: decisions, and what the embedding tier found.

    Raises:
        UsageError: a column is missing.
    """
    hits = find_hits(rows, index, settings, fields=fields, outside=outside)
    lost = hits.filter("drops")["row"].unique()
    mask = np.zeros(rows.height, dtype=bool)
    mask[lost.to_numpy()] = True
    gone = pl.Series(mask)
    dropped = dropped_with_evidence(
        rows.filter(gone), row_ids(rows).filter(gone), hits.filter(pl.col("row").is_in(lost.implode())), step
    )
    return DecontaminationResult(
        rows.filter(~gone), dropped, certify(index, settings, rows.height, dropped.height, hits), hits
    )


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
