"""Decontaminate one table: find benchmark problems in its texts, drop them with evidence, issue a certificate."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

import factory
from factory.decontamination.features import features
from factory.decontamination.hits import Hit, Tier
from factory.decontamination.index import FORMAT, BenchmarkIndex, salt
from factory.decontamination.matcher import Matcher
from factory.deduplication.deduplicate import row_ids
from factory.errors import UsageError
from factory.recipe.decontamination import DecontaminationSection
from factory.store.writer import dropped_rows
from factory.text.tokens import Tokens, flat, in_threads, tokenize_bytes

SPAN = 400
"""Characters of the matched text that are kept as evidence."""

HITS = {
    "row": pl.Int64,
    "field": pl.String,
    "benchmark": pl.String,
    "benchmark_id": pl.String,
    "tier": pl.String,
    "score": pl.Float64,
    "span": pl.String,
}


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
) -> DecontaminationResult:
    """Drop the rows that hold a benchmark problem.

    Args:
        rows: any table.
        index: benchmarks, see `load_index`.
        settings: coverage and whether templates are dropped too.
        fields: columns to look in; each is looked at by itself.
        step: name for the dropped rows.

    Raises:
        UsageError: a column is missing.
    """
    hits = find_hits(rows, index, settings, fields=fields)
    drops = hits if settings.drop_templates else hits.filter(pl.col("tier") != Tier.TEMPLATE)
    lost = drops["row"].unique().sort().to_numpy()
    mask = np.zeros(rows.height, dtype=bool)
    mask[lost] = True
    dropped = _dropped(rows.filter(pl.Series(mask)), row_ids(rows).filter(pl.Series(mask)), lost, hits, step)
    return DecontaminationResult(
        rows.filter(pl.Series(~mask)), dropped, certify(index, settings, rows.height, lost.size, hits), hits
    )


def find_hits(
    rows: pl.DataFrame, index: BenchmarkIndex, settings: DecontaminationSection, *, fields: Sequence[str]
) -> pl.DataFrame:
    """Every benchmark problem found, one row a text and problem, surest tier first within a row (columns `HITS`)."""
    missing = [name for name in fields if name not in rows.columns]
    if missing:
        raise UsageError(f"no column {', '.join(missing)} to check (columns: {', '.join(rows.columns)})")
    matcher = Matcher(index, settings.coverage)
    order = {tier: i for i, tier in enumerate(Tier)}
    names = [b.name for b in index.benchmarks]
    found = []
    for field in fields:
        for first, tokens, hits in scan(rows[field], matcher):
            for hit in sorted(hits, key=lambda h: (h.row, order[h.tier], -h.score, h.problem)):
                which = int(np.searchsorted(matcher.firsts, hit.problem, side="right")) - 1
                problem_id = index.benchmarks[which].ids[hit.problem - int(matcher.firsts[which])]
                tier, score = hit.tier.value, round(hit.score, 4)
                found.append(
                    (first + hit.row, field, names[which], problem_id, tier, score, span(tokens, hit))
                )
    return pl.DataFrame(found, schema=HITS, orient="row")


def scan(
    texts: pl.Series, matcher: Matcher, threads: int | None = None
) -> Iterator[tuple[int, Tokens, list[Hit]]]:
    """Hits chunk by chunk, in order: number of the chunk's first text, its tokens, the hits in it.

    Chunks are worked on in threads (one a core unless `threads` says otherwise); the outcome does not depend on how
    many.
    """

    def work(piece: pl.Series) -> tuple[Tokens, list[Hit]]:
        tokens = tokenize_bytes(*flat(piece))
        return tokens, matcher.match(features(tokens), np.diff(tokens.offsets))

    first = 0
    for tokens, hits in in_threads(work, texts, threads):
        yield first, tokens, hits
        first += tokens.offsets.size - 1


def span(tokens: Tokens, hit: Hit) -> str:
    """The matched part of the training text, as folded for comparison, at most `SPAN` characters."""
    start, end = int(tokens.starts[hit.first]), int(tokens.starts[hit.last] + tokens.lengths[hit.last])
    text = bytes(tokens.raw[start:end]).decode("utf-8", "replace")
    return text if len(text) <= SPAN else f"{text[: SPAN // 2]} ... {text[-SPAN // 2 :]}"


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
        "rows": rows,
        "rows_dropped": dropped,
        "rows_found": {name: dict(tiers) for name, tiers in counts.items()},
    }


def _dropped(
    rows: pl.DataFrame, ids: pl.Series, lost: np.ndarray, hits: pl.DataFrame, step: str
) -> pl.DataFrame:
    by_row: dict[int, list[dict[str, Any]]] = {}
    for hit in hits.iter_rows(named=True):
        by_row.setdefault(hit["row"], []).append({key: value for key, value in hit.items() if key != "row"})
    first = [by_row[row][0] for row in lost.tolist()]
    evidence = [
        json.dumps(
            {
                **by_row[row][0],
                "hits": len(by_row[row]),
                "others": [
                    {k: h[k] for k in ("benchmark", "benchmark_id", "tier", "score")}
                    for h in by_row[row][1:6]
                ],
            },
            ensure_ascii=False,
        )
        for row in lost.tolist()
    ]
    marked = rows.with_columns(
        pl.Series("__id", ids),
        pl.Series("__reason", [f"benchmark_{h['tier']}" for h in first], dtype=pl.String),
        pl.Series(
            "__detail",
            [
                f"{h['benchmark']} {h['benchmark_id']} found in {h['field']} ({h['tier']}, {h['score']})"
                for h in first
            ],
            dtype=pl.String,
        ),
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
