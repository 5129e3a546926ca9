"""Kernels: a look-up table from hashes to places, that turns most strangers away with one bit."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from factory.text.hashing import U64, Places
from factory.text.jit import inlined, kernel

FILTER = 16
"""Bits of the filter for each key: the more, the fewer strangers pass; the fewer, the nearer a processor keeps it."""


class Table(NamedTuple):
    """Which of `keys` (all different) a hash is.

    `slots` holds positions in `keys`, or -1, in 2**n slots, 2**n being at least twice the number of keys.
    """

    keys: npt.NDArray[Any]
    slots: npt.NDArray[np.int32]
    filter: U64
    filter_shift: np.uint64
    slot_shift: np.uint64


class Postings(NamedTuple):
    """What belongs to each key of a table: `entries[offsets[i]..offsets[i + 1]]`."""

    offsets: Places
    entries: npt.NDArray[np.int32]


def table_of(keys: npt.NDArray[np.unsignedinteger[Any]]) -> Table:
    """A table of keys that are all different."""
    bits = max(int(2 * keys.size - 1).bit_length(), 1)
    filter_bits = max(int(FILTER * keys.size).bit_length(), 6)
    width = keys.dtype.itemsize * 8
    table = Table(
        keys,
        np.full(2**bits, -1, dtype=np.int32),
        np.zeros(2 ** (filter_bits - 6), dtype=np.uint64),
        np.uint64(width - filter_bits),
        np.uint64(width - bits),
    )
    _fill(table)
    return table


def postings_of(places: Places, entries: Places, count: int) -> Postings:
    """Entries by place, of `count` places."""
    order = np.argsort(places, kind="stable")
    offsets = np.searchsorted(places[order], np.arange(count + 1))
    return Postings(offsets.astype(np.int64), entries[order].astype(np.int32))


@kernel
def _fill(table: Table) -> None:
    mask = np.uint64(table.slots.size - 1)
    for place in range(table.keys.size):
        key = np.uint64(table.keys[place])
        slot = key >> table.slot_shift
        while table.slots[slot] >= 0:
            slot = (slot + np.uint64(1)) & mask
        table.slots[slot] = place
        bit = key >> table.filter_shift
        table.filter[bit >> np.uint64(6)] |= np.uint64(1) << (bit & np.uint64(63))


@inlined
def find(table: Table, key: np.uint64) -> np.int64:
    """Where `key` is among the table's keys, or -1."""
    bit = key >> table.filter_shift
    if ((table.filter[bit >> np.uint64(6)] >> (bit & np.uint64(63))) & np.uint64(1)) == 0:
        return np.int64(-1)
    mask = np.uint64(table.slots.size - 1)
    slot = key >> table.slot_shift
    while True:
        place = table.slots[slot]
        if place < 0 or np.uint64(table.keys[np.uint64(place)]) == key:
            return np.int64(place)
        slot = (slot + np.uint64(1)) & mask
