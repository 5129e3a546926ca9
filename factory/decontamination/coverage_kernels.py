"""Kernels of the n-gram tiers: how much of a benchmark problem a text covers, in one place, and with which numbers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from factory.decontamination.features import SALT, WORDS
from factory.decontamination.reading_kernels import Text
from factory.decontamination.table_kernels import Postings, Table, find, maybe
from factory.text.hashing import BASE, U64, Places
from factory.text.jit import kernel
from factory.text.kernels import mix

Floats = npt.NDArray[np.float64]

LEAST_GRAMS = 3
"""Different n-grams of a problem that a text must have in one place: one or two are no evidence."""
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
    places: npt.NDArray[np.int32]
    number_offsets: Places
    numbers: npt.NDArray[np.uint32]
    number_weights: Floats


class Room(NamedTuple):
    """Working space: counters over n-grams (`seen`) and problems (`shares`, `counts`), all zero between texts.

    `place`, `begin`, `end`: the n-grams found in a text; `pairs`: its number pairs.
    """

    seen: npt.NDArray[np.int32]
    shares: Floats
    counts: npt.NDArray[np.int32]
    touched: npt.NDArray[np.int32]
    place: npt.NDArray[np.int32]
    begin: Places
    end: Places
    chosen: Places
    pairs: U64


@kernel
def gather(words: int, text: Text, of: Problems, room: Room) -> int:
    """Find the n-grams of a text among those of the problems. Returns how many."""
    found = 0
    bits, shift, stems = of.grams.filter, of.grams.filter_shift, text.words
    place_of, begin, end, at = room.place, room.begin, room.end, text.word_at
    for i in range(np.uint64(2), np.uint64(max(words, 2))):
        run = (stems[i - _TWO] + (stems[i - _ONE] + stems[i] * _BASE) * _BASE) * _BASE
        key = mix(run ^ _SALT) >> _HALF
        if not maybe(bits, shift, key):
            continue
        place = find(of.grams, key)
        if place >= 0:
            place_of[found] = place
            begin[found] = at[i - _TWO]
            end[found] = at[i]
            found += 1
    return found


@kernel
def tally(found: int, of: Problems, room: Room) -> tuple[int, int, int]:
    """Add up, problem by problem, the weight and number of different telling n-grams found.

    Returns:
        How many problems have some, and how many of the n-grams found repeat an earlier one, and how many
        different ones are stock phrases.
    """
    touched = repeats = stock = 0
    offsets, entries, counts, shares = of.with_gram.offsets, of.with_gram.entries, room.counts, room.shares
    seen = room.seen
    for i in range(found):
        place = room.place[i]
        if seen[place]:
            repeats += 1
            continue
        seen[place] = 1
        weight = of.weights[place]
        stock += weight == 0
        for j in range(offsets[place], offsets[place + 1]):
            problem = entries[j]
            if counts[problem] == 0:
                room.touched[touched] = problem
                touched += 1
            counts[problem] += 1
            shares[problem] += weight
    for i in range(found):
        seen[room.place[i]] = 0
    return touched, repeats, stock


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
    problem: int,
    grams: int,
    share: float,
    numbers: float,
    of: Problems,
    coverage: float,
) -> tuple[int, float]:
    """Tier and score of some evidence, or tier -1.

    Args:
        problem: the problem.
        grams: how many different telling n-grams of it were found in one place.
        share: their weight.
        numbers: weight of its number pairs that were found there.
        of: all problems.
        coverage: share of a longer problem's weight that makes a hit.
    """
    if grams < LEAST_GRAMS:
        return -1, 0.0
    weight, number_weight = of.weight[problem], of.number_weight[problem]
    together = (share + numbers) / (weight + number_weight)
    same = numbers / number_weight if number_weight > 0 else 1.0
    if together >= needed(of.counts[problem], coverage) and same >= SAME_NUMBERS:
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
def similarity(problem: int, found: int, grams: int, of: Problems, room: Room) -> float:
    """`alike` of a problem and a text of so many different n-grams, stock phrases too."""
    for j in range(of.place_offsets[problem], of.place_offsets[problem + 1]):
        room.seen[of.places[j]] = 1
    shared = 0
    for i in range(found):
        shared += room.seen[room.place[i]]
        room.seen[room.place[i]] = 0
    for j in range(of.place_offsets[problem], of.place_offsets[problem + 1]):
        room.seen[of.places[j]] = 0
    return alike(shared, of.counts[problem], of.kept[problem], grams)


@kernel
def densest(problem: int, found: int, reach: int, of: Problems, room: Room) -> tuple[int, float, int, int]:
    """The window of at most `reach` tokens whose different n-grams of a problem weigh most.

    Returns:
        How many different n-grams, their weight, first and last token.
    """
    for j in range(of.place_offsets[problem], of.place_offsets[problem + 1]):
        room.seen[of.places[j]] = 1
    chosen = 0
    for i in range(found):
        if room.seen[room.place[i]]:
            room.chosen[chosen] = i
            chosen += 1
    grams, best, first, last = 0, 0.0, 0, 0
    count, total, low = 0, 0.0, 0
    for high in range(chosen):
        entry = room.chosen[high]
        place = room.place[entry]
        room.seen[place] += 1
        if room.seen[place] == 2:
            total += of.weights[place]
            count += 1
        while room.end[entry] - room.begin[room.chosen[low]] > reach:
            gone = room.place[room.chosen[low]]
            room.seen[gone] -= 1
            if room.seen[gone] == 1:
                total -= of.weights[gone]
                count -= 1
            low += 1
        if total > best + 1e-9:
            grams, best, first, last = count, total, room.begin[room.chosen[low]], room.end[entry]
    for j in range(of.place_offsets[problem], of.place_offsets[problem + 1]):
        room.seen[of.places[j]] = 0
    return grams, best, first, last


@kernel
def pair_numbers(numbers: int, text: Text, room: Room) -> int:
    """Write the hashes of pairs of successive numbers; a lone number gives one of itself. Returns how many."""
    for i in range(max(numbers - 1, min(numbers, 1))):
        value = text.numbers[i] * _BASE * _BASE
        if numbers > 1:
            value += text.numbers[i + 1] * _BASE * _BASE * _BASE
        room.pairs[i] = mix(value ^ _SALT) >> _HALF
    return max(numbers - 1, min(numbers, 1))


@kernel
def shared_numbers(
    problem: int, pairs: int, begin: int, end: int, text: Text, of: Problems, room: Room
) -> float:
    """Weight of the problem's number pairs that a text has between the tokens `begin` and `end`."""
    low = np.searchsorted(text.number_at[:pairs], begin)
    high = np.searchsorted(text.number_at[:pairs], end, side="right")
    weight = 0.0
    for j in range(of.number_offsets[problem], of.number_offsets[problem + 1]):
        wanted = np.uint64(of.numbers[j])
        for i in range(low, high):
            if room.pairs[i] == wanted:
                weight += of.number_weights[j]
                break
    return weight
