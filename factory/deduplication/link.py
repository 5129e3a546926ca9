"""From what is kept of the texts to clusters: exact duplicates by hash, near ones by verified pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from factory.config.deduplication import Conflicts, DeduplicationSection
from factory.deduplication.audit import draw_sample, measure_recall
from factory.deduplication.bands import Pairs, candidates, optimal_bands
from factory.deduplication.clusters import components, survivors
from factory.deduplication.evidence import cluster_names
from factory.deduplication.golds import leading_parts, split_by_gold
from factory.deduplication.signatures import Signed
from factory.deduplication.similarity import Reader, Similarities, Verify
from factory.text.hashing import U64
from factory.text.tokens import Places


@dataclass(frozen=True, slots=True)
class Linked:
    """Clusters of rows and the verified pairs that made them; `twin` is the first row with the same text and guard."""

    labels: Places
    pairs: Pairs
    similarities: Similarities
    twin: Places
    audit: dict[str, Any]


def cluster(
    signed: Signed,
    find: Callable[[Places], Iterable[U64]],
    verify: Verify,
    read: Reader,
    settings: DeduplicationSection,
) -> Linked:
    """Clusters of signed rows, with the self-audit.

    Args:
        signed: what is kept of the rows; the keys are not looked at.
        find: of some rows (ascending), the pairs that share a bucket, band by band (`bands.bucket_codes`).
        verify: gives the exact similarity of pairs.
        read: gives the n-grams of the audit's sample.
        settings: threshold, n-gram length, bands.
    """
    twin = first_twins(signed.text_keys)
    found = candidates(find(standing_alone(twin, signed.counts)), signed.guard)
    linked = link(twin, found, verify, settings)
    sample, share = draw_sample(signed.draw, signed.counts)
    linked.audit.update(measure_recall(sample, share, read, signed.guard, linked.labels, settings.threshold))
    return linked


def first_twins(keys: U64) -> Places:
    """For every row the first row with the same key."""
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    return first[inverse]


def standing_alone(twin: Places, counts: npt.NDArray[np.int32]) -> Places:
    """Rows that may have near-duplicates: the first of every text that has an n-gram."""
    return np.flatnonzero((twin == np.arange(twin.size)) & (counts > 0))


def link(twin: Places, found: Pairs, verify: Verify, settings: DeduplicationSection) -> Linked:
    """Verify candidate pairs and join rows to clusters."""
    twins = np.flatnonzero(twin != np.arange(twin.size))
    exact = np.stack([twin[twins], twins], axis=1)
    nearness = verify(found)
    good = nearness >= settings.threshold
    pairs = np.concatenate([exact, found[good]])
    bands, width = optimal_bands(settings.threshold, settings.permutations, settings.false_negative_weight)
    audit = {
        "threshold": settings.threshold,
        "ngram": settings.ngram,
        "bands": bands,
        "rows_a_band": width,
        "exact_pairs": len(exact),
        "candidate_pairs": len(found),
        "verified_pairs": int(good.sum()),
    }
    sure = np.concatenate([np.ones(len(exact)), nearness[good]])
    return Linked(components(twin.size, pairs), pairs, sure, twin, audit)


def relink(twin: Places, pairs: Pairs, known: Similarities, threshold: float) -> Linked:
    """Clusters of the pairs of an earlier run that reach a threshold; nothing is audited."""
    good = known >= threshold
    audit = {
        "threshold": threshold,
        "candidate_pairs": len(pairs),
        "verified_pairs": int(good.sum()),
        "recall": None,
    }
    return Linked(components(twin.size, pairs[good]), pairs[good], known[good], twin, audit)


@dataclass(frozen=True, slots=True)
class Settled:
    """What becomes of the first `own` rows; the others are only compared against.

    `chosen`: the survivor of every row. `lost`: the rows that are dropped, ascending, and their similarity to their
    survivors. `torn`: whether a row is in a cluster with contradicting golds. `outvoted`: whether it is dropped for its gold.
    """

    signed: Signed
    labels: Places
    chosen: Places
    lost: Places
    nearness: Similarities
    torn: npt.NDArray[np.bool_]
    outvoted: npt.NDArray[np.bool_]
    own: int

    @property
    def counts(self) -> dict[str, int]:
        """Rows, rows kept and dropped, clusters with contradicting golds."""
        lost, conflicts = int(self.lost.size), np.unique(self.labels[: self.own][self.torn[: self.own]]).size
        return {"rows": self.own, "kept": self.own - lost, "dropped": lost, "conflicts": conflicts}

    def fate(self, names: pl.Series, first: int, last: int) -> pl.DataFrame:
        """A table of the rows from `first` to `last`; `names`: the id of the survivor of every lost row.

        Columns `cluster_id`, `group` (the cluster before it was split by golds), `torn`, `outvoted`, and of dropped rows only
        `survivor`, `similarity` and `exact`.
        """
        keys, here = self.signed.text_keys, slice(first, last)
        low, high = np.searchsorted(self.lost, [first, last])
        gone, keeps = self.lost[low:high], self.chosen[self.lost[low:high]]
        every = {
            "place": np.arange(last - first),
            "cluster_id": cluster_names(keys[self.chosen[here]]),
            "group": cluster_names(keys[self.labels[here]]),
            "torn": self.torn[here],
            "outvoted": self.outvoted[here],
        }
        told = {
            "place": gone - first,
            "survivor": names[low:high],
            "similarity": self.nearness[low:high],
            "exact": self.signed.exact[gone] == self.signed.exact[keeps],
        }
        joined = pl.DataFrame(every).join(pl.DataFrame(told), on="place", how="left", maintain_order="left")
        return joined.drop("place")


def settle(
    signed: Signed,
    linked: Linked,
    golds: U64,
    ranks: Places,
    own: int,
    verify: Verify,
    settings: DeduplicationSection,
) -> Settled:
    """Choose the survivors: clusters are split by `golds`, and of each part the row of the first rank stays.

    So does, of the rows that are less similar to it than the threshold (they are near it by a chain of others), the row of the
    first rank, and so on. `verify` is called several times. `settings.conflicts`: what becomes of the parts of one cluster.
    """
    parts, torn = split_by_gold(linked.labels, golds, ranks)
    chosen, nearness = _survivors_near(parts, ranks, linked, verify, settings.threshold)
    rule, labels = settings.conflicts, parts
    if rule is Conflicts.MAJORITY:
        labels = leading_parts(linked.labels, parts, golds, torn)
    outvoted = labels != parts
    chosen[outvoted] = survivors(parts, ranks)[labels[outvoted]]
    nearness[outvoted] = _similarity_to(chosen, np.flatnonzero(outvoted), linked, verify)
    outvoted = torn if rule is Conflicts.DROP else outvoted & (golds != 0)
    lost = np.flatnonzero((chosen != np.arange(chosen.size))[:own] | outvoted[:own])
    return Settled(signed, linked.labels, chosen, lost, nearness[lost], torn, outvoted, own)


MOST_ROUNDS = 16
"""Survivors of one part that others are held against; rows that are far from all of them stay."""


def _survivors_near(
    parts: Places, ranks: Places, linked: Linked, verify: Verify, threshold: float
) -> tuple[Places, Similarities]:
    """For every row a row of its part that stays and is similar enough to it, and how similar; rows that stay are their own."""
    chosen, nearness = survivors(parts, ranks), np.ones(parts.size)
    rows = np.flatnonzero(chosen != np.arange(chosen.size))
    for _ in range(MOST_ROUNDS):
        if not rows.size:
            break
        nearness[rows] = _similarity_to(chosen, rows, linked, verify)
        rows = rows[nearness[rows] < threshold]
        rows = rows[np.lexsort((ranks[rows], parts[rows]))]
        first = np.ones(rows.size, dtype=bool)
        first[1:] = parts[rows][1:] != parts[rows][:-1]
        chosen[rows] = rows[first][np.cumsum(first) - 1]
        nearness[rows[first]] = 1.0
        rows = np.sort(rows[~first])
    chosen[rows], nearness[rows] = rows, 1.0
    return chosen, nearness


def _similarity_to(chosen: Places, lost: Places, linked: Linked, verify: Verify) -> Similarities:
    """Jaccard similarity of every dropped row to its survivor."""
    pairs = np.sort(np.stack([linked.twin[chosen[lost]], linked.twin[lost]], axis=1), axis=1)
    nearness = np.ones(lost.size)
    code, known = (p[:, 0] << 32 | p[:, 1] for p in (pairs, np.sort(linked.pairs, axis=1)))
    order = np.argsort(known)
    place = np.minimum(np.searchsorted(known[order], code), max(known.size - 1, 0))
    found = known[order][place] == code if known.size else np.zeros(code.size, dtype=bool)
    nearness[found] = linked.similarities[order][place[found]]
    rest = np.flatnonzero(~found & (pairs[:, 0] != pairs[:, 1]))
    nearness[rest] = verify(pairs[rest])
    return nearness
