"""The word n-grams of all texts, as hashes in memory, and which texts share enough of them to be looked at."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from factory.text.hashing import U64, mix
from factory.text.tokens import Places

BLOCK = 2**19
"""N-grams that are worked on at a time."""
_MOST_SLOT_BITS = 26
_SHARED = np.uint32(2**32 - 1)


@dataclass(frozen=True, slots=True)
class Shingles:
    """N-gram hashes of texts one after another; those of text i are `values[offsets[i]:offsets[i + 1]]`."""

    values: U64
    offsets: Places

    def take(self, rows: Places) -> Shingles:
        """Those of some texts, in this order."""
        if rows.size == self.offsets.size - 1 and (np.diff(rows) == 1).all():
            return self
        counts = self.offsets[rows + 1] - self.offsets[rows]
        offsets = np.concatenate([[0], np.cumsum(counts)])
        place = np.arange(int(offsets[-1])) + np.repeat(self.offsets[rows] - offsets[:-1], counts)
        return Shingles(self.values[place], offsets)

    def blocks(self, size: int = BLOCK) -> Iterator[tuple[int, int]]:
        """First and last text (exclusive) of blocks of about `size` n-grams."""
        first, count = 0, self.offsets.size - 1
        while first < count:
            last = int(np.searchsorted(self.offsets, self.offsets[first] + size, side="right")) - 1
            last = min(max(last, first + 1), count)
            yield first, last
            first = last


def may_have_a_twin(shingles: Shingles, guard: U64, threshold: float) -> npt.NDArray[np.bool_]:
    """Which texts may have a Jaccard similarity of `threshold` to another text with the same guard.

    A text of similarity t to another shares t of its different n-grams with it. An n-gram that occurs once in the whole
    corpus is shared with nobody, so a text with more than 1 - t such n-grams has no twin. Occurrences are counted in a
    table of hash slots; when two n-grams meet in a slot both count as shared, so no text is turned away wrongly.
    """
    bits = min(max((2 * shingles.values.size).bit_length(), 16), _MOST_SLOT_BITS)
    shift = np.uint64(64 - bits)
    owner = np.zeros(1 << bits, dtype=np.uint32)
    guarded = bool(guard.size and (guard != guard[0]).any())
    lonely = np.zeros(shingles.offsets.size - 1, dtype=np.int64)

    def slots(first: int, last: int) -> tuple[Places, npt.NDArray[np.uint32]]:
        low, high = int(shingles.offsets[first]), int(shingles.offsets[last])
        values = shingles.values[low:high]
        if guarded:
            lengths = np.diff(shingles.offsets[first : last + 1])
            values = mix(values ^ np.repeat(guard[first:last], lengths))
        return (values >> shift).astype(np.int64), np.arange(low, high, dtype=np.uint32)

    def claim(first: int, last: int) -> None:
        places, names = slots(first, last)
        owner[places] = names

    def contest(first: int, last: int) -> None:
        places, names = slots(first, last)
        owner[places[owner[places] != names]] = _SHARED

    def count(first: int, last: int) -> None:
        places, names = slots(first, last)
        alone = np.flatnonzero(owner[places] == names)
        bounds = shingles.offsets[first : last + 1] - shingles.offsets[first]
        lonely[first:last] = np.diff(np.searchsorted(alone, bounds))

    blocks = list(shingles.blocks())
    for work in (claim, contest, count):
        in_parallel(work, blocks)
    lengths = np.diff(shingles.offsets)
    return (lengths > 0) & (lonely <= (1 - threshold) * lengths + 1e-9)


def in_parallel(work: Callable[[int, int], None], blocks: list[tuple[int, int]]) -> None:
    """Run `work(first, last)` for every block, one thread a core; returns when all are done."""
    if len(blocks) < 2:
        for block in blocks:
            work(*block)
        return
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for done in [pool.submit(work, *block) for block in blocks]:
            done.result()
