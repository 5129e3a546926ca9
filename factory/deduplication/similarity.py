"""Exact Jaccard similarity of pairs of texts, over their sets of word n-grams."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from factory.deduplication.bands import Pairs
from factory.deduplication.clusters import components
from factory.text.hashing import BASE, U64, distinct, mix, ranges
from factory.text.ngrams import word_ngram_hashes
from factory.text.tokens import Places

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

AT_ONCE = 2**18
"""N-grams that are sorted at a time to compare pairs."""
BLOCK = 2**20
"""N-grams that are held at a time to verify pairs; eight bytes each."""

Similarities = npt.NDArray[np.float64]
Verify = Callable[[Pairs], Similarities]
"""Gives the exact similarity of every pair."""


@dataclass(frozen=True, slots=True)
class GramSets:
    """Different n-gram hashes of texts, one after another; those of text i are `grams[offsets[i]:offsets[i + 1]]`."""

    grams: U64
    offsets: Places


Reader = Callable[[Places], GramSets]
"""Gives the sets of the rows with these indices, in this order."""


def gram_sets(texts: pl.Series, ngram: int) -> GramSets:
    """The sets of texts; nulls count as empty."""
    grams, offsets = word_ngram_hashes(texts, ngram)
    rows = np.repeat(np.arange(len(texts), dtype=np.uint64), np.diff(offsets))
    names = pl.Series(mix(grams + rows * np.uint64(BASE)))  # of n-gram and row together
    fresh = names.is_first_distinct().to_numpy()
    return GramSets(grams[fresh], np.concatenate([[0], np.cumsum(fresh)])[offsets])


def in_threads(work: Callable[[_Item], _Result], items: Sequence[_Item]) -> list[_Result]:
    """`work` on every item, in as many threads as polars has."""
    threads = pl.thread_pool_size()
    if len(items) < 2 or threads < 2:
        return [work(item) for item in items]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, items))


def jaccard(pairs: Pairs, read: Reader) -> Similarities:
    """Jaccard similarity of every pair; pairs of a block, next to each other by their first row."""
    rows = distinct(pairs.ravel())
    return similarities(np.searchsorted(rows, pairs).reshape(-1, 2), read(rows))


def similarities(pairs: Pairs, sets: GramSets) -> Similarities:
    """Jaccard similarity of pairs of sets, named by their places."""
    result = np.zeros(len(pairs))
    sizes = np.diff(sets.offsets)
    total = sizes[pairs].sum(axis=1)
    shared = np.zeros(len(pairs), dtype=np.int64)
    edges = np.searchsorted(np.cumsum(total), np.arange(AT_ONCE, int(total.sum()) + AT_ONCE, AT_ONCE))
    first = 0
    for last in [*(edges + 1).tolist(), len(pairs)]:
        if first < last:
            shared[first:last] = _shared(pairs[first:last], sets)
            first = last
    full = total > 0
    result[full] = shared[full] / (total - shared)[full]
    return result


def _shared(pairs: Pairs, sets: GramSets) -> Places:
    """How many n-grams both sets of every pair have.

    The n-grams of a pair are sorted together: what stands twice is shared. Beside the number of the pair, 64 bits hold
    all but the last of the hash, one bit for every doubling of the number of pairs.
    """
    names = sets.grams[ranges(sets.offsets[pairs.ravel()], np.diff(sets.offsets)[pairs.ravel()])]
    bits = np.uint64(max(int(len(pairs) - 1).bit_length(), 1))
    number = np.repeat(np.arange(len(pairs), dtype=np.uint64), np.diff(sets.offsets)[pairs].sum(axis=1))
    ordered = np.sort(number << (np.uint64(64) - bits) | names >> bits)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    return np.bincount((twice >> (np.uint64(64) - bits)).astype(np.int64), minlength=len(pairs))


def arrange(
    pairs: Pairs, counts: npt.NDArray[np.int32], limit: int = BLOCK
) -> tuple[Places, list[tuple[int, int]]]:
    """An order in which pairs of one family follow each other, and blocks of it whose rows have `limit` n-grams.

    So few rows are read for more than one block. A pair of longer texts is a block of its own.
    """
    if not len(pairs):
        return np.zeros(0, np.int64), []
    rows = distinct(pairs.ravel())
    local = np.searchsorted(rows, pairs).reshape(-1, 2)
    family = components(rows.size, local)[local[:, 0]]
    order = np.lexsort((local[:, 1], local[:, 0], family))
    left, right = rows[local[order]].T
    load = counts[right].astype(np.int64) + counts[left] * (np.diff(left, prepend=-1) != 0)
    _, block = np.unique((np.cumsum(load) - 1) // limit, return_inverse=True)
    edges = np.searchsorted(block, np.arange(int(block[-1]) + 2)).tolist()
    return order, list(itertools.pairwise(edges))


def verifier(counts: npt.NDArray[np.int32], read: Reader) -> Verify:
    """Verify pairs in memory, block by block, in threads."""

    def verify(pairs: Pairs) -> Similarities:
        order, blocks = arrange(pairs, counts)
        found = in_threads(lambda block: jaccard(pairs[order[block[0] : block[1]]], read), blocks)
        result = np.zeros(len(pairs))
        result[order] = np.concatenate([np.zeros(0), *found])
        return result

    return verify
