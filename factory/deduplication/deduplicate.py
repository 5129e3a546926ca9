"""Deduplicate one table in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from factory.config.deduplication import DeduplicationSection, Keep
from factory.deduplication.bands import bucket_codes
from factory.deduplication.clusters import preference, traits
from factory.deduplication.evidence import outcome
from factory.deduplication.link import cluster, settle
from factory.deduplication.signatures import sign
from factory.deduplication.similarity import GramSets, gram_sets, in_threads, verifier
from factory.errors import UsageError
from factory.sources.columns import message_text
from factory.text import compiled
from factory.text.hashing import U64
from factory.text.tokens import Places

RESPONSE_FIELDS = ("reasoning", "content")
"""A response is deduplicated as a whole: asking for either of these compares both together."""
PARTS = ("context", "passage", "choices", "image", "images")
"""Columns that belong to a problem's text: the same question about another passage is another problem."""
AGAINST = "against:"
"""Before the ids of rows already published."""


@dataclass(frozen=True, slots=True)
class DedupResult:
    """Kept rows (with `cluster_id`), dropped rows (`schemas.DROPPED`), the audit, and the verified pairs.

    `pairs`: `left`, `right` (row numbers of the input, then of the rows compared against), `similarity`.
    `conflicts`: rows of clusters whose golds contradict each other (`evidence.CONFLICTS`); one row per gold is kept.
    """

    kept: pl.DataFrame
    dropped: pl.DataFrame
    audit: dict[str, Any]
    pairs: pl.DataFrame
    conflicts: pl.DataFrame


def deduplicate(
    rows: pl.DataFrame,
    settings: DeduplicationSection,
    *,
    field: str,
    priority: Sequence[Keep] | None = None,
    within: str | None = None,
    step: str = "dedup",
    against: pl.DataFrame | None = None,
) -> DedupResult:
    """Keep one row of every cluster of duplicates.

    Args:
        rows: any table with the field.
        settings: threshold, n-gram length, permutations, rules.
        field: column with the text; `reasoning` or `content` compares both together (`text_of`).
        priority: which row stays; `settings.keep` when None.
        within: a column; only rows with equal values are compared (responses: `problem_id`).
        step: name for the dropped rows.
        against: rows already published, with the same field; they win over all others and are not returned.

    Returns:
        `kept` has the column `cluster_id`; `dropped` carries cluster, survivor and similarity as evidence.

    Raises:
        UsageError: a column is missing.
    """
    own = rows.height
    texts, guard, ids = text_of(rows, field), column(rows, within), row_ids(rows)
    known = traits(rows, texts, settings.sources)
    ranks, golds = preference(known, priority or settings.keep), known["gold"].to_numpy()
    if against is not None and against.height:
        texts = pl.concat([texts, text_of(against, field)])
        other = column(against, within)
        guard = None if guard is None or other is None else pl.concat([guard, other])
        ranks = np.concatenate([ranks + against.height, np.arange(against.height)])
        ids = pl.concat([ids, AGAINST + row_ids(against)])
        golds = np.concatenate([golds, traits(against, text_of(against, field))["gold"].to_numpy()])
    compiled.prepare(int(texts.str.len_bytes().sum()))
    signed = sign(texts, settings, guard)

    def read(places: Places) -> GramSets:
        return gram_sets(texts.gather(places), settings.ngram)

    def find(alone: Places) -> list[U64]:
        return in_threads(lambda band: bucket_codes(band[alone], alone), list(signed.keys))

    verify = verifier(signed.counts, read)
    linked = cluster(signed, find, verify, read, settings)
    settled = settle(signed, linked, golds, ranks, own, verify, settings)
    fate = settled.fate(ids.gather(settled.chosen[settled.lost]), 0, own)
    kept, dropped, conflicts = outcome(rows, ids.head(own), fate, step)
    audit = linked.audit | settled.counts
    left, right = linked.pairs[:, 0], linked.pairs[:, 1]
    pairs = pl.DataFrame({"left": left, "right": right, "similarity": linked.similarities})
    return DedupResult(kept, dropped, audit, pairs, conflicts)


def text_of(rows: pl.DataFrame, field: str) -> pl.Series:
    """The texts to compare: of chat messages all, of a response `reasoning` and `content`, of a problem all its `PARTS`.

    Raises:
        UsageError: the column is missing.
    """
    if field not in rows.columns:
        raise UsageError(
            f"no column {field} to deduplicate by", do=f"choose one with --field: {', '.join(rows.columns)}"
        )
    if field in RESPONSE_FIELDS and all(name in rows.columns for name in RESPONSE_FIELDS):
        joined = pl.concat_str(
            [pl.col(n).cast(pl.String) for n in RESPONSE_FIELDS], separator="\n", ignore_nulls=True
        )
        return rows.select(joined.alias("text"))["text"].fill_null("")
    text = message_text(rows[field]).cast(pl.String).fill_null("").rename("text")
    if field != "problem":
        return text
    kinds = {
        pl.String: lambda name: pl.col(name),
        pl.List(pl.String): lambda name: pl.col(name).list.join("\n"),
    }
    more = [kinds[rows.schema[name]](name) for name in PARTS if rows.schema.get(name) in kinds]
    whole = pl.concat_str([text, *more], separator="\n", ignore_nulls=True)
    return rows.select(whole.alias("text"))["text"] if more else text


def row_ids(rows: pl.DataFrame, first: int = 0) -> pl.Series:
    """The rows' ids: `response_id`, else `id`, else `row-N` by position from 1; gaps are filled by position.

    `first`: rows of the table that stand before these.
    """
    name = next((n for n in ("response_id", "id") if n in rows.columns), None)
    if name is not None and not rows[name].null_count():
        return rows[name].cast(pl.String).alias("id")
    places = pl.lit("row-") + pl.int_range(first + 1, first + 1 + pl.len()).cast(pl.String)
    expression = places if name is None else pl.coalesce(pl.col(name).cast(pl.String), places)
    return rows.select(expression.alias("id"))["id"] if rows.width else pl.Series("id", [], dtype=pl.String)


def column(rows: pl.DataFrame, name: str | None) -> pl.Series | None:
    """A column to compare within, as text; None without a name.

    Raises:
        UsageError: the column is missing.
    """
    if name is None:
        return None
    if name not in rows.columns:
        raise UsageError(f"no column {name} to compare within")
    return rows[name].cast(pl.String)
