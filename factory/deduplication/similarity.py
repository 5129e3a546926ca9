"""Exact Jaccard similarity of pairs of texts, over their sets of word n-grams."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import polars as pl

from factory.deduplication.bands import Pairs
from factory.text.hashing import U64, distinct
from factory.text.ngrams import word_ngram_hashes
from factory.text.tokens import Places

CHUNK_BYTES = 32 * 2**20
"""Text that is looked at together when pairs are verified."""
_DOCUMENT_BITS = np.uint64(24)
_HASH_BITS = np.uint64(40)

Texts = Callable[[Places], pl.Series]
"""Gives the texts of the rows with these indices, in this order."""


def shingle_sets(texts: pl.Series, ngram: int) -> tuple[U64, Places]:
    """The n-gram set of every text as sorted keys (24 bits text, 40 bits hash), and the offsets of the texts.

    40 bits make a chance meeting of two texts of 1,500 n-grams a matter of two in a million.
    """
    hashes, offsets = word_ngram_hashes(texts, ngram)
    rows = np.repeat(np.arange(offsets.size - 1, dtype=np.uint64), np.diff(offsets))
    keys = distinct(rows << _HASH_BITS | hashes >> _DOCUMENT_BITS)
    bounds = np.searchsorted(keys, np.arange(offsets.size, dtype=np.uint64) << _HASH_BITS)
    return keys, bounds


def jaccard(pairs: Pairs, texts: Texts, sizes: Places, ngram: int) -> npt.NDArray[np.float64]:
    """Jaccard similarity of every pair.

    Args:
        pairs: shape (pairs, 2), row indices.
        texts: gives the texts of rows.
        sizes: bytes of every row's text; bounds what is held in memory at a time.
        ngram: words a shingle.
    """
    result = np.zeros(len(pairs))
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    load = np.cumsum(sizes[pairs[order]].sum(axis=1))
    cuts = np.searchsorted(load, np.arange(CHUNK_BYTES, int(load[-1]) if load.size else 0, CHUNK_BYTES))
    for part in np.split(order, distinct(cuts)):
        if part.size:
            result[part] = _jaccard(pairs[part], texts, ngram)
    return result


def _jaccard(pairs: Pairs, texts: Texts, ngram: int) -> npt.NDArray[np.float64]:
    rows, local = np.unique(pairs, return_inverse=True)
    keys, bounds = shingle_sets(texts(rows), ngram)
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
