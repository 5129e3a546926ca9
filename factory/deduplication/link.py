"""From what is kept of the texts to clusters: exact duplicates by hash, near ones by verified pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from factory.config.deduplication import DeduplicationSection
from factory.deduplication.bands import Pairs, optimal_bands
from factory.deduplication.clusters import components
from factory.deduplication.similarity import Similarities, Verify
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
    """Clusters of the pairs of an earlier run that reach a threshold."""
    good = known >= threshold
    audit = {"threshold": threshold, "candidate_pairs": len(pairs), "verified_pairs": int(good.sum())}
    return Linked(components(twin.size, pairs[good]), pairs[good], known[good], twin, audit)


def similarity_to(chosen: Places, lost: Places, linked: Linked, verify: Verify) -> Similarities:
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
