"""Kernels: which problems a text may cover, by the n-grams that both have; `coverage_kernels` looks at these in full."""

from __future__ import annotations

import numpy as np

from factory.decontamination.coverage_kernels import (
    COVERED,
    LEFT_OUT,
    STOCK_PHRASES,
    TELLING,
    VARIANT_SIMILARITY,
    Problems,
    Room,
    alike,
)
from factory.decontamination.features import SALT
from factory.decontamination.reading_kernels import Counters
from factory.decontamination.table_kernels import Table, find
from factory.text.hashing import BASE, U64
from factory.text.jit import inlined
from factory.text.kernels import mix

_SALT, _BASE = np.uint64(SALT), np.uint64(BASE)
_HALF, _ONE, _TWO = np.uint64(32), np.uint64(1), np.uint64(2)


@inlined
def gather(words: U64, count: np.uint64, grams: Table, place_of: Counters, at: Counters) -> int:
    """Find the n-grams of a text among those of the problems; writes `Room.place` and `Room.at`, returns how many."""
    found = 0
    for i in range(_TWO, max(count, _TWO)):
        run = (words[i - _TWO] + (words[i - _ONE] + words[i] * _BASE) * _BASE) * _BASE
        place = find(grams, mix(run ^ _SALT) >> _HALF)
        if place >= 0:
            place_of[found], at[found] = place, i
            found += 1
    return found


@inlined
def mark(found: int, room: Room) -> int:
    """Set `Room.marks` of the n-grams of a text and list each once in `Room.chosen`; returns how many these are."""
    marks, place_of, chosen, many = room.marks, room.place, room.chosen, 0
    for i in range(found):
        chosen[many] = place_of[i]
        many += marks[place_of[i]] == 0
        marks[place_of[i]] = 1
    return many


@inlined
def candidates(many: int, different: int | np.int64, of: Problems, room: Room) -> int:
    """Problems of which a text has enough for a hit to be possible, written to `Room.touched`; returns how many.

    `Room.chosen` has its `many` different known n-grams; `different` is how many n-grams it has in all.
    """
    shares, touched, chosen, least = room.shares, room.touched, room.chosen, of.least
    offsets, entries = of.with_gram.offsets, of.with_gram.entries
    count = enough = stock = 0
    for i in range(many):
        place = chosen[i]
        if place >= of.stock:
            stock += 1
            continue
        for j in range(offsets[place], offsets[place + 1]):
            problem = entries[j]
            touched[count] = problem
            count += shares[problem] == 0
            shares[problem] += np.uint8(1)
    for k in range(count):
        problem = touched[k]
        share = np.int64(shares[problem])
        shares[problem] = 0
        # What at most can be: all that was left out, and all stock phrases that both have.
        stocks = np.int64(least[problem, STOCK_PHRASES])
        both = share + np.int64(least[problem, LEFT_OUT]) + (stock if stock < stocks else stocks)
        covered = both >= least[problem, COVERED] and share >= least[problem, TELLING]
        touched[enough] = problem
        enough += (
            covered or alike(both, of.counts[problem], of.kept[problem], different) >= VARIANT_SIMILARITY
        )
    return enough
