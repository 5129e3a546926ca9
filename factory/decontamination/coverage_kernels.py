"""Kernels of the n-gram tiers: how much of a benchmark problem a text covers, in one place, and with which numbers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from factory.decontamination.features import SALT
from factory.decontamination.reading_kernels import Counters
from factory.decontamination.table_kernels import Postings, Table
from factory.text.hashing import BASE, U64, Bytes, Places
from factory.text.jit import inlined
from factory.text.kernels import mix

Floats = npt.NDArray[np.float64]

LEAST_GRAMS = 3
"""Different n-grams of a problem that a text must have in one place: one or two are no evidence."""
LEAST_FOR_NGRAM = 5
"""The same for the tier that is dropped. A problem of fewer is found as a whole sequence, or not at all: all three of "How
many three-digit positive integers are there?" stand in many a longer problem."""
LEAST_SHARED = 0.45
"""Share of all n-grams of a problem, stock phrases too, that a text must have in one place: of a problem that is mostly
stock phrases, the telling n-grams alone are too few to go by."""
SHORT, LONG = 12, 40
"""Problems of at most SHORT n-grams must be covered to `SHORT_COVERAGE`, of LONG and more to the section's."""
SHORT_COVERAGE = 0.7
SAME_NUMBERS = 0.5
"""Share of a problem's number pairs that a text must have to count as the same problem, not as its template."""
TEMPLATE_COVERAGE = 0.5
"""Share of a problem's n-grams that a text with other numbers must have to count as its template."""
VARIANT_SIMILARITY = 0.4
"""Jaccard similarity of the n-grams of a text and a problem from which the text counts as a variant."""
MARGIN = 10
"""Tokens round the window of words in which numbers count."""
CRUMB = 1e-6
"""What an n-gram, a stock phrase too, adds to the weight of a window: of two windows of one weight the fuller is taken."""
ROUNDING = 1e-9
"""What sums of weights, added up in another order, may differ by."""
_SALT, _BASE = np.uint64(SALT), np.uint64(BASE)
_HALF = np.uint64(32)
NGRAM, TEMPLATE, VARIANT = 4, 5, 6
"""Tiers by their position in `hits.Tier`."""


COVERED, TELLING, STOCK_PHRASES, LEFT_OUT = 0, 1, 2, 3
"""Columns of `Problems.least`."""


class Problems(NamedTuple):
    """All problems of an index. `grams` knows their n-grams, and lists stock phrases (`stock`) last.

    `with_gram`: the problems that have an n-gram among their rarest (`rarest.rarest`). `least`, one row a problem: how
    many n-grams, and how many of these rarest ones, a text must have to cover it (`COVERED`, `TELLING`); how many of its
    n-grams are stock phrases, and how many are frequent and left out (`STOCK_PHRASES`, `LEFT_OUT`).

    One row an n-gram: `weights`, 0 for stock phrases. One row a problem: `tokens`, `counts` (different n-grams in all),
    `kept` (those that the index has), `weight` (of those), `number_weight`, and where its n-grams and number pairs
    begin (`place_offsets`, `number_offsets`).
    """

    grams: Table
    stock: int
    with_gram: Postings
    least: npt.NDArray[np.int16]
    weights: Floats
    tokens: Places
    counts: Places
    kept: Places
    weight: Floats
    number_weight: Floats
    place_offsets: Places
    places: Counters
    number_offsets: Places
    numbers: npt.NDArray[np.uint32]
    number_weights: Floats


class Room(NamedTuple):
    """Working space: counters over n-grams (`marks`, `seen`) and problems (`shares`), all zero between texts.

    `touched`: problems of which a text has something. `place`, `at`: the n-grams found in a text, and the last of their
    words; `chosen`: some of these. `pairs`: hashes of the pairs of numbers of a text.
    """

    marks: Bytes
    seen: Counters
    shares: Bytes
    touched: Counters
    place: Counters
    at: Counters
    chosen: Counters
    pairs: U64


@inlined
def alike(
    shared: int | np.int64, every: int | np.int64, kept: int | np.int64, different: int | np.int64
) -> float:
    """Jaccard similarity of a problem and a text, by how many different n-grams both have.

    Args:
        shared: n-grams of the text that are among those kept of the problem.
        every: n-grams of the problem.
        kept: those that the index has; what is shared of them stands for more.
        different: n-grams of the text.
    """
    both = shared * every / kept
    return float(both / max(every + different - both, 1.0))


@inlined
def shared_grams(
    first: int, last: int, places: Counters, weights: Floats, marks: Bytes
) -> tuple[int, int, float]:
    """Of a problem's kept n-grams (`places[first:last]`) those that are marked: telling ones, all, and their weight."""
    telling, both, share = 0, 0, 0.0
    for j in range(first, last):
        if marks[places[j]]:
            weight = weights[places[j]]
            telling += weight > 0
            both += 1
            share += weight
    return telling, both, share


@inlined
def needed(count: int, coverage: float) -> float:
    """Share of a problem's n-grams that makes a hit, by how many it has."""
    if count <= SHORT:
        return SHORT_COVERAGE
    if count >= LONG:
        return coverage
    return SHORT_COVERAGE + (coverage - SHORT_COVERAGE) * (count - SHORT) / (LONG - SHORT)


@inlined
def judge(
    grams: int,
    share: float,
    shared: float,
    numbers: float,
    weight: float,
    number_weight: float,
    needed_share: float,
) -> tuple[int, float]:
    """Tier and score of some evidence, or tier -1.

    Args:
        grams: how many different telling n-grams of a problem were found in one place.
        share: their weight.
        shared: share of all the problem's n-grams, stock phrases too, that were found there.
        numbers: weight of its number pairs that were found there.
        weight: weight of the problem's n-grams.
        number_weight: weight of its number pairs.
        needed_share: see `needed`.
    """
    if grams < LEAST_GRAMS or shared < LEAST_SHARED:
        return -1, 0.0
    together = (share + numbers) / (weight + number_weight)
    same = numbers / number_weight if number_weight > 0 else 1.0
    if grams >= LEAST_FOR_NGRAM and together >= needed_share and same >= SAME_NUMBERS:
        return NGRAM, together
    if share >= TEMPLATE_COVERAGE * weight:
        return TEMPLATE, share / weight
    return -1, 0.0


@inlined
def densest(
    first: int,
    last: int,
    places: Counters,
    found: int,
    word_at: Counters,
    reach: int,
    weights: Floats,
    room: Room,
) -> tuple[int, int, float, int, int]:
    """The window of at most `reach` tokens whose different n-grams of a problem (`places[first:last]`) weigh most.

    Args:
        first: the problem's first n-gram.
        last: the one after its last.
        places: n-grams of all problems.
        found: how many n-grams of the text `room` has.
        word_at: the tokens that the text's words are.
        reach: tokens of the window.
        weights: of all n-grams.
        room: n-grams of the text, and working space.

    Returns:
        How many different telling n-grams, how many with stock phrases, weight, first and last token.
    """
    seen, place_of, at, chosen = room.seen, room.place, room.at, room.chosen
    for j in range(first, last):
        seen[places[j]] = 1
    many = 0
    for i in range(found):
        if seen[place_of[i]]:
            chosen[many] = i
            many += 1
    grams, shared, best, best_first, best_last = 0, 0, 0.0, 0, 0
    telling, count, total, start = 0, 0, 0.0, 0
    for k in range(many):
        entry = chosen[k]
        place = place_of[entry]
        seen[place] += 1
        if seen[place] == 2:
            total += weights[place] + CRUMB
            telling += weights[place] > 0
            count += 1
        while word_at[at[entry]] - word_at[at[chosen[start]] - 2] > reach:
            gone = place_of[chosen[start]]
            seen[gone] -= 1
            if seen[gone] == 1:
                total -= weights[gone] + CRUMB
                telling -= weights[gone] > 0
                count -= 1
            start += 1
        if total > best + 1e-9:
            grams, shared, best = telling, count, total
            best_first, best_last = word_at[at[chosen[start]] - 2], word_at[at[entry]]
    for j in range(first, last):
        seen[places[j]] = 0
    return grams, shared, best - CRUMB * shared, best_first, best_last


@inlined
def pair_numbers(numbers: U64, count: np.int64, pairs: U64) -> int:
    """Write the hashes of pairs of successive numbers of a text; a lone number gives one of itself. Returns how many."""
    many = int(count - 1 if count > 1 else count)
    for i in range(many):
        value = numbers[i] * _BASE * _BASE
        if count > 1:
            value += numbers[i + 1] * _BASE * _BASE * _BASE
        pairs[i] = mix(value ^ _SALT) >> _HALF
    return many


@inlined
def shared_numbers(
    first: int,
    last: int,
    wanted: npt.NDArray[np.uint32],
    weights: Floats,
    pairs: U64,
    count: int,
    number_at: Counters,
    begin: int,
    end: int,
) -> float:
    """Weight of a problem's number pairs (`wanted[first:last]`) that a text has between the tokens `begin` and `end`."""
    total = 0.0
    for j in range(first, last):
        for i in range(count):
            if pairs[i] == np.uint64(wanted[j]) and begin <= number_at[i] <= end:
                total += weights[j]
                break
    return total
