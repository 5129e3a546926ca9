"""Kernels: all tiers over the texts of one chunk."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from factory.decontamination.coverage_kernels import (
    LEAST_GRAMS,
    MARGIN,
    ONE_GRAM,
    TEMPLATE,
    VARIANT,
    VARIANT_SIMILARITY,
    Problems,
    Room,
    alike,
    densest,
    gather_texts,
    judge,
    needed,
    pair_numbers,
    shared_grams,
    shared_numbers,
    tally,
)
from factory.decontamination.features import SALT, WORDS
from factory.decontamination.reading_kernels import Text
from factory.decontamination.table_kernels import Postings, Table, find, maybe
from factory.text.hashing import BASE, U64, Places
from factory.text.jit import kernel
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

Found = npt.NDArray[np.float64]
"""Hits, one row each: text, problem, tier, score, first token, last token."""


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


@kernel
def _push(
    hits: Found, count: int, row: int, problem: int, tier: int, score: float, first: int, last: int
) -> Found:
    """Write a hit, into a longer array if the old one is full."""
    if count == hits.shape[0]:
        longer = np.empty((2 * count + 64, 6), np.float64)
        longer[:count] = hits
        hits = longer
    hits[count, 0], hits[count, 1], hits[count, 2] = row, problem, tier
    hits[count, 3], hits[count, 4], hits[count, 5] = score, first, last
    return hits


@kernel
def _equal(
    row: int, first: int, last: int, key: np.uint64, tier: int, known: Whole, hits: Found, count: int
) -> tuple[Found, int]:
    """Problems that equal a whole text by one reading."""
    place = find(known.table, key)
    if place >= 0:
        for j in range(known.with_hash.offsets[place], known.with_hash.offsets[place + 1]):
            hits = _push(hits, count, row, known.with_hash.entries[j], tier, 1.0, first, last - 1)
            count += 1
    return hits, count


@kernel
def equal_texts(
    offsets: Places, whole: U64, sizes: Places, reading: int, known: Whole, hits: Found, count: int
) -> tuple[Found, int]:
    """Problems that equal texts of a chunk by one of the readings of `Text.whole`."""
    bits, shift = known.table.filter, known.table.filter_shift
    for row in range(offsets.size - 1):
        first, last, key = offsets[row], offsets[row + 1], whole[row, reading]
        if first == last or not maybe(bits, shift, key):
            continue
        tier = _EQUAL[reading]
        if reading == 0 and sizes[row, 0] < LEAST_LETTERS:
            continue
        if reading == 1 and sizes[row, 0] < LEAST_LETTERS:
            tier = EXACT
        if reading == 3 and sizes[row, 1] < LEAST_CONTENT:
            continue
        hits, count = _equal(row, first, last, key, tier, known, hits, count)
    return hits, count


@kernel
def _contained(
    row: int,
    end: np.int64,
    place: int,
    low: int,
    high: int,
    text: Text,
    sequences: Sequences,
    hits: Found,
    count: int,
) -> tuple[Found, int]:
    """Sequences whose anchor (`place`) a text has at the symbols up to `end`, and the rest of them too."""
    for j in range(sequences.with_anchor.offsets[place], sequences.with_anchor.offsets[place + 1]):
        entry = sequences.with_anchor.entries[j]
        start = end - 2 - sequences.shift[entry]
        length = sequences.length[entry]
        if start < low or start + length > high:
            continue
        if high - low - length > LOOSE_TOKENS and length < FIRM_TOKENS:
            continue
        total, power = np.uint64(0), _ONE
        for k in range(start, start + length):
            total += text.symbols[k] * power
            power *= _BASE
        if mix(total ^ (np.uint64(length + 1) * _BASE ^ _SALT)) == sequences.whole[entry]:
            first, last = text.symbol_at[start], text.symbol_at[start + length - 1]
            hits = _push(hits, count, row, sequences.problem[entry], CONTAINED, 1.0, first, last)
            count += 1
    return hits, count


@kernel
def contained_texts(
    texts: int, text: Text, sequences: Sequences, hits: Found, count: int
) -> tuple[Found, int]:
    """Short problems and stems that stand in texts of a chunk as a whole."""
    table = sequences.table
    bits, shift = table.filter, table.filter_shift
    stream, offsets = text.symbols, text.symbol_offsets
    for row in range(texts):
        low, high = offsets[row], offsets[row + 1]
        for end in range(np.uint64(low + 2), np.uint64(max(high, low + 2))):
            run = stream[end - _TWO] + (stream[end - _ONE] + stream[end] * _BASE) * _BASE
            key = mix(run ^ (np.uint64(4) * _BASE ^ _SALT))
            if not maybe(bits, shift, key):
                continue
            place = find(table, key)
            if place >= 0:
                hits, count = _contained(row, np.int64(end), place, low, high, text, sequences, hits, count)
    return hits, count


@kernel
def covered_texts(
    token_offsets: Places, text: Text, of: Problems, coverage: float, room: Room, hits: Found, count: int
) -> tuple[Found, int]:
    """Hits by n-grams of the texts of a chunk, whose n-grams `room` has."""
    problems, shares, seen, place_of = room.touched, room.shares, room.seen, room.place
    lengths, stock_of, every, kept = of.tokens, of.stock, of.counts, of.kept
    weights, weight_of, number_weight_of = of.weights, of.weight, of.number_weight
    places, place_offsets, number_offsets = of.places, of.place_offsets, of.number_offsets
    gram_offsets, entries = of.with_gram.offsets, of.with_gram.entries
    for row in range(token_offsets.size - 1):
        low, high = room.offsets[row], room.offsets[row + 1]
        if low == high:
            continue
        touched, repeats, stock = tally(
            place_of, low, high, weights, gram_offsets, entries, seen, shares, problems
        )
        tokens = token_offsets[row + 1] - token_offsets[row]
        first_word, last_word = text.word_offsets[row], text.word_offsets[row + 1]
        first_number, last_number = text.number_offsets[row], text.number_offsets[row + 1]
        different = max(last_word - first_word - WORDS + 1, 0) - repeats
        pairs = -1
        for k in range(touched):
            problem = problems[k]
            grams = int(shares[problem] / ONE_GRAM)
            share = shares[problem] - ONE_GRAM * grams
            shares[problem] = 0.0
            reach = 2 * lengths[problem] + 30
            whole = tokens <= reach
            # What at most can be: all n-grams in one place, with all numbers, and all stock phrases that both have.
            both = grams + min(stock, stock_of[problem])
            most = alike(both, every[problem], kept[problem], different)
            variant = whole and most >= VARIANT_SIMILARITY
            tier, score, first, last = -1, 0.0, 0, 0
            enough = needed(every[problem], coverage)
            weight, number_weight = weight_of[problem], number_weight_of[problem]
            begins, ends = place_offsets[problem], place_offsets[problem + 1]
            if grams >= LEAST_GRAMS:
                tier, score = judge(
                    grams, share, both / kept[problem], number_weight, weight, number_weight, enough
                )
            if tier >= 0:
                if pairs < 0:
                    pairs = pair_numbers(text.numbers, first_number, last_number, room.pairs)
                grams, both, share, first, last = densest(
                    begins, ends, places, low, high, _FAR if whole else reach, weights, room
                )
                shared = shared_numbers(
                    of.numbers[number_offsets[problem] : number_offsets[problem + 1]],
                    of.number_weights[number_offsets[problem] : number_offsets[problem + 1]],
                    room.pairs[:pairs],
                    text.number_at[first_number:last_number],
                    0 if whole else first - MARGIN,
                    _FAR if whole else last + MARGIN,
                )
                tier, score = judge(grams, share, both / kept[problem], shared, weight, number_weight, enough)
            if tier < 0 and variant:
                both = shared_grams(begins, ends, places, low, high, place_of, seen)
                score = alike(both, every[problem], kept[problem], different)
                if score >= VARIANT_SIMILARITY:
                    tier, first, last = VARIANT, text.word_at[first_word], text.word_at[last_word - 1]
            if tier >= 0:
                hits = _push(hits, count, row, problem, tier, score, first, last)
                count += 1
    return hits, count


@kernel
def match_texts(
    offsets: Places,
    text: Text,
    letters: Whole,
    symbols: Whole,
    template: Whole,
    bag: Whole,
    of: Problems,
    sequences: Sequences,
    coverage: float,
    room: Room,
) -> Found:
    """Look up the texts of a chunk that were read into `text`; `offsets` are their first tokens."""
    hits, count = np.empty((64, 6), np.float64), 0
    hits, count = equal_texts(offsets, text.whole, text.sizes, 0, letters, hits, count)
    hits, count = equal_texts(offsets, text.whole, text.sizes, 1, symbols, hits, count)
    hits, count = equal_texts(offsets, text.whole, text.sizes, 2, template, hits, count)
    hits, count = equal_texts(offsets, text.whole, text.sizes, 3, bag, hits, count)
    texts = offsets.size - 1
    hits, count = contained_texts(texts, text, sequences, hits, count)
    gather_texts(
        texts,
        text.words,
        text.word_at,
        text.word_offsets,
        of.grams,
        room.place,
        room.begin,
        room.end,
        room.offsets,
    )
    hits, count = covered_texts(offsets, text, of, coverage, room, hits, count)
    return hits[:count]
