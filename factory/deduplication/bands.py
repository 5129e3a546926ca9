"""LSH bands: how many, how wide, and which pairs of rows share one."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from factory.text.hashing import BASE, U64, distinct, mix

Pairs = npt.NDArray[np.int64]
"""Shape (pairs, 2): row indices, the smaller one first."""

NEIGHBOURS = 200
"""In a bucket of more rows, a row is compared with the bucket's first row and with this many neighbours only."""


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


def band_keys(signatures: npt.NDArray[np.uint32], guard: U64, bands: int, rows: int) -> Iterator[U64]:
    """One array of bucket keys a band. Rows whose `guard` differs never share a bucket."""
    for band in range(bands):
        columns = signatures[:, band * rows : (band + 1) * rows]
        key = guard ^ np.uint64(band + 1)
        for column in columns.T:
            key = key * np.uint64(BASE) + column
        yield mix(key)


def pairs_of_buckets(keys: U64, neighbours: int = NEIGHBOURS) -> Pairs:
    """All pairs of rows with equal keys; in buckets of more than `neighbours` rows only those described there."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    same = ordered[1:] == ordered[:-1]
    if not same.any():
        return np.zeros((0, 2), dtype=np.int64)
    # Only rows in buckets of two and more matter from here on: usually a small share.
    shared = np.concatenate([same, [False]]) | np.concatenate([[False], same])
    order, ordered = order[shared], ordered[shared]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    sizes = np.diff(np.append(starts, ordered.size))
    left = np.repeat(starts + sizes, sizes) - np.arange(ordered.size) - 1
    parts = []
    place = np.flatnonzero(left > 0)
    for distance in range(1, min(int(sizes.max()), neighbours + 1)):
        place = place[left[place] >= distance]
        parts.append(np.stack([order[place], order[place + distance]], axis=1))
    leader = np.repeat(starts, sizes)
    far = np.flatnonzero(np.arange(ordered.size) - leader > neighbours)
    parts.append(np.stack([order[leader[far]], order[far]], axis=1))
    return np.sort(np.concatenate(parts), axis=1)


def candidate_pairs(signatures: npt.NDArray[np.uint32], guard: U64, bands: int, rows: int) -> Pairs:
    """Every pair of rows that shares a bucket in some band, each once, in order."""
    found = np.zeros(0, dtype=np.uint64)
    for keys in band_keys(signatures, guard, bands, rows):
        pairs = pairs_of_buckets(keys).astype(np.uint64)
        found = distinct(np.concatenate([found, pairs[:, 0] << np.uint64(32) | pairs[:, 1]]))
    return np.stack([found >> np.uint64(32), found & np.uint64(2**32 - 1)], axis=1).astype(np.int64)
