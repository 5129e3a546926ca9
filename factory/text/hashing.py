"""64-bit polynomial hashes of byte ranges, for a whole buffer at once.

With `C` the running sum of `value(byte) * BASE**position`, the hash of bytes `s..e` is `(C[e] - C[s]) * BASE**-s`
modulo 2**64: one pass over the buffer gives the hash of every range in constant time. The constants are written
down, not drawn, so that hashes are the same on every machine and may be stored.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

U64 = npt.NDArray[np.uint64]
BASE = 0x9E3779B97F4A7C15
_MASK = 2**64 - 1


def mix(values: U64) -> U64:
    """The splitmix64 finaliser: a bijection that spreads every input bit over all output bits."""
    mixed = values ^ (values >> np.uint64(30))
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed


def mix_one(value: int) -> int:
    """`mix` of one Python integer."""
    return int(mix(np.array([value & _MASK], dtype=np.uint64))[0])


BYTE_VALUES: U64 = mix(np.arange(1, 257, dtype=np.uint64) * np.uint64(BASE))
"""The value of each byte in a hash."""


def distinct(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The different values, in order. `np.unique` without indices hashes, which is many times slower on hashes."""
    ordered = np.sort(values)
    keep = np.ones(ordered.size, dtype=bool)
    keep[1:] = ordered[1:] != ordered[:-1]
    return ordered[keep]


def among(hashes: U64, table: U64) -> npt.NDArray[np.bool_]:
    """Which hashes are in a sorted, small table."""
    place = np.minimum(np.searchsorted(table, hashes), table.size - 1)
    return table[place] == hashes


@lru_cache(maxsize=4)
def _powers(size: int) -> tuple[U64, U64]:
    """`BASE**i` and `BASE**-i` modulo 2**64 for i below `size`."""
    inverse = pow(BASE, -1, 2**64)
    tables = []
    for base in (BASE, inverse):
        table = np.full(size, base, dtype=np.uint64)
        table[0] = 1
        tables.append(np.cumprod(table, dtype=np.uint64))
    return tables[0], tables[1]


def powers(size: int) -> tuple[U64, U64]:
    """Tables of at least `size` powers, kept for the next call."""
    return _powers(1 << max(size - 1, 2**21).bit_length())


class RangeHasher:
    """Hashes of byte ranges of one buffer."""

    def __init__(self, data: npt.NDArray[np.uint8]) -> None:
        """`data`: the buffer, uint8."""
        size = data.size
        forward, self._inverse = powers(size + 1)
        weighted = BYTE_VALUES[data]
        weighted *= forward[:size]
        self._sums = np.zeros(size + 1, dtype=np.uint64)
        np.cumsum(weighted, out=self._sums[1:])

    def __call__(self, starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]) -> U64:
        """Hashes of the ranges `starts[i]..ends[i]`."""
        hashes = self._sums[ends]
        hashes -= self._sums[starts]
        hashes *= self._inverse[starts]
        return mix(hashes)


def hash_words(words: list[str]) -> U64:
    """Hashes of single words, the same as `RangeHasher` gives them inside a text."""
    data = "".join(words).encode()
    ends = np.cumsum([len(w.encode()) for w in words], dtype=np.int64)
    starts = np.concatenate([[0], ends[:-1]]).astype(np.int64)
    return RangeHasher(np.frombuffer(data, dtype=np.uint8))(starts, ends)
