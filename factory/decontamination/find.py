"""Every benchmark problem in the texts of a table, as a table of hits."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from factory.config.decontamination import DecontaminationSection
from factory.decontamination.decisions import decided
from factory.decontamination.hits import Hits, Tier, tiers_kept
from factory.decontamination.index import BenchmarkIndex
from factory.errors import UsageError
from factory.sources.columns import message_text
from factory.text.hashing import Bytes
from factory.text.tokens import Places, flat, in_threads

if TYPE_CHECKING:
    from factory.decontamination.matcher import Matcher
    from factory.decontamination.meaning import Meanings

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
    """What is known of texts from elsewhere than hashes: `near.NEAR`, `decisions.DECISIONS`, an index's vectors, or nothing."""

    near: pl.DataFrame | None = None
    decisions: pl.DataFrame | None = None
    meanings: Meanings | None = None


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
    hits = _decided(pl.concat(found), settings)
    if outside.meanings is not None:
        asked = np.ones(rows.height, dtype=bool)
        asked[hits.filter("drops")["row"].unique().to_numpy()] = False
        same, near = (
            pl.concat(each)
            for each in zip(
                *(_by_meaning(rows, field, index, outside.meanings, asked) for field in fields), strict=True
            )
        )
        hits = _decided(pl.concat([same, hits, near]), settings)
    return hits if outside.decisions is None else decided(hits, outside.decisions)


def _decided(found: pl.DataFrame, settings: DecontaminationSection) -> pl.DataFrame:
    """One hit a text and problem, the first, and whether it drops its row."""
    kept = tiers_kept(templates=settings.drop_templates, variants=settings.drop_variants)
    once = found.unique(["row", "field", "benchmark", "benchmark_id"], keep="first", maintain_order=True)
    return once.with_columns(drops=~pl.col("tier").is_in(kept))


def _by_index(
    rows: pl.DataFrame, field: str, index: BenchmarkIndex, coverage: float
) -> Iterator[pl.DataFrame]:
    matcher = arranged(index)
    tiers = np.array([tier.value for tier in Tier], dtype=object)
    for first, folded, hits in scan(rows[field], matcher, coverage, answers=_golds(rows)):
        columns = _named(rows, field, index, first + hits.row, hits.problem)
        columns |= {
            "tier": tiers[hits.tier].tolist(),
            "score": hits.score.round(4),
            "span": spans(folded, hits),
        }
        yield pl.DataFrame(columns, schema=HITS)


def _golds(rows: pl.DataFrame) -> pl.Series | None:
    return rows["answer"].cast(pl.String, strict=False) if "answer" in rows.columns else None


def _named(
    rows: pl.DataFrame, field: str, index: BenchmarkIndex, at: Places, problem: Places
) -> dict[str, Any]:
    """The columns of hits that say where they are and of which problem."""
    which = np.searchsorted(arranged(index).firsts, problem, side="right") - 1
    names = np.array([b.name for b in index.benchmarks], dtype=object)
    ids = np.array([i for b in index.benchmarks for i in b.ids], dtype=object)
    return {
        "row": at.tolist(),
        "field": [field] * at.size,
        "benchmark": names[which].tolist(),
        "benchmark_id": ids[problem].tolist(),
        "text": [text_digest(rows[field][row]) for row in at.tolist()],
        "drops": [None] * at.size,
        "decision": [None] * at.size,
    }


def _by_meaning(
    rows: pl.DataFrame, field: str, index: BenchmarkIndex, meanings: Meanings, asked: npt.NDArray[np.bool_]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Hits of the embedding tier that numbers and answers decide, and those that nothing decides."""
    texts = rows[field].cast(pl.String).fill_null("")
    near = meanings.find(texts, _golds(rows), asked)
    columns = _named(rows, field, index, near.row, near.problem)
    columns |= {
        "tier": np.where(near.same, Tier.MEANING.value, Tier.EMBEDDING.value).tolist(),
        "score": near.score.round(4),
        "span": texts.gather(near.row).str.slice(0, SPAN),
    }
    found = pl.DataFrame(columns, schema=HITS).sort("row", -pl.col("score"), maintain_order=True)
    same = pl.col("tier") == Tier.MEANING.value
    return found.filter(same), found.filter(~same)


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
