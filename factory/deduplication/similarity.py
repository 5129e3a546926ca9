"""Exact Jaccard similarity of pairs of texts, over their sets of word n-grams."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from factory.deduplication.bands import Pairs
from factory.deduplication.clusters import components
from factory.deduplication.sets import GramSets, Reader, in_threads
from factory.text.hashing import distinct
from factory.text.tokens import Places

BLOCK = 2**20
"""N-grams that are held at a time to verify pairs; eight bytes each."""

Similarities = npt.NDArray[np.float64]
Verify = Callable[[Pairs], Similarities]
"""Gives the exact similarity of every pair."""


def jaccard(pairs: Pairs, read: Reader) -> Similarities:
    """Jaccard similarity of every pair; pairs of a block, next to each other by their first row."""
    rows = distinct(pairs.ravel())
    return similarities(np.searchsorted(rows, pairs).reshape(-1, 2), read(rows))


def similarities(pairs: Pairs, sets: GramSets) -> Similarities:
    """Jaccard similarity of pairs of sets, named by their places."""
    from factory.deduplication import set_kernels

    result = np.zeros(len(pairs))
    left, right = np.ascontiguousarray(pairs[:, 0]), np.ascontiguousarray(pairs[:, 1])
    set_kernels.jaccard_of_pairs(sets.grams, sets.offsets, left, right, result)
    return result


def arrange(
    pairs: Pairs, counts: npt.NDArray[np.int32], limit: int = BLOCK
) -> tuple[Places, list[tuple[int, int]]]:
    """An order in which pairs of one family follow each other, and blocks of it whose rows have `limit` n-grams.

    So few rows are read for more than one block. A pair of longer texts is a block of its own.
    """
    from factory.deduplication import set_kernels

    if not len(pairs):
        return np.zeros(0, np.int64), []
    rows = distinct(pairs.ravel())
    local = np.searchsorted(rows, pairs).reshape(-1, 2)
    family = components(rows.size, local)[local[:, 0]]
    order = np.lexsort((local[:, 1], local[:, 0], family))
    left, right = (np.ascontiguousarray(local[order, side]) for side in (0, 1))
    block = np.empty(order.size, dtype=np.int64)
    set_kernels.cut_blocks(left, right, counts[rows], limit, block)
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
