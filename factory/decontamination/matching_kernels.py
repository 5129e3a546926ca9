"""Kernels: all tiers over the texts of one chunk."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from factory.decontamination.coverage_kernels import (
    LEAST_GRAMS,
    MARGIN,
    TEMPLATE,
    VARIANT,
    VARIANT_SIMILARITY,
    Problems,
    Room,
    alike,
    densest,
    gather,
    judge,
    pair_numbers,
    shared_numbers,
    similarity,
    tally,
)
from factory.decontamination.features import SALT, WORDS
from factory.decontamination.reading_kernels import Text, Words, read_text, room
from factory.decontamination.table_kernels import Postings, Table, find, maybe
from factory.text.hashing import BASE, U64, Bytes, Places
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
    if maybe(known.table.filter, known.table.filter_shift, key):
        place = find(known.table, key)
        if place >= 0:
            for j in range(known.with_hash.offsets[place], known.with_hash.offsets[place + 1]):
                hits = _push(hits, count, row, known.with_hash.entries[j], tier, 1.0, first, last - 1)
                count += 1
    return hits, count


@kernel
def _contained(
    row: int, symbols: int, text: Text, sequences: Sequences, hits: Found, count: int
) -> tuple[Found, int]:
    """Short problems and stems that stand in a text as a whole."""
    bits, shift = sequences.table.filter, sequences.table.filter_shift
    stream = text.symbols
    for end in range(np.uint64(2), np.uint64(max(symbols, 2))):
        run = stream[end - _TWO] + (stream[end - _ONE] + stream[end] * _BASE) * _BASE
        key = mix(run ^ (np.uint64(4) * _BASE ^ _SALT))
        if not maybe(bits, shift, key):
            continue
        place = find(sequences.table, key)
        if place < 0:
            continue
        for j in range(sequences.with_anchor.offsets[place], sequences.with_anchor.offsets[place + 1]):
            entry = sequences.with_anchor.entries[j]
            start = np.int64(end) - 2 - sequences.shift[entry]
            length = sequences.length[entry]
            if start < 0 or start + length > symbols:
                continue
            if symbols - length > LOOSE_TOKENS and length < FIRM_TOKENS:
                continue
            total, power = np.uint64(0), _ONE
            for k in range(start, start + length):
                total += stream[k] * power
                power *= _BASE
            if mix(total ^ (np.uint64(length + 1) * _BASE ^ _SALT)) == sequences.whole[entry]:
                first, last = text.symbol_at[start], text.symbol_at[start + length - 1]
                hits = _push(hits, count, row, sequences.problem[entry], CONTAINED, 1.0, first, last)
                count += 1
    return hits, count


@kernel
def _covered(
    row: int,
    tokens: int,
    words: int,
    numbers: int,
    text: Text,
    of: Problems,
    coverage: float,
    space: Room,
    hits: Found,
    count: int,
) -> tuple[Found, int]:
    """Hits by n-grams of one text of so many `tokens`."""
    found = gather(words, text, of, space)
    touched, repeats, stock = tally(found, of, space)
    different = max(words - WORDS + 1, 0) - repeats
    problems, counts, shares = space.touched, space.counts, space.shares
    lengths, stock_of, every, kept = of.tokens, of.stock, of.counts, of.kept
    pairs = -1
    for k in range(touched):
        problem = problems[k]
        grams, share = counts[problem], shares[problem]
        counts[problem], shares[problem] = 0, 0.0
        reach = 2 * lengths[problem] + 30
        whole = tokens <= reach
        # What at most can be: all n-grams in one place, with all numbers, and all stock phrases that both have.
        most = alike(grams + min(stock, stock_of[problem]), every[problem], kept[problem], different)
        variant = whole and most >= VARIANT_SIMILARITY
        tier, score, first, last = -1, 0.0, 0, 0
        if grams >= LEAST_GRAMS:
            tier, score = judge(problem, grams, share, of.number_weight[problem], of, coverage)
        if tier >= 0:
            if pairs < 0:
                pairs = pair_numbers(numbers, text, space)
            grams, share, first, last = densest(problem, found, _FAR if whole else reach, of, space)
            begin, end = (0, _FAR) if whole else (first - MARGIN, last + MARGIN)
            shared = shared_numbers(problem, pairs, begin, end, text, of, space)
            tier, score = judge(problem, grams, share, shared, of, coverage)
        if tier < 0 and variant:
            score = similarity(problem, found, different, of, space)
            if score >= VARIANT_SIMILARITY:
                tier, first, last = VARIANT, text.word_at[0], text.word_at[words - 1]
        if tier >= 0:
            hits = _push(hits, count, row, problem, tier, score, first, last)
            count += 1
    return hits, count


@kernel
def match_texts(
    raw: Bytes,
    data: Bytes,
    hashes: U64,
    kinds: Bytes,
    starts: Places,
    lengths: Places,
    offsets: Places,
    known: Words,
    letters: Whole,
    symbols: Whole,
    template: Whole,
    bag: Whole,
    of: Problems,
    sequences: Sequences,
    coverage: float,
    seen: npt.NDArray[np.int32],
    shares: npt.NDArray[np.float64],
    counts: npt.NDArray[np.int32],
) -> Found:
    """Read and look up all texts of a chunk (`tokens.Tokens`).

    `seen`, `shares` and `counts` are counters as in `Room`, zero before and after.
    """
    texts = offsets.size - 1
    longest = 0
    for row in range(texts):
        longest = max(longest, offsets[row + 1] - offsets[row])
    text = room(longest)
    space = Room(
        seen,
        shares,
        counts,
        np.empty(counts.size, np.int32),
        np.empty(longest, np.int32),
        np.empty(longest, np.int64),
        np.empty(longest, np.int64),
        np.empty(longest, np.int64),
        np.empty(longest, np.uint64),
    )
    whole, sizes = np.empty(4, np.uint64), np.empty(2, np.int64)
    hits, count = np.empty((64, 6), np.float64), 0
    for row in range(texts):
        first, last = offsets[row], offsets[row + 1]
        if first == last:
            continue
        signs, words, numbers = read_text(
            raw, data, hashes, kinds, starts, lengths, first, last, known, text, whole, sizes
        )
        if sizes[0] >= LEAST_LETTERS:
            hits, count = _equal(row, first, last, whole[0], EXACT, letters, hits, count)
            hits, count = _equal(row, first, last, whole[1], RENAMED, symbols, hits, count)
        else:
            hits, count = _equal(row, first, last, whole[1], EXACT, symbols, hits, count)
        hits, count = _equal(row, first, last, whole[2], TEMPLATE, template, hits, count)
        if sizes[1] >= LEAST_CONTENT:
            hits, count = _equal(row, first, last, whole[3], SHUFFLED, bag, hits, count)
        hits, count = _contained(row, signs, text, sequences, hits, count)
        hits, count = _covered(row, last - first, words, numbers, text, of, coverage, space, hits, count)
    return hits[:count]
