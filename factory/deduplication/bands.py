"""LSH bands: how many, how wide, and which pairs of rows share one."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from factory.text.hashing import U64, distinct, ranges
from factory.text.tokens import Places

Pairs = npt.NDArray[np.int64]
"""Shape (pairs, 2): row indices, the smaller one first."""

NEIGHBOURS = 200
"""In a bucket of more rows, a row is compared with the bucket's first row and with this many neighbours only: those
that stand next to it in the input."""


@lru_cache(maxsize=64)
def optimal_bands(threshold: float, permutations: int, false_negative_weight: float) -> tuple[int, int]:
    """Bands and rows a band with the least weighted error (Leskovec et al., Mining of Massive Datasets, ch. 3.4).

    Two texts of similarity s share a band with probability P(s) = 1 - (1 - s**rows)**bands. The error is the area
    under P below the threshold (needless comparisons) and above P beyond it (missed pairs), weighted.
    """
    s = np.linspace(0, 1, 1001)
    below = s < threshold
    best, choice = np.inf, (1, 1)
    for rows in range(1, permutations + 1):
        for bands in range(1, permutations // rows + 1):
            proposed = 1 - (1 - s**rows) ** bands
            error = (1 - false_negative_weight) * proposed[below].sum() + false_negative_weight * (
                1 - proposed[~below]
            ).sum()
            if error < best:
                best, choice = error, (bands, rows)
    return choice


def bucket_codes(keys: U64, rows: Places, neighbours: int = NEIGHBOURS) -> U64:
    """All pairs of rows with equal keys, in order, as `left << 32 | right`.

    Keys are compared by their high bits, as many as the number of rows leaves free in 64: rows that meet by chance are
    verified like all others. In buckets of more than `neighbours` rows not all pairs are given; see there.

    Args:
        keys: the bucket of every row in one band; none is 0.
        rows: the rows' numbers, ascending.
        neighbours: as above.
    """
    bits = np.uint64(max(int(rows.size - 1).bit_length(), 1))
    ordered = np.sort(keys >> bits << bits | np.arange(rows.size, dtype=np.uint64))
    buckets, owners = (
        ordered >> bits,
        rows[(ordered & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.int64)],
    )
    fresh = np.ones(ordered.size, dtype=bool)
    fresh[1:] = buckets[1:] != buckets[:-1]
    starts = np.flatnonzero(fresh)
    sizes = np.diff(np.append(starts, ordered.size))
    starts, sizes = starts[sizes > 1], sizes[sizes > 1]  # usually a small share
    place = ranges(np.zeros_like(sizes), sizes)
    at = np.repeat(starts, sizes) + place
    counts = np.minimum(place, neighbours)
    right, left = np.repeat(at, counts), ranges(at - counts, counts)
    far = place > neighbours
    left = np.concatenate([left, (at - place)[far]])
    right = np.concatenate([right, at[far]])
    return distinct(owners[left].astype(np.uint64) << np.uint64(32) | owners[right].astype(np.uint64))


def candidates(bands: Iterable[U64], guard: U64) -> Pairs:
    """Every pair of rows that shares a bucket in some band (`bucket_codes`) and has the same guard, once, in order."""
    found = np.zeros(0, dtype=np.uint64)
    for codes in bands:
        found = distinct(np.concatenate([found, codes]))
    pairs = np.stack([found >> np.uint64(32), found & np.uint64(2**32 - 1)], axis=1).astype(np.int64)
    return pairs[guard[pairs[:, 0]] == guard[pairs[:, 1]]]
