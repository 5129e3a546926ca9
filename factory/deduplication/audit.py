"""Self-audit: of a sample, all pairs are compared without any signature, and the clusters asked whether they know them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from factory.deduplication.bands import Pairs, bucket_codes
from factory.deduplication.similarity import GramSets, Reader, Similarities, similarities
from factory.text.hashing import U64, mix
from factory.text.tokens import Places

LEAST_GRAMS, MOST_GRAMS, SHARE = 2**15, 2**23, 0.02
"""The sample has this share of all n-grams, but at least and at most so many: the audit must cost little."""
NEIGHBOURS = 500
"""Rows of the sample that share an n-gram with this many others are compared with so many of them only."""
_FREQUENCY_BITS, _HASH_BITS, _ROW_BITS = np.uint64(12), np.uint64(28), np.uint64(24)
_MOST_ROWS = 2**24 - 1


def draw_sample(draw: npt.NDArray[np.uint32], counts: npt.NDArray[np.int32]) -> tuple[Places, float]:
    """Rows of a random sample, ascending, and the probability with which a row is in it.

    Similar rows have the same `draw` as often as they are similar (`signatures.Signed`), so a sample of 2% of the rows
    has about 2% of the pairs of duplicates, where one drawn row by row would have 0.04%.
    """
    packed = np.sort(draw.astype(np.uint64) << np.uint64(32) | np.arange(draw.size, dtype=np.uint64))
    order = (packed & np.uint64(2**32 - 1)).astype(np.int64)
    order = order[counts[order] > 0]
    load = np.cumsum(counts[order], dtype=np.int64)
    if not load.size:
        return order, 1.0
    limit = min(max(LEAST_GRAMS, int(SHARE * load[-1])), MOST_GRAMS)
    most = min(max(int(np.searchsorted(load, limit, side="right")), min(2, order.size)), _MOST_ROWS)
    share = 1.0 if most == order.size else (float(draw[order[most - 1]]) + 1) / 2**32
    return np.sort(order[:most]), share


def measure_recall(
    sample: Places, share: float, read: Reader, guard: U64, labels: Places, threshold: float
) -> dict[str, Any]:
    """Share of the sample's true pairs whose rows are in one cluster.

    A pair of similarity J is in the sample with probability J p + (1 - J) p**2; pairs are weighted by its inverse
    (Horvitz and Thompson 1952).

    Returns:
        `audit_rows`; `audit_pairs`: true pairs in the sample; `audit_found`: of them in one cluster; `recall`: None
        without pairs.
    """
    true, nearness = all_pairs(read(sample), threshold)
    left, right = sample[true[:, 0]], sample[true[:, 1]]
    same = guard[left] == guard[right]
    found = labels[left[same]] == labels[right[same]]
    weights = 1 / (nearness[same] * share + (1 - nearness[same]) * share**2)
    return {
        "audit_rows": int(sample.size),
        "audit_pairs": int(same.sum()),
        "audit_found": int(found.sum()),
        "recall": float(round(weights[found].sum() / weights.sum(), 6)) if found.size else None,
    }


def all_pairs(sets: GramSets, least: float) -> tuple[Pairs, Similarities]:
    """All pairs of sets of a Jaccard similarity of `least` and more, as places, and their exact similarity.

    Two sets of that similarity share one of the |A| - ceil(least |A|) + 1 rarest n-grams of either (prefix filter:
    Chaudhuri, Ganti and Kaushik 2006; Bayardo, Ma and Srikant 2007); pairs that do are compared exactly.
    """
    sizes = np.diff(sets.offsets)
    # Counted by some bits of the hash: any order of the n-grams finds the same pairs, rare ones first the sooner.
    slots = (sets.grams >> np.uint64(64 - max(sets.grams.size.bit_length(), 1))).astype(np.int64)
    rarity = np.minimum(np.bincount(slots), (1 << int(_FREQUENCY_BITS)) - 1).astype(np.uint64)[slots]
    rows = np.repeat(np.arange(sizes.size, dtype=np.uint64), sizes)
    name = rarity << _HASH_BITS | sets.grams >> (np.uint64(64) - _HASH_BITS)
    ordered = np.sort(rows << (_FREQUENCY_BITS + _HASH_BITS) | name)
    place = np.arange(ordered.size) - np.repeat(sets.offsets[:-1], sizes)
    prefix = sizes - np.ceil(least * sizes - 1e-9).astype(np.int64) + 1
    chosen = place < np.repeat(prefix, sizes)
    names = ordered[chosen] & np.uint64((1 << int(_FREQUENCY_BITS + _HASH_BITS)) - 1)
    owners = rows[chosen].astype(np.int64)
    names = mix(names)  # `bucket_codes` compares by high bits
    pairs = _of_buckets(names, owners)
    nearness = similarities(pairs, sets)
    good = nearness >= least
    return pairs[good], nearness[good]


def _of_buckets(names: U64, owners: Places) -> Pairs:
    """Pairs of different owners (ascending) of one name."""
    codes = bucket_codes(names, owners, NEIGHBOURS)
    pairs = np.stack([codes >> np.uint64(32), codes & np.uint64(2**32 - 1)], axis=1).astype(np.int64)
    return pairs[pairs[:, 0] != pairs[:, 1]]
