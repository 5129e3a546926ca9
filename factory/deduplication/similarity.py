"""Exact Jaccard similarity of pairs of texts, over their sets of word n-grams."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from factory.deduplication.bands import Pairs
from factory.deduplication.shingles import Shingles, in_parallel
from factory.deduplication.signatures import Grams
from factory.text.hashing import U64, distinct
from factory.text.tokens import Places

CHUNK = 2**19
"""N-grams that are looked at together when pairs are verified."""
_DOCUMENT_BITS = np.uint64(24)
_HASH_BITS = np.uint64(40)


def shingle_sets(shingles: Shingles) -> tuple[U64, Places]:
    """The n-gram set of every text as sorted keys (24 bits text, 40 bits hash), and the offsets of the texts.

    40 bits make a chance meeting of two texts of 1,500 n-grams a matter of two in a million.
    """
    offsets = shingles.offsets
    rows = np.repeat(np.arange(offsets.size - 1, dtype=np.uint64), np.diff(offsets))
    keys = distinct(rows << _HASH_BITS | shingles.values >> _DOCUMENT_BITS)
    bounds = np.searchsorted(keys, np.arange(offsets.size, dtype=np.uint64) << _HASH_BITS)
    return keys, bounds


def jaccard(pairs: Pairs, grams: Grams, counts: Places) -> npt.NDArray[np.float64]:
    """Jaccard similarity of every pair.

    Args:
        pairs: shape (pairs, 2), row indices.
        grams: gives the n-grams of rows.
        counts: n-grams of every row; bounds what is held in memory at a time.
    """
    result = np.zeros(len(pairs))
    if not len(pairs):
        return result
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    load = np.cumsum(counts[pairs[order]].sum(axis=1))
    cuts = np.searchsorted(load, np.arange(CHUNK, int(load[-1]), CHUNK))
    edges = distinct(np.concatenate([[0], cuts, [len(pairs)]]))

    def work(first: int, last: int) -> None:
        part = order[first:last]
        result[part] = _jaccard(pairs[part], grams)

    in_parallel(work, list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)))
    return result


def _jaccard(pairs: Pairs, grams: Grams) -> npt.NDArray[np.float64]:
    rows, local = np.unique(pairs, return_inverse=True)
    keys, bounds = shingle_sets(grams(rows))
    counts = np.diff(bounds)
    local = local.reshape(pairs.shape)
    swap = counts[local[:, 0]] > counts[local[:, 1]]
    few, many = np.where(swap, local[:, 1], local[:, 0]), np.where(swap, local[:, 0], local[:, 1])
    lengths = counts[few]
    total = np.cumsum(lengths)
    place = np.arange(int(total[-1])) - np.repeat(total - lengths, lengths) + np.repeat(bounds[few], lengths)
    asked = keys[place] & np.uint64(2**40 - 1) | np.repeat(many.astype(np.uint64), lengths) << _HASH_BITS
    at = np.minimum(np.searchsorted(keys, asked), keys.size - 1)
    owner = np.repeat(np.arange(len(pairs)), lengths)
    shared = np.bincount(owner, weights=keys[at] == asked, minlength=len(pairs)) if keys.size else 0
    union = counts[few] + counts[many] - shared
    return np.divide(shared, union, out=np.zeros(len(pairs)), where=union > 0)
