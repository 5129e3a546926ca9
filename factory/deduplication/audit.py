"""Self-audit: on a random sample, what brute force finds is compared with what the clusters say."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from factory.deduplication.bands import Pairs
from factory.deduplication.shingles import Shingles, in_parallel
from factory.deduplication.signatures import Reading
from factory.recipe.deduplication import DeduplicationSection
from factory.text.hashing import U64
from factory.text.tokens import Places

QUERIES = 500
"""Rows that are compared by brute force ..."""
QUERY_GRAMS = 2**15
"""... or rows of so many n-grams ..."""
CORPUS_GRAMS = 2**23
"""... with rows of so many n-grams: the audit must not cost more than the work."""
_FILTER_BITS = 22


def measure_recall(
    reading: Reading, labels: Places, settings: DeduplicationSection, *, seed: int
) -> dict[str, Any]:
    """Share of the true pairs of a random sample whose rows are in one cluster.

    Returns:
        `audit_pairs`: true pairs in the sample; `audit_found`: of them in one cluster; `recall`: None without pairs.
    """
    count = len(reading)
    rng = np.random.default_rng(seed)
    order = rng.permutation(count)
    load = np.cumsum(reading.counts[order])
    most = min(count, max(int(np.searchsorted(load, CORPUS_GRAMS)), min(count, 2)))
    corpus = np.sort(order[:most])
    asking = order[: min(max(int(np.searchsorted(load, QUERY_GRAMS)), 20), QUERIES, most)]
    true, _ = brute_force(reading.grams(corpus), np.sort(np.searchsorted(corpus, asking)), settings.threshold)
    left, right = corpus[true[:, 0]], corpus[true[:, 1]]
    same = reading.guard[left] == reading.guard[right]
    found = int((labels[left[same]] == labels[right[same]]).sum())
    total = int(same.sum())
    return {"audit_pairs": total, "audit_found": found, "recall": found / total if total else None}


def brute_force(shingles: Shingles, queries: Places, least: float) -> tuple[Pairs, npt.NDArray[np.float64]]:
    """All pairs of a query and another text of a Jaccard similarity of `least` and more, with their exact similarity.

    Only n-grams of queries matter: all others are turned away by a table of bits before anything is sorted.
    """
    asked, owners = _sets(shingles.take(queries))
    order = np.argsort(asked)
    table, asker = asked[order], queries[owners[order]]
    known = np.zeros(1 << _FILTER_BITS, dtype=bool)
    shift = np.uint64(64 - _FILTER_BITS)
    known[table >> shift] = True
    hits: dict[int, Places] = {}

    def work(first: int, last: int) -> None:
        low, high = int(shingles.offsets[first]), int(shingles.offsets[last])
        hits[low] = np.flatnonzero(known[shingles.values[low:high] >> shift]) + low

    in_parallel(work, list(shingles.blocks()))
    near = np.concatenate([np.zeros(0, np.int64), *(hits[low] for low in sorted(hits))])
    owner = np.searchsorted(shingles.offsets, near, side="right") - 1
    low = np.searchsorted(table, shingles.values[near], "left")
    counts = np.searchsorted(table, shingles.values[near], "right") - low
    place = (
        np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(low, counts)
    )
    size = max(shingles.offsets.size - 1, 1)
    # An n-gram may stand in the other text several times: each counts once.
    pair = asker[place] * size + np.repeat(owner, counts)
    order = np.lexsort((place, pair))
    pair, place = pair[order], place[order]
    fresh = np.ones(pair.size, dtype=bool)
    fresh[1:] = (pair[1:] != pair[:-1]) | (place[1:] != place[:-1])
    codes, shared = np.unique(pair[fresh], return_counts=True)
    left, right = codes // size, codes % size
    other = left != right
    left, right, shared = left[other], right[other], shared[other]
    asked_sizes = np.zeros(size, dtype=np.int64)
    asked_sizes[queries] = np.bincount(owners, minlength=queries.size)
    enough = shared >= least * asked_sizes[left] - 1e-9  # no union is smaller than the query's own set
    left, right, shared = left[enough], right[enough], shared[enough]
    rows, place = np.unique(right, return_inverse=True)
    other_sizes = np.bincount(_sets(shingles.take(rows))[1], minlength=rows.size)[place]
    similarity = shared / (asked_sizes[left] + other_sizes - shared)
    good = similarity >= least
    return np.stack([left[good], right[good]], axis=1), similarity[good]


def _sets(shingles: Shingles) -> tuple[U64, Places]:
    """Every different n-gram of every text, and its text."""
    rows = np.repeat(np.arange(shingles.offsets.size - 1), np.diff(shingles.offsets))
    order = np.lexsort((shingles.values, rows))
    values, rows = shingles.values[order], rows[order]
    fresh = np.ones(rows.size, dtype=bool)
    fresh[1:] = (values[1:] != values[:-1]) | (rows[1:] != rows[:-1])
    return values[fresh], rows[fresh]
