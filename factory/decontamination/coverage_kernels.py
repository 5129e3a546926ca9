"""Kernels of the n-gram tiers: how much of a benchmark problem a text covers, in one place, and with which numbers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from factory.decontamination.features import SALT
from factory.decontamination.reading_kernels import Counters
from factory.decontamination.table_kernels import Postings, Table, find, maybe
from factory.text.hashing import BASE, U64, Places
from factory.text.jit import kernel
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
ONE_GRAM = 1024.0
"""More than all n-grams of a problem weigh."""
_SALT, _BASE = np.uint64(SALT), np.uint64(BASE)
_HALF, _ONE, _TWO = np.uint64(32), np.uint64(1), np.uint64(2)
NGRAM, TEMPLATE, VARIANT = 4, 5, 6
"""Tiers by their position in `hits.Tier`."""


class Problems(NamedTuple):
    """All problems of an index. `grams` knows their n-grams, `with_gram` the problems that have a telling one.

    One row an n-gram: `weights`, 0 for stock phrases. One row a problem: `tokens`, `counts` (different n-grams in all),
    `kept` (those that the index has), `weight` (of those), `number_weight`, and where its n-grams and number pairs
    begin (`place_offsets`, `number_offsets`).
    """

    grams: Table
    with_gram: Postings
    weights: Floats
    tokens: Places
    counts: Places
    kept: Places
    stock: Places
    weight: Floats
    number_weight: Floats
    place_offsets: Places
    places: Counters
    number_offsets: Places
    numbers: npt.NDArray[np.uint32]
    number_weights: Floats


class Room(NamedTuple):
    """Working space: counters over n-grams (`seen`) and problems (`shares`, see `tally`), all zero between texts.

    `touched`: problems of which a text has something. `place`, `begin`, `end`: the n-grams found in the texts of a
    chunk, with first and last token; `offsets` says where each text's begin. `chosen`: of these some of one text.
    `pairs`: hashes of the pairs of numbers of one text.
    """

    seen: Counters
    shares: Floats
    touched: Counters
    place: Counters
    begin: Counters
    end: Counters
    offsets: Places
    chosen: Counters
    pairs: U64


@kernel
def gather_texts(
    texts: int,
    words: U64,
    word_at: Counters,
    word_offsets: Places,
    grams: Table,
    place_of: Counters,
    begin: Counters,
    end: Counters,
    offsets: Places,
) -> None:
    """Find the n-grams of all texts of a chunk among those of the problems; writes `Room.place` to `Room.offsets`."""
    found = 0
    offsets[0] = 0
    bits, shift = grams.filter, grams.filter_shift
    for row in range(texts):
        for i in range(
            np.uint64(word_offsets[row] + 2), np.uint64(max(word_offsets[row + 1], word_offsets[row] + 2))
        ):
            run = (words[i - _TWO] + (words[i - _ONE] + words[i] * _BASE) * _BASE) * _BASE
            key = mix(run ^ _SALT) >> _HALF
            if not maybe(bits, shift, key):
                continue
            place = find(grams, key)
            if place >= 0:
                place_of[found], begin[found], end[found] = place, word_at[i - _TWO], word_at[i]
                found += 1
        offsets[row + 1] = found


@kernel
def tally(
    place_of: Counters,
    low: int,
    high: int,
    weights: Floats,
    offsets: Places,
    entries: Counters,
    seen: Counters,
    shares: Floats,
    touched: Counters,
) -> tuple[int, int, int]:
    """Add up, problem by problem, the weight of different telling n-grams among those found in a text.

    `shares` gets their weight and `ONE_GRAM` times their number, so that each n-gram costs one access to memory.

    Returns:
        How many problems have some (`touched`), how many of the n-grams found repeat an earlier one, and how many
        different ones are stock phrases.
    """
    problems = repeats = stock = 0
    for i in range(low, high):
        place = place_of[i]
        if seen[place]:
            repeats += 1
            continue
        seen[place] = 1
        stock += weights[place] == 0
        weight = weights[place] + ONE_GRAM
        for j in range(offsets[place], offsets[place + 1]):
            problem = entries[j]
            if shares[problem] == 0:
                touched[problems] = problem
                problems += 1
            shares[problem] += weight
    for i in range(low, high):
        seen[place_of[i]] = 0
    return problems, repeats, stock


@kernel
def needed(count: int, coverage: float) -> float:
    """Share of a problem's n-grams that makes a hit, by how many it has."""
    if count <= SHORT:
        return SHORT_COVERAGE
    if count >= LONG:
        return coverage
    return SHORT_COVERAGE + (coverage - SHORT_COVERAGE) * (count - SHORT) / (LONG - SHORT)


@kernel
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


@kernel
def alike(shared: int, every: int, kept: int, different: int) -> float:
    """Jaccard similarity of a problem and a text, by how many different n-grams both have.

    Args:
        shared: n-grams of the text that are among those kept of the problem.
        every: n-grams of the problem.
        kept: those that the index has; what is shared of them stands for more.
        different: n-grams of the text.
    """
    both = shared * every / kept
    return both / max(every + different - both, 1.0)


@kernel
def shared_grams(
    first: int, last: int, places: Counters, low: int, high: int, place_of: Counters, seen: Counters
) -> int:
    """How many different ones of a problem's kept n-grams (`places[first:last]`) a text has, stock phrases too."""
    for j in range(first, last):
        seen[places[j]] = 1
    shared = 0
    for i in range(low, high):
        shared += seen[place_of[i]]
        seen[place_of[i]] = 0
    for j in range(first, last):
        seen[places[j]] = 0
    return shared


@kernel
def densest(
    first: int, last: int, places: Counters, low: int, high: int, reach: int, weights: Floats, room: Room
) -> tuple[int, int, float, int, int]:
    """The window of at most `reach` tokens whose different n-grams of a problem (`places[first:last]`) weigh most.

    Returns:
        How many different telling n-grams, how many with stock phrases, weight, first and last token.
    """
    seen, place_of, begin, end, chosen = room.seen, room.place, room.begin, room.end, room.chosen
    for j in range(first, last):
        seen[places[j]] = 1
    many = 0
    for i in range(low, high):
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
        while end[entry] - begin[chosen[start]] > reach:
            gone = place_of[chosen[start]]
            seen[gone] -= 1
            if seen[gone] == 1:
                total -= weights[gone] + CRUMB
                telling -= weights[gone] > 0
                count -= 1
            start += 1
        if total > best + 1e-9:
            grams, shared, best = telling, count, total
            best_first, best_last = begin[chosen[start]], end[entry]
    for j in range(first, last):
        seen[places[j]] = 0
    return grams, shared, best - CRUMB * shared, best_first, best_last


@kernel
def pair_numbers(numbers: U64, first: int, last: int, pairs: U64) -> int:
    """Write the hashes of pairs of successive numbers of a text; a lone number gives one of itself. Returns how many."""
    count = last - first
    for i in range(max(count - 1, min(count, 1))):
        value = numbers[first + i] * _BASE * _BASE
        if count > 1:
            value += numbers[first + i + 1] * _BASE * _BASE * _BASE
        pairs[i] = mix(value ^ _SALT) >> _HALF
    return max(count - 1, min(count, 1))


@kernel
def shared_numbers(
    wanted: npt.NDArray[np.uint32], weights: Floats, pairs: U64, number_at: Counters, begin: int, end: int
) -> float:
    """Weight of a problem's number pairs (`wanted`) that a text has between the tokens `begin` and `end`."""
    total = 0.0
    for j in range(wanted.size):
        for i in range(pairs.size):
            if pairs[i] == np.uint64(wanted[j]) and begin <= number_at[i] <= end:
                total += weights[j]
                break
    return total
