"""Every benchmark problem in the texts of a table, as a table of hits."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from factory.config.decontamination import DecontaminationSection
from factory.decontamination.decisions import decided
from factory.decontamination.hits import Hits, Tier, tiers_kept
from factory.decontamination.index import BenchmarkIndex
from factory.errors import UsageError
from factory.sources.columns import message_text
from factory.text.hashing import Bytes
from factory.text.tokens import flat, in_threads

if TYPE_CHECKING:
    from factory.decontamination.matcher import Matcher

SPAN = 400
"""Characters of the matched text that are kept as evidence."""

_THOUSANDS = re.compile(rb"(?<=[0-9]),(?=[0-9]{3}(?![0-9]))")
"""Commas that are left out of numbers."""

HITS = {
    "row": pl.Int64,
    "field": pl.String,
    "benchmark": pl.String,
    "benchmark_id": pl.String,
    "tier": pl.String,
    "score": pl.Float64,
    "span": pl.String,
    "text": pl.String,
    "drops": pl.Boolean,
    "decision": pl.String,
}
"""A hit: number of the row, column, benchmark, problem, tier, score, matched part of the text, digest of the text,
whether the row is dropped for it, and what a person decided about it."""


class Outside(NamedTuple):
    """What is known of texts from elsewhere than an index: `near.NEAR` and `decisions.DECISIONS`, or nothing."""

    near: pl.DataFrame | None = None
    decisions: pl.DataFrame | None = None


NOTHING = Outside()


def find_hits(
    rows: pl.DataFrame,
    index: BenchmarkIndex,
    settings: DecontaminationSection,
    *,
    fields: Sequence[str],
    outside: Outside = NOTHING,
) -> pl.DataFrame:
    """Every benchmark problem found, one row a text and problem, surest tier first within a row (columns `HITS`)."""
    missing = [name for name in fields if name not in rows.columns]
    if missing:
        raise UsageError(f"no column {', '.join(missing)} to check (columns: {', '.join(rows.columns)})")
    rows = rows.with_columns([message_text(rows[name], asked=True) for name in fields])
    found = [pl.DataFrame(schema=HITS)]
    for field in fields:
        found += _by_index(rows, field, index, settings.coverage)
        if outside.near is not None and outside.near.height:
            found.append(_by_embedding(rows, field, outside.near))
    kept = tiers_kept(templates=settings.drop_templates, variants=settings.drop_variants)
    hits = pl.concat(found).unique(
        ["row", "field", "benchmark", "benchmark_id"], keep="first", maintain_order=True
    )
    hits = hits.with_columns(drops=~pl.col("tier").is_in(kept))
    return hits if outside.decisions is None else decided(hits, outside.decisions)


def _by_index(
    rows: pl.DataFrame, field: str, index: BenchmarkIndex, coverage: float
) -> Iterator[pl.DataFrame]:
    matcher = arranged(index)
    names = np.array([b.name for b in index.benchmarks], dtype=object)
    ids = np.array([i for b in index.benchmarks for i in b.ids], dtype=object)
    tiers = np.array([tier.value for tier in Tier], dtype=object)
    answers = rows["answer"].cast(pl.String, strict=False) if "answer" in rows.columns else None
    for first, folded, hits in scan(rows[field], matcher, coverage, answers=answers):
        at = (first + hits.row).tolist()
        which = np.searchsorted(matcher.firsts, hits.problem, side="right") - 1
        columns = {
            "row": at,
            "field": [field] * len(at),
            "benchmark": names[which].tolist(),
            "benchmark_id": ids[hits.problem].tolist(),
            "tier": tiers[hits.tier].tolist(),
            "score": hits.score.round(4),
            "span": spans(folded, hits),
            "text": [text_digest(rows[field][row]) for row in at],
        }
        yield pl.DataFrame(columns | {"drops": [None] * len(at), "decision": [None] * len(at)}, schema=HITS)


def _by_embedding(rows: pl.DataFrame, field: str, near: pl.DataFrame) -> pl.DataFrame:
    """Hits of the embedding tier: the whole text is their span."""
    texts = rows.select(
        row=pl.int_range(pl.len(), dtype=pl.Int64),
        field=pl.lit(field),
        text=pl.Series([text_digest(text or "") for text in rows[field]], dtype=pl.String),
        span=pl.col(field).cast(pl.String).str.slice(0, SPAN),
    )
    joined = texts.join(near, on="text", how="inner", maintain_order="left")
    empty = {"drops": pl.lit(None, pl.Boolean), "decision": pl.lit(None, pl.String)}
    return joined.with_columns(**empty).select(list(HITS))


@lru_cache(maxsize=2)
def arranged(index: BenchmarkIndex) -> Matcher:
    """The index arranged for look-up, kept for the next batch of rows."""
    from factory.decontamination.matcher import Matcher

    return Matcher(index)


def scan(
    texts: pl.Series,
    matcher: Matcher,
    coverage: float,
    threads: int | None = None,
    answers: pl.Series | None = None,
) -> Iterator[tuple[int, Bytes, Hits]]:
    """Hits chunk by chunk, in order: number of the chunk's first text, its folded bytes, the hits in it.

    Chunks are worked on in threads (one a core unless `threads` says otherwise); the outcome does not depend on how
    many. `answers`: the gold answers of the texts, for the tier `numbers`.
    """

    def work(piece: pl.Series, first: int) -> tuple[int, Bytes, Hits]:
        folded, bounds = flat(piece)
        hits, figures = matcher.match(folded, bounds, coverage)
        said = None if answers is None else answers.slice(first, len(piece))
        return first, folded, matcher.decide(folded, bounds, said, hits, figures)

    return in_threads(work, texts, threads)


def text_digest(text: str) -> str:
    """A text's name in lists of hits and decisions."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def spans(folded: Bytes, hits: Hits) -> list[str]:
    """The matched parts of the training texts, as folded for comparison, at most `SPAN` characters each."""
    parts = (bytes(folded[a:b]) for a, b in zip(hits.first.tolist(), hits.last.tolist(), strict=True))
    texts = (_THOUSANDS.sub(b"", part).decode("utf-8", "replace") for part in parts)
    return [text if len(text) <= SPAN else f"{text[: SPAN // 2]} ... {text[-SPAN // 2 :]}" for text in texts]
