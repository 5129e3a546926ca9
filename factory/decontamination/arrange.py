"""All benchmarks of an index arranged for the kernels: hash tables, postings, and the n-grams to look for.

Problems are not looked for by all their n-grams, and not by boilerplate. A hit needs a certain share of the n-grams that
are kept of a problem (`rules`). A text that has that many has most of them of any choice that leaves out few; so the most
frequent ones are left out, which lead to most problems and tell least. What is found by the others is compared in full:
the choice decides how fast hits are found, never which.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from factory.decontamination.index import LONGEST
from factory.decontamination.match import Columns, Floats
from factory.decontamination.rules import DEFAULT
from factory.text.hashing import U64, Bytes, Places

COVERED, TELLING, BOILERPLATE, LEFT_OUT = 0, 1, 2, 3
"""Columns of `Problems.least`."""
FILTER = 16
"""Bits of the Bloom pre-filter per key: more let fewer misses pass; fewer stay nearer to the processor."""
Counters = npt.NDArray[np.int32]

LEAVE_OUT = 0.5
"""Share of the n-grams which a hit needs that are left out, of the most frequent ones."""


class Table(NamedTuple):
    """Which of `keys` (all different) a hash is.

    `slots` holds positions in `keys`, or -1, in 2**n slots, 2**n being at least twice the number of keys.
    """

    keys: npt.NDArray[Any]
    slots: Counters
    filter: U64
    filter_shift: np.uint64
    slot_shift: np.uint64


class Postings(NamedTuple):
    """What belongs to each key of a table: `entries[offsets[i]..offsets[i + 1]]`."""

    offsets: Places
    entries: Counters


class Whole(NamedTuple):
    """Hashes of whole problems by one reading, and the problems of each."""

    table: Table
    with_hash: Postings


class Sequences(NamedTuple):
    """What is looked for as a whole inside other texts (`index.ANCHOR`), one row each; `table` knows their anchors."""

    table: Table
    with_anchor: Postings
    shift: Places
    length: Places
    whole: U64
    problem: Places


class Problems(NamedTuple):
    """All problems of an index. `grams` knows their n-grams, and lists boilerplate last, from `boilerplate` on.

    `with_gram`: the problems that have an n-gram among their rarest (`arrange.rarest`). `least`, one row per problem: how
    many n-grams, and how many of these rarest ones, a text must have to cover it (`COVERED`, `TELLING`); how many of its
    n-grams are boilerplate, and how many are frequent and left out (`BOILERPLATE`, `LEFT_OUT`).

    One row per n-gram: `weights`, 0 for boilerplate. One row per problem: `tokens`, `counts` (different n-grams in all),
    `kept` (those that the index has), `weight` (of those), `number_weight`, and where its n-grams and number pairs
    begin (`place_offsets`, `number_offsets`).
    """

    grams: Table
    boilerplate: int
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


class Index(NamedTuple):
    """All that texts are compared with. Longer texts than `most_letters` and `most_symbols` equal no problem."""

    letters: Whole
    symbols: Whole
    template: Whole
    bag: Whole
    problems: Problems
    sequences: Sequences
    most_letters: np.uint64
    most_symbols: np.uint64


class Room(NamedTuple):
    """Working space: counters over n-grams (`marks`, `seen`) and problems (`shares`), all zero between texts.

    `touched`: problems of which a text has something. `place`, `at`: the n-grams found in a text, and the last of their
    words; `chosen`, `begin`, `end`: some of these, and their first and last tokens. `weights`, `counts`: of one problem's
    n-grams. `pairs`: hashes of the pairs of numbers of a text.
    """

    marks: Bytes
    seen: Counters
    shares: Bytes
    touched: Counters
    place: Counters
    at: Counters
    chosen: Counters
    begin: Counters
    end: Counters
    weights: Floats
    counts: Counters
    pairs: U64


def arrange(known: Columns) -> Index:
    """Tables of all that texts are looked up in."""
    every = np.arange(known.tokens.size)
    long_enough, optioned = known.letter_bytes >= DEFAULT.least_letters, known.bag != 0
    return Index(
        letters=_whole(known.letters[long_enough], every[long_enough]),
        symbols=_whole(known.symbols, every),
        template=_whole(known.template, every),
        bag=_whole(known.bag[optioned], every[optioned]),
        problems=_problems(known),
        sequences=_sequences(known.anchors),
        most_letters=_most_letters(known.letter_bytes),
        most_symbols=np.uint64(known.tokens.max(initial=0)),
    )


def working_room(index: Index, size: int) -> Room:
    """Working space for texts of at most so many bytes."""
    grams, problems = index.problems.grams.keys.size, index.problems.tokens.size
    most = int(index.problems.kept.max(initial=1))
    return Room(
        marks=np.zeros(grams, np.uint8),
        seen=np.zeros(grams, np.int32),
        shares=np.zeros(problems, np.uint8),
        touched=np.empty(problems + 1, np.int32),  # a problem is written before it is known to be new
        place=np.empty(size, np.int32),
        at=np.empty(size, np.int32),
        chosen=np.empty(size, np.int32),
        begin=np.empty(size, np.int32),
        end=np.empty(size, np.int32),
        weights=np.empty(most, np.float64),
        counts=np.zeros(most, np.int32),
        pairs=np.empty(size, np.uint64),
    )


def _most_letters(letter_bytes: Places) -> np.uint64:
    """Bytes of letters from which no text can have the letters of a problem.

    The same letters may be more bytes, by decimal points and by longer names of commands: less than four times as many.
    Indexes do not tell lengths beyond `LONGEST`.
    """
    most = int(letter_bytes.max(initial=0))
    return np.uint64(4 * most if most < LONGEST else 2**63)


def _table(keys: npt.NDArray[np.unsignedinteger[Any]]) -> Table:
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
    from factory.decontamination.kernels import fill

    fill(table)
    return table


def _postings(places: Places, entries: Places, count: int) -> Postings:
    """Entries by place, of `count` places."""
    order = np.argsort(places, kind="stable")
    offsets = np.searchsorted(places[order], np.arange(count + 1))
    return Postings(offsets.astype(np.int64), entries[order].astype(np.int32))


def _whole(keys: U64, problems: Places) -> Whole:
    distinct, places = np.unique(keys, return_inverse=True)
    return Whole(_table(distinct), _postings(places, problems, distinct.size))


def _problems(known: Columns) -> Problems:
    """The n-grams of all problems with their weights: 1 for one that no other problem has, less for frequent ones."""
    count, problems = known.tokens.size, known.words_of
    keys, places = np.unique(known.words, return_inverse=True)
    by_place = np.zeros(keys.size)
    by_place[places[::-1]] = known.word_weights[::-1]  # the first benchmark's, where they differ
    counts, kept = known.words_counts, np.diff(known.words_offsets)
    chosen, least = rarest(problems, places, by_place, counts, kept)
    # The n-grams that lead to most problems lie together at the beginning: they are met most often.
    order = np.lexsort((-np.bincount(places[chosen], minlength=keys.size), by_place == 0))
    keys, by_place = keys[order], by_place[order]
    places = np.argsort(order)[places]
    number_of = np.repeat(np.arange(count), np.diff(known.numbers_offsets))
    return Problems(
        grams=_table(keys),
        boilerplate=int(np.count_nonzero(by_place)),
        with_gram=_postings(places[chosen], problems[chosen], keys.size),
        least=least,
        weights=by_place,
        tokens=known.tokens,
        counts=counts,
        kept=kept,
        weight=np.bincount(problems, by_place[places], count).astype(np.float64),
        number_weight=np.bincount(number_of, known.number_weights, count).astype(np.float64),
        place_offsets=known.words_offsets,
        places=places.astype(np.int32),
        number_offsets=known.numbers_offsets,
        numbers=known.numbers,
        number_weights=known.number_weights,
    )


def _sequences(anchors: npt.NDArray[np.void]) -> Sequences:
    keys, places = np.unique(anchors["anchor"], return_inverse=True)
    return Sequences(
        table=_table(keys),
        with_anchor=_postings(places, np.arange(anchors.size), keys.size),
        shift=anchors["shift"].astype(np.int64),
        length=anchors["length"].astype(np.int64),
        whole=np.ascontiguousarray(anchors["whole"]),
        problem=anchors["problem"].astype(np.int64),
    )


def rarest(
    problems: Places, places: Places, weights: Floats, counts: Places, kept: Places
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int16]]:
    """The n-grams by which problems are looked for, and how many a text must have.

    Args:
        problems: the problem of every n-gram kept of a problem, in order.
        places: which n-gram it is.
        weights: weight by n-gram, 0 for boilerplate.
        counts: n-grams of every problem.
        kept: those that are kept.

    Returns:
        Whether an n-gram of a problem is chosen, and `Problems.least`.
    """
    plain = weights[places] == 0
    frequency = np.bincount(places, minlength=weights.size)[places]
    order = np.lexsort((frequency, plain, problems))
    rank = np.empty(order.size, dtype=np.int64)
    rank[order] = np.arange(order.size) - np.repeat(np.cumsum(kept) - kept, kept)
    plains = np.bincount(problems[plain], minlength=kept.size)
    covered, alike = needed_grams(counts, kept)
    either = np.minimum(covered, alike)
    # However many boilerplate a text with a hit has, one of the chosen n-grams must be left for it.
    left_out = np.clip(either - plains - 1, 0, (LEAVE_OUT * either).astype(np.int64))
    chosen = ~plain & (rank < (kept - plains - left_out)[problems])
    least = np.empty((kept.size, 4), dtype=np.int16)
    least[:, COVERED], least[:, TELLING] = covered, np.maximum(DEFAULT.least_grams - left_out, 1)
    least[:, BOILERPLATE], least[:, LEFT_OUT] = plains, left_out
    return chosen, least


def needed_grams(counts: Places, kept: Places) -> tuple[Places, Places]:
    """How many of a problem's kept n-grams a text must have to cover it (`judge`), and to be a variant (`alike`)."""
    covered = np.maximum(np.ceil(DEFAULT.least_shared * kept - DEFAULT.rounding), DEFAULT.least_grams)
    each = counts / np.maximum(kept, 1)
    similar = (
        DEFAULT.variant_similarity
        * counts
        / ((1 + DEFAULT.variant_similarity) * np.maximum(each, 1) - DEFAULT.variant_similarity)
    )
    return covered.astype(np.int64), np.maximum(np.ceil(similar - DEFAULT.rounding), 1).astype(np.int64)
