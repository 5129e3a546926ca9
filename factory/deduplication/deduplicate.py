"""Deduplicate one table in memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from factory.config.deduplication import DeduplicationSection, Keep
from factory.deduplication.audit import draw_sample, measure_recall
from factory.deduplication.bands import bucket_codes, candidates
from factory.deduplication.clusters import preference, survivors, traits
from factory.deduplication.evidence import cluster_names, conflicting, drop_duplicates
from factory.deduplication.golds import split_by_gold
from factory.deduplication.link import first_twins, link, similarity_to, standing_alone
from factory.deduplication.result import DedupResult
from factory.deduplication.sets import GramSets, gram_sets, in_threads
from factory.deduplication.signatures import sign
from factory.deduplication.similarity import verifier
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
    texts = text_of(rows, field)
    guard = column(rows, within)
    known = traits(rows, texts, settings.sources)
    ranks, golds = preference(known, priority or settings.keep), known["gold"].to_numpy()
    ids = row_ids(rows)
    if against is not None and against.height:
        texts = pl.concat([texts, text_of(against, field)])
        other = column(against, within)
        guard = None if guard is None or other is None else pl.concat([guard, other])
        ranks = np.concatenate([ranks + against.height, np.arange(against.height)])
        ids = pl.concat([ids, AGAINST + row_ids(against)])
        golds = np.concatenate([golds, traits(against, text_of(against, field))["gold"].to_numpy()])

    def read(places: Places) -> GramSets:
        return gram_sets(texts.gather(places), settings.ngram)

    compiled.prepare(int(texts.str.len_bytes().sum()))
    signed = sign(texts, settings, guard)
    text_keys = signed.exact ^ signed.guard
    twin = first_twins(text_keys)
    alone = standing_alone(twin, signed.counts)

    def codes(band: U64) -> U64:
        return bucket_codes(band[alone], alone)

    found = candidates(in_threads(codes, list(signed.keys)), signed.guard)
    verify = verifier(signed.counts, read)
    linked = link(twin, found, verify, settings)
    labels, torn = split_by_gold(linked.labels, golds, ranks)
    chosen = survivors(labels, ranks)
    stays = chosen[:own] == np.arange(own)
    lost = np.flatnonzero(~stays)
    clusters = cluster_names(text_keys[chosen[:own]])
    fate = pl.DataFrame(
        {
            "row_id": ids.gather(lost),
            "cluster_id": clusters.gather(lost),
            "survivor": ids.gather(chosen[lost]),
            "similarity": similarity_to(chosen, lost, linked, verify),
            "exact": signed.exact[lost] == signed.exact[chosen[lost]],
        }
    )
    kept = rows.with_columns(cluster_id=clusters).filter(pl.Series(stays))
    groups = cluster_names(text_keys[linked.labels[:own]])
    conflicts = conflicting(rows, ids.head(own), groups, pl.Series(torn[:own]), pl.Series(stays))
    sample, share = draw_sample(signed.draw, signed.counts)
    recall = measure_recall(sample, share, read, signed.guard, linked.labels, settings.threshold)
    audit = (
        linked.audit
        | recall
        | {
            "rows": own,
            "kept": kept.height,
            "dropped": lost.size,
            "conflicts": conflicts["cluster_id"].n_unique(),
        }
    )
    left, right = linked.pairs[:, 0], linked.pairs[:, 1]
    pairs = pl.DataFrame({"left": left, "right": right, "similarity": linked.similarities})
    return DedupResult(kept, drop_duplicates(rows[lost], fate, step), audit, pairs, conflicts)


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
    places = pl.format("row-{}", pl.int_range(first + 1, first + 1 + pl.len()))
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
