"""The loop score's inner loop, compiled. Import inside functions only (`factory.text.jit`)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from factory.text.jit import kernel

_BASE = np.uint64(0x9E3779B97F4A7C15)
_EMPTY = np.int64(-1)


@kernel
def worst_stretch(codes: npt.NDArray[np.uint32], shingle: int, reach: int, stretch: int) -> float:
    """The largest share of any `stretch` shingles that also began at most `reach` characters earlier.

    Shingles are told apart by a rolling 64-bit polynomial hash; the last place of each is kept in an open-addressed
    table.

    Args:
        codes: code points of a text of at least `shingle` characters.
        shingle: characters that must recur.
        reach: how far back a recurrence counts.
        stretch: shingles over which the share is taken; all of them in a shorter text.
    """
    count = codes.size - shingle + 1
    bits = 4
    while (1 << bits) < 2 * count:
        bits += 1
    keys = np.zeros(1 << bits, dtype=np.uint64)
    places = np.full(1 << bits, _EMPTY, dtype=np.int64)
    mask = np.uint64((1 << bits) - 1)
    leaving = np.uint64(1)
    for _ in range(shingle):
        leaving *= _BASE
    value = np.uint64(0)
    for i in range(shingle - 1):
        value = value * _BASE + np.uint64(codes[i]) + np.uint64(1)
    repeated = np.zeros(count, dtype=np.uint8)
    width = min(stretch, count)
    inside = best = 0
    for i in range(count):
        value = value * _BASE + np.uint64(codes[i + shingle - 1]) + np.uint64(1)
        if i > 0:
            value -= leaving * (np.uint64(codes[i - 1]) + np.uint64(1))
        slot = ((value ^ (value >> np.uint64(32))) * _BASE >> np.uint64(20)) & mask
        while places[slot] != _EMPTY and keys[slot] != value:
            slot = (slot + np.uint64(1)) & mask
        if places[slot] != _EMPTY and i - places[slot] <= reach:
            repeated[i] = 1
            inside += 1
        keys[slot], places[slot] = value, i
        if i >= width:
            inside -= repeated[i - width]
        best = max(best, inside)
    return best / width
