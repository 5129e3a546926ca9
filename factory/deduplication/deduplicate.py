"""Deduplicate one table in memory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import polars as pl
import pyarrow as pa

from factory.deduplication.audit import measure_recall
from factory.deduplication.bands import Pairs, candidate_pairs, optimal_bands
from factory.deduplication.clusters import components, preference, survivors
from factory.deduplication.result import DedupResult, Known
from factory.deduplication.shingles import may_have_a_twin
from factory.deduplication.signatures import Reading, read, read_again, sign
from factory.deduplication.similarity import jaccard
from factory.errors import UsageError
from factory.recipe.deduplication import DeduplicationSection, Keep
from factory.store.writer import dropped_rows
from factory.text.hashing import U64
from factory.text.tokens import Places

RESPONSE_FIELDS = ("reasoning", "content")
"""A response is deduplicated as a whole: asking for either of these compares both together."""

SHORT = 128
"""N-grams up to which a text is looked at before it is signed."""
_HOPELESS = 0.25
"""Pairs whose signatures agree by this much less than the threshold are not verified: with 128 permutations that is
seven standard errors at similarity 0.8."""


def deduplicate(
    rows: pl.DataFrame,
    settings: DeduplicationSection,
    *,
    field: str,
    priority: Sequence[Keep] | None = None,
    within: str | None = None,
    step: str = "dedup",
    against: pl.DataFrame | None = None,
    known: Known | None = None,
    seed: int = 0,
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
        known: what an earlier run of the same rows with the same or a lower threshold found; nothing is signed again.
        seed: draws the sample of the audit.

    Returns:
        `kept` has the column `cluster_id`; `dropped` carries cluster, survivor and similarity as evidence.

    Raises:
        UsageError: a column is missing.
    """
    own = rows.height
    texts = text_of(rows, field)
    guard = _column(rows, within)
    ranks = preference(rows, texts, priority or settings.keep, settings.sources)
    ids = row_ids(rows)
    if against is not None and against.height:
        texts = pl.concat([texts, text_of(against, field)])
        other = _column(against, within)
        guard = None if guard is None or other is None else pl.concat([guard, other])
        ranks = np.concatenate([ranks + against.height, np.arange(against.height)])
        ids = pl.concat([ids, "against:" + row_ids(against)])
    if known is None:
        reading = read(
            texts,
            ngram=settings.ngram,
            permutations=settings.permutations,
            numbers_differ=settings.numbers_differ,
            within=guard,
        )
        linked = link(reading, settings)
    else:
        reading = remembered(known, texts, settings.ngram)
        linked = relink(reading, known.pairs, settings.threshold)
    chosen = survivors(linked.labels, ranks)
    lost = np.flatnonzero(chosen[:own] != np.arange(own))
    nearness = similarity_to(chosen, lost, reading, linked)
    clusters = cluster_ids(reading, chosen)
    kept = rows.with_columns(cluster_id=clusters[:own]).filter(pl.Series(chosen[:own] == np.arange(own)))
    dropped = drop_duplicates(
        rows[lost],
        ids=ids.gather(lost),
        survivors=ids.gather(chosen[lost]),
        clusters=clusters.gather(lost),
        similarities=nearness,
        exact=reading.exact[lost] == reading.exact[chosen[lost]],
        step=step,
    )
    recall = {"recall": None} if known else measure_recall(reading, linked.labels, settings, seed=seed)
    audit = linked.audit | recall | {"rows": own, "kept": kept.height, "dropped": len(lost)}
    pairs = pl.DataFrame(
        {"left": linked.pairs[:, 0], "right": linked.pairs[:, 1], "similarity": linked.similarities}
    )
    keys = pl.DataFrame({"exact": reading.exact, "guard": reading.guard})
    return DedupResult(kept, dropped, audit, Known(keys, pairs))


@dataclass(frozen=True, slots=True)
class Linked:
    """Clusters of rows and the verified pairs that made them; `twin` is the first row with the same canonical text."""

    labels: Places
    pairs: Pairs
    similarities: npt.NDArray[np.float64]
    twin: Places
    audit: dict[str, Any]


def link(reading: Reading, settings: DeduplicationSection) -> Linked:
    """Find all pairs of duplicates and join them: exact ones by hash, near ones by LSH and exact Jaccard."""
    first, inverse = _firsts(reading.exact ^ reading.guard)
    twins = np.flatnonzero(first[inverse] != np.arange(inverse.size))
    exact = np.stack([first[inverse[twins]], twins], axis=1).astype(np.int64)
    bands, width = optimal_bands(settings.threshold, settings.permutations, settings.false_negative_weight)
    alone = np.sort(first)
    if reading.minhash is not None:
        minhash = reading.minhash[alone]
    else:
        alone = alone[worth_signing(reading, alone, settings.threshold)]
        minhash = sign(reading.grams(alone), settings.permutations)
    found = candidate_pairs(minhash, reading.guard[alone], bands, width)
    promising = found[_agreement(minhash, found) >= settings.threshold - _HOPELESS]
    pairs = alone[promising].reshape(-1, 2)
    similarities = jaccard(pairs, reading.grams, reading.counts)
    good = similarities >= settings.threshold
    all_pairs = np.concatenate([exact, pairs[good]])
    all_similarities = np.concatenate([np.ones(len(exact)), similarities[good]])
    audit = {
        "threshold": settings.threshold,
        "ngram": settings.ngram,
        "bands": bands,
        "rows_a_band": width,
        "exact_pairs": len(exact),
        "signed_rows": int(alone.size),
        "candidate_pairs": len(found),
        "verified_pairs": int(good.sum()),
    }
    return Linked(components(len(reading), all_pairs), all_pairs, all_similarities, first[inverse], audit)


def remembered(known: Known, texts: pl.Series, ngram: int) -> Reading:
    """The reading of an earlier run; n-grams are read from the texts when a pair needs them."""
    exact, guard = (known.keys[name].to_numpy() for name in ("exact", "guard"))
    counts = texts.str.len_bytes().to_numpy().astype(np.int64)
    return Reading(exact, guard, counts, lambda rows: read_again(texts.gather(rows), ngram), None)


def relink(reading: Reading, pairs: pl.DataFrame, threshold: float) -> Linked:
    """Clusters of the stored pairs that reach a threshold."""
    good = pairs.filter(pl.col("similarity") >= threshold)
    chosen = good.select("left", "right").to_numpy().astype(np.int64)
    first, inverse = _firsts(reading.exact ^ reading.guard)
    audit = {"threshold": threshold, "candidate_pairs": pairs.height, "verified_pairs": good.height}
    similarities = good["similarity"].to_numpy()
    return Linked(components(len(reading), chosen), chosen, similarities, first[inverse], audit)


def worth_signing(reading: Reading, rows: Places, threshold: float) -> Places:
    """Which of `rows` (positions) may have a near-duplicate: all long texts, and short ones that `may_have_a_twin`.

    A signature costs by text, the look at its n-grams by n-gram: it pays for short texts only. Two texts of similarity
    t differ in length by a factor of 1 / t at most, repeated n-grams aside: twice as much is allowed for.
    """
    counts = reading.counts[rows]
    looked_at = np.flatnonzero(counts <= 2 * SHORT / threshold)
    near = may_have_a_twin(reading.grams(rows[looked_at]), reading.guard[rows[looked_at]], threshold)
    wanted = counts > SHORT
    wanted[looked_at[near]] = True
    return np.flatnonzero(wanted)


def _firsts(keys: U64) -> tuple[Places, Places]:
    """The first row of every different key, and for every row which of them is its own."""
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    return first.astype(np.int64), inverse.astype(np.int64)


def _agreement(minhash: npt.NDArray[np.uint32], pairs: Pairs) -> npt.NDArray[np.float64]:
    """Share of equal MinHash values: an unbiased estimate of the Jaccard similarity."""
    result = np.empty(len(pairs))
    for start in range(0, len(pairs), 65_536):
        left, right = pairs[start : start + 65_536].T
        result[start : start + left.size] = (minhash[left] == minhash[right]).mean(axis=1)
    return result


def similarity_to(chosen: Places, lost: Places, reading: Reading, linked: Linked) -> npt.NDArray[np.float64]:
    """Jaccard similarity of every dropped row to its survivor."""
    left, right = linked.twin[chosen[lost]], linked.twin[lost]
    nearness = np.ones(lost.size)
    pairs = np.sort(np.stack([left, right], axis=1), axis=1)
    code, known = (p[:, 0] << 32 | p[:, 1] for p in (pairs, np.sort(linked.pairs, axis=1)))
    order = np.argsort(known)
    place = np.minimum(np.searchsorted(known[order], code), max(known.size - 1, 0))
    found = known[order][place] == code if known.size else np.zeros(code.size, dtype=bool)
    nearness[found] = linked.similarities[order][place[found]]
    rest = np.flatnonzero(~found & (left != right))
    nearness[rest] = jaccard(pairs[rest], reading.grams, reading.counts)
    return nearness


def cluster_ids(reading: Reading, chosen: Places) -> pl.Series:
    """`c-` and 16 hex of the survivor's canonical text and guard: the same in every run."""
    keys = (reading.exact ^ reading.guard)[chosen].astype(">u8")
    letters = np.empty((keys.size, 18), dtype=np.uint8)
    letters[:, :2] = np.frombuffer(b"c-", dtype=np.uint8)
    letters[:, 2:] = np.frombuffer(keys.tobytes().hex().encode(), dtype=np.uint8).reshape(-1, 16)
    bounds = np.arange(0, 18 * keys.size + 1, 18, dtype=np.int64)
    array = pa.LargeStringArray.from_buffers(keys.size, pa.py_buffer(bounds), pa.py_buffer(letters))
    return pl.Series("cluster_id", array)


def drop_duplicates(
    rows: pl.DataFrame,
    *,
    ids: pl.Series,
    survivors: pl.Series,
    clusters: pl.Series,
    similarities: npt.NDArray[np.float64],
    exact: npt.NDArray[np.bool_],
    step: str,
) -> pl.DataFrame:
    """Rows of `schemas.DROPPED` with cluster, survivor and similarity as evidence."""
    evidence = [
        json.dumps({"cluster_id": cluster, "survivor": survivor, "similarity": round(similarity, 4)})
        for cluster, survivor, similarity in zip(clusters, survivors, similarities.tolist(), strict=True)
    ]
    marks = rows.with_columns(
        pl.Series("__id", ids),
        pl.Series("__evidence", evidence, dtype=pl.String),
        pl.Series("__exact", exact),
        pl.Series("__survivor", survivors),
    )
    reason = pl.when("__exact").then(pl.lit("exact_duplicate")).otherwise(pl.lit("near_duplicate"))
    dropped = dropped_rows(
        marks,
        step=step,
        reason=reason,
        id_column="__id",
        detail=pl.format("duplicate of {}", "__survivor"),
        evidence=pl.col("__evidence"),
    )
    whole = [orjson.dumps(row, default=str).decode() for row in rows.iter_rows(named=True)]
    return dropped.with_columns(row=pl.Series("row", whole, dtype=pl.String))


def text_of(rows: pl.DataFrame, field: str) -> pl.Series:
    """The texts to compare. For `reasoning` or `content` of a response: both, one after the other.

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
    return rows[field].cast(pl.String).fill_null("").rename("text")


def row_ids(rows: pl.DataFrame) -> pl.Series:
    """The rows' ids: `response_id`, else `id`, else `row-N` by position from 1; gaps are filled by position."""
    name = next((n for n in ("response_id", "id") if n in rows.columns), None)
    places = pl.format("row-{}", pl.int_range(1, pl.len() + 1))
    expression = places if name is None else pl.coalesce(pl.col(name).cast(pl.String), places)
    return rows.select(expression.alias("id"))["id"] if rows.width else pl.Series("id", [], dtype=pl.String)


def _column(rows: pl.DataFrame, name: str | None) -> pl.Series | None:
    if name is None:
        return None
    if name not in rows.columns:
        raise UsageError(f"no column {name} to compare within")
    return rows[name].cast(pl.String)
