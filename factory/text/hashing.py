"""64-bit hashes of byte ranges, of many at once, eight bytes at a time.

The constants are written down, not drawn, so that hashes are the same on every machine and may be stored.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

U64 = npt.NDArray[np.uint64]
Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]
BASE = 0x9E3779B97F4A7C15
_BASE = np.uint64(BASE)
_MASKS: U64 = np.array([(1 << (8 * n)) - 1 for n in range(9)], dtype=np.uint64)
"""Keeps the first n bytes of a little-endian word."""


def mix(values: U64) -> U64:
    """The splitmix64 finaliser: a bijection that spreads every input bit over all output bits."""
    mixed = values ^ (values >> np.uint64(30))
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed


def distinct(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The different values, in order. `np.unique` without indices hashes, which is many times slower on hashes."""
    ordered = np.sort(values)
    keep = np.ones(ordered.size, dtype=bool)
    keep[1:] = ordered[1:] != ordered[:-1]
    return ordered[keep]


def ranges(starts: Places, lengths: Places) -> Places:
    """The places of ranges, one range after another."""
    return np.arange(int(lengths.sum())) + np.repeat(starts - np.cumsum(lengths) + lengths, lengths)


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
    return _powers(1 << max(size - 1, 2**17).bit_length())


def byte_words(data: Bytes) -> U64:
    """The eight bytes from every position of `data` on, as one number each; a view, nothing is copied twice."""
    padded = np.concatenate([data, np.zeros(8, dtype=np.uint8)])
    return np.ndarray((data.size + 1,), dtype="<u8", buffer=padded, strides=(1,))


def range_hashes(words: U64, starts: Places, lengths: Places) -> U64:
    """Hashes of byte ranges, each of at least one byte; `words` is `byte_words` of the buffer. Best for short ranges."""
    hashes = words[starts] & _MASKS[np.minimum(lengths, 8)]
    hashes += (lengths.astype(np.uint64)) * _BASE
    longer, done = np.flatnonzero(lengths > 8), 8
    while longer.size:
        part = words[starts[longer] + done] & _MASKS[np.minimum(lengths[longer] - done, 8)]
        hashes[longer] = mix(hashes[longer]) * _BASE + part
        done += 8
        longer = longer[lengths[longer] > done]
    return mix(hashes)


def hash_words(words: list[str]) -> U64:
    """Hashes of single words, the same as `range_hashes` gives them inside a text."""
    data = [word.encode() for word in words]
    lengths = np.array([len(word) for word in data], dtype=np.int64)
    joined = np.frombuffer(b"".join(data), dtype=np.uint8)
    return range_hashes(byte_words(joined), np.cumsum(lengths) - lengths, lengths)


def open_table(words: list[str], meanings: list[str] | None = None) -> U64:
    """An open hash table for kernels (`kernels.look_up`): shape (2, slots), hashes of the words and of their meanings.

    A word without a meaning ("") has 0 in the second row.
    """
    slots = 1 << max((4 * len(words) - 1).bit_length(), 4)
    table = np.zeros((2, slots), dtype=np.uint64)
    values = hash_words([meaning or word for word, meaning in zip(words, meanings or words, strict=True)])
    for i, key in enumerate(hash_words(words).tolist()):
        slot = key >> 40 & slots - 1
        while table[0, slot]:
            slot = (slot + 1) & slots - 1
        table[:, slot] = key, values[i] if meanings and meanings[i] else 0
    return table


class HashSet:
    """A small, fixed set of words that many hashes are compared with; most are turned away by one byte."""

    def __init__(self, words: list[str]) -> None:
        """`words`: as they stand in a text, lower case."""
        self._table = np.sort(hash_words(words))
        self._bits = np.zeros(2**16, dtype=bool)
        self._bits[self._table >> np.uint64(48)] = True

    def positions(self, hashes: U64) -> Places:
        """Where in `hashes` members of the set are."""
        maybe = np.flatnonzero(self._bits[hashes >> np.uint64(48)])
        place = np.minimum(np.searchsorted(self._table, hashes[maybe]), self._table.size - 1)
        return maybe[self._table[place] == hashes[maybe]]
