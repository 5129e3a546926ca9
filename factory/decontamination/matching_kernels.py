"""Kernels: all tiers over the texts of one chunk."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from factory.decontamination.candidate_kernels import candidates, gather, mark
from factory.decontamination.coverage_kernels import (
    MARGIN,
    ROUNDING,
    TEMPLATE,
    VARIANT,
    VARIANT_SIMILARITY,
    Problems,
    Room,
    alike,
    densest,
    judge,
    needed,
    pair_numbers,
    shared_grams,
    shared_numbers,
)
from factory.decontamination.features import SALT, WORDS
from factory.decontamination.reading_kernels import (
    CONTENT,
    LETTER_BYTES,
    NUMBER_COUNT,
    SYMBOL_COUNT,
    TOKEN_COUNT,
    WORD_COUNT,
    Language,
    Text,
    read_text,
)
from factory.decontamination.table_kernels import Postings, Table, find
from factory.text.hashing import BASE, U64, Bytes, Places
from factory.text.jit import inlined, kernel
from factory.text.kernels import mix

LEAST_LETTERS = 20
"""Texts of fewer letters and digits must agree in their signs as well to count as equal."""
LEAST_CONTENT = 8
"""Content words and numbers from which texts with the same words in another order count as shuffled."""
LOOSE_TOKENS = 60
"""A short sequence counts as contained when the text has at most so many further tokens ..."""
FIRM_TOKENS = 15
"""... or when the sequence itself is this long."""
EXACT, RENAMED, SHUFFLED, CONTAINED = 0, 1, 2, 3
_EQUAL = (EXACT, RENAMED, TEMPLATE, SHUFFLED)
"""Tier of an equal text by the readings of `Text.whole`."""
_BASE, _SALT = np.uint64(BASE), np.uint64(SALT)
_ONE, _TWO = np.uint64(1), np.uint64(2)
_FAR = np.iinfo(np.int64).max

U = np.uint64
Found = npt.NDArray[np.float64]
"""Hits, one row each: text, problem, tier, score, first byte, the one after the last."""


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


@inlined
def _push(hits: Found, count: int, row: int, problem: int, tier: int, score: float, first: U, last: U) -> int:
    """Write a hit if there is room; it counts in any case."""
    if count < hits.shape[0]:
        hits[count, 0], hits[count, 1], hits[count, 2] = row, problem, tier
        hits[count, 3], hits[count, 4], hits[count, 5] = score, first, last
    return count + 1


@inlined
def _equal(row: int, reading: int, text: Text, known: Whole, hits: Found, count: int) -> int:
    """Problems that equal a text by one of the readings of `Text.whole`."""
    place = find(known.table, text.whole[reading])
    if place < 0:
        return count
    tier = _EQUAL[reading]
    if text.sizes[LETTER_BYTES] < LEAST_LETTERS:
        if reading == 0:
            return count
        if reading == 1:
            tier = EXACT
    if reading == 3 and text.sizes[CONTENT] < LEAST_CONTENT:
        return count
    first, last = text.starts[0], text.ends[text.sizes[TOKEN_COUNT] - _ONE]
    for j in range(known.with_hash.offsets[place], known.with_hash.offsets[place + 1]):
        count = _push(hits, count, row, known.with_hash.entries[j], tier, 1.0, first, last)
    return count


@inlined
def _sequence(
    row: int, end: U, place: np.int64, text: Text, sequences: Sequences, hits: Found, count: int
) -> int:
    """Sequences whose anchor (`place`) a text has at the symbols up to `end`, and the rest of them too."""
    size, symbols = np.int64(text.sizes[SYMBOL_COUNT]), text.symbols
    for j in range(sequences.with_anchor.offsets[place], sequences.with_anchor.offsets[place + 1]):
        entry = sequences.with_anchor.entries[j]
        start = np.int64(end) - 2 - sequences.shift[entry]
        length = sequences.length[entry]
        if start < 0 or start + length > size:
            continue
        if size - length > LOOSE_TOKENS and length < FIRM_TOKENS:
            continue
        total, power = np.uint64(0), _ONE
        for k in range(start, start + length):
            total += symbols[k] * power
            power *= _BASE
        if mix(total ^ (np.uint64(length + 1) * _BASE ^ _SALT)) == sequences.whole[entry]:
            first = text.starts[text.symbol_at[start]]
            last = text.ends[text.symbol_at[start + length - 1]]
            count = _push(hits, count, row, sequences.problem[entry], CONTAINED, 1.0, first, last)
    return count


@inlined
def _contained(row: int, text: Text, sequences: Sequences, hits: Found, count: int) -> int:
    """Short problems and stems that stand in a text as a whole."""
    symbols = text.symbols
    for at in range(_TWO, max(text.sizes[SYMBOL_COUNT], _TWO)):
        end = U(at)
        run = symbols[end - _TWO] + (symbols[end - _ONE] + symbols[end] * _BASE) * _BASE
        place = find(sequences.table, mix(run ^ (np.uint64(4) * _BASE ^ _SALT)))
        if place >= 0:
            count = _sequence(row, end, place, text, sequences, hits, count)
    return count


@inlined
def _covered(row: int, text: Text, of: Problems, coverage: float, room: Room, hits: Found, count: int) -> int:
    """Hits by n-grams of a text."""
    word_at, marks = text.word_at, room.marks
    found = gather(text.words, text.sizes[WORD_COUNT], of.grams, room.place, room.at)
    known = mark(found, room)
    tokens = np.int64(text.sizes[TOKEN_COUNT])
    words, numbers = np.int64(text.sizes[WORD_COUNT]), np.int64(text.sizes[NUMBER_COUNT])
    different = (words - WORDS + 1 if words >= WORDS else np.int64(0)) - (found - known)
    many = candidates(known, different, of, room)
    pairs = -1
    for k in range(many):
        problem = room.touched[k]
        begins, ends = of.place_offsets[problem], of.place_offsets[problem + 1]
        every, kept = of.counts[problem], of.kept[problem]
        weight, number_weight = of.weight[problem], of.number_weight[problem]
        reach = 2 * of.tokens[problem] + 30
        whole = tokens <= reach
        enough = needed(every, coverage)
        grams, both, share = shared_grams(begins, ends, of.places, of.weights, marks)
        if grams == 0:
            continue
        similarity = alike(both, every, kept, different) if whole else 0.0
        # What at most can be: all n-grams in one place, with all numbers.
        tier, score = judge(
            grams, share + ROUNDING, both / kept, number_weight, weight, number_weight, enough - ROUNDING
        )
        first, last = 0, 0
        if tier >= 0:
            if pairs < 0:
                pairs = pair_numbers(text.numbers, numbers, room.pairs)
            grams, both, share, first, last = densest(
                begins, ends, of.places, found, word_at, _FAR if whole else reach, of.weights, room
            )
            shared = shared_numbers(
                of.number_offsets[problem],
                of.number_offsets[problem + 1],
                of.numbers,
                of.number_weights,
                room.pairs,
                pairs,
                text.number_at,
                0 if whole else first - MARGIN,
                _FAR if whole else last + MARGIN,
            )
            tier, score = judge(grams, share, both / kept, shared, weight, number_weight, enough)
        if tier < 0 and similarity >= VARIANT_SIMILARITY:
            tier, score, first, last = VARIANT, similarity, word_at[0], word_at[words - 1]
        if tier >= 0:
            count = _push(hits, count, row, problem, tier, score, text.starts[first], text.ends[last])
    for i in range(found):
        marks[room.place[i]] = 0
    return count


@inlined
def _match_texts(
    raw: Bytes,
    bounds: Places,
    language: Language,
    known: Index,
    coverage: float,
    text: Text,
    room: Room,
    hits: Found,
) -> int:
    count = 0
    for row in range(bounds.size - 1):
        read_text(
            raw, U(bounds[row]), U(bounds[row + 1]), language, known.most_letters, known.most_symbols, text
        )
        if text.sizes[TOKEN_COUNT] == 0:
            continue
        count = _equal(row, 0, text, known.letters, hits, count)
        count = _equal(row, 1, text, known.symbols, hits, count)
        count = _equal(row, 2, text, known.template, hits, count)
        count = _equal(row, 3, text, known.bag, hits, count)
        count = _contained(row, text, known.sequences, hits, count)
        count = _covered(row, text, known.problems, coverage, room, hits, count)
    return count


@kernel
def match_texts(
    raw: Bytes,
    bounds: Places,
    language: Language,
    known: Index,
    coverage: float,
    text: Text,
    room: Room,
    hits: Found,
) -> int:
    """Read the folded texts of a chunk and look them up, one after another; returns how many hits there are.

    `text` and `room` have room for the longest text. Only as many hits are written as `hits` has rows.
    """
    return _match_texts(raw, bounds, language, known, coverage, text, room, hits)
