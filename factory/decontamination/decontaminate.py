"""Decontaminate one table: find benchmark problems in its texts, drop them with evidence, issue a certificate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

import factory
from factory.config.decontamination import DecontaminationSection, EmbeddingSection
from factory.decontamination.evidence import dropped_with_evidence
from factory.decontamination.find import NOTHING, Outside, find_hits
from factory.decontamination.index import FORMAT, BenchmarkIndex, salt
from factory.deduplication.deduplicate import row_ids


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


def _tier_facts(tier: EmbeddingSection) -> dict[str, Any]:
    judge = {"judge": tier.judge.preset, "judge_model": tier.judge.model} if tier.judge else {"judge": None}
    return {"model": tier.model, "threshold": tier.threshold, **judge}


def certify(
    index: BenchmarkIndex, settings: DecontaminationSection, rows: int, dropped: int, hits: pl.DataFrame
) -> dict[str, Any]:
    """What was checked against what, how, and what was found: for the manifest and the data card."""
    counts: dict[str, Counter[str]] = {}
    for benchmark, tier, count in (
        hits.group_by("benchmark", "tier").agg(pl.col("row").n_unique()).sort("benchmark", "tier").rows()
    ):
        counts.setdefault(benchmark, Counter())[tier] = count
    return {
        "factory_version": factory.__version__,
        "index_format": FORMAT,
        "salt": salt(),
        "benchmarks": index.facts,
        "coverage": settings.coverage,
        "drop_templates": settings.drop_templates,
        "drop_variants": settings.drop_variants,
        "embedding": _tier_facts(settings.embedding) if settings.embedding else None,
        "decisions": dict(hits["decision"].drop_nulls().value_counts().sort("decision").rows()),
        "rows": rows,
        "rows_dropped": dropped,
        "rows_found": {name: dict(tiers) for name, tiers in counts.items()},
    }
