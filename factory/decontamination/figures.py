"""What texts and problems are compared by besides n-grams: numerals, content words, gold answers, length and language."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from factory.decontamination.features import (
    ONE,
    SALT,
    SHORTEST_WORD,
    Stream,
    numerals,
    short_form,
    stem_hashes,
)
from factory.deduplication.golds import gold_keys
from factory.text.hashing import BASE, Bytes, Places, distinct, hash_words, mix, ranges
from factory.text.tokens import CLASSES, Kind, Tokens, tokenize_bytes

OTHER, ENGLISH, UNSPACED = 0, 1, 2
"""Languages that are distinguished: by small words, and by scripts without spaces, whose words are pairs of characters."""
_LEAST_CHARACTERS = 5
_LEAST_SMALL, _SMALL_SHARE, _FEW_WORDS = 2, 0.12, 8
"""English is what has small words, or hardly any words: formulas."""
BEGINNING = 20
"""Bits by which texts are told that have the numbers of no problem."""
_LONGEST_NUMERAL, _TWO = 3, hash_words(["2"])[0]
"""Digits that make a numeral more telling; a 2 tells half as much, it is in every formula."""


_WIDTHS = np.where(np.isin(CLASSES, (Kind.WORD, Kind.NUMBER, Kind.CHARACTER)), 2, 0).astype(np.uint8)
_WIDTHS[0xE3], _WIDTHS[0xE4:0xEA] = 3, 6
_WIDTH = _WIDTHS.tobytes()
"""Half letters of a character, by its first byte: a Chinese one says as much as three Latin letters, a kana as one and a half
(MGSM's translations, by which the medians of ten languages lie within 0.9 and 1.2 of the English length)."""


class Words(NamedTuple):
    """What is compared of texts with the same numbers.

    `words`: 16-bit hashes of different content words; those of text i are `words[offsets[i]:offsets[i + 1]]`. `language`: of
    every text. `spots`, `spot_offsets`: where its numerals in digits stand (but 1s), 0 at its begin and 255 at its end.
    `extent`: of every text, see `extents`.
    """

    words: npt.NDArray[np.uint16]
    offsets: Places
    language: npt.NDArray[np.uint8]
    spots: npt.NDArray[np.uint8]
    spot_offsets: Places
    extent: Places


class Answers(NamedTuple):
    """Gold answers: salted short hashes, equal where they agree (`golds.gold_keys`), 0 for none; and digits of each."""

    keys: npt.NDArray[np.uint32]
    digits: Places


def read_answers(texts: pl.Series | None, count: int) -> Answers:
    """Gold answers as written; None if all `count` of them are unknown."""
    if texts is None:
        return Answers(np.zeros(count, np.uint32), np.zeros(count, np.int64))
    keys = gold_keys(texts)
    short = np.where(keys == 0, np.uint32(0), short_form(mix(keys ^ SALT)) | np.uint32(1))
    digits = texts.fill_null("").str.replace(r"\.0+$", "").str.count_matches(r"\d")
    return Answers(short, digits.to_numpy().astype(np.int64))


def content_words(tokens: Tokens) -> Words:
    """Different content words of every text, by their stems."""
    hashes, word = stem_hashes(tokens)
    character = np.flatnonzero(tokens.kinds == Kind.CHARACTER)
    pair = character[:-1][np.diff(character) == 1]
    rows = tokens.rows
    pair = pair[rows[pair] == rows[pair + 1]]
    size = tokens.offsets.size - 1
    total = np.bincount(rows[word | (tokens.kinds == Kind.WORD) & (tokens.lengths > 1)], minlength=size)
    small = total - np.bincount(rows[word], minlength=size)
    unspaced = np.bincount(rows[character], minlength=size) >= _LEAST_CHARACTERS
    english = (total < _FEW_WORDS) | (small >= _LEAST_SMALL) & (small >= _SMALL_SHARE * total)
    at = np.concatenate([np.flatnonzero(word & (tokens.lengths >= SHORTEST_WORD)), pair])
    values = np.concatenate(
        [hashes[at[: at.size - pair.size]], tokens.hashes[pair] + tokens.hashes[pair + 1] * np.uint64(BASE)]
    )
    names = distinct(rows[at].astype(np.uint64) << np.uint64(16) | mix(values ^ SALT) >> np.uint64(48))
    offsets = np.searchsorted(names, np.arange(size + 1, dtype=np.uint64) << np.uint64(16))
    language = np.where(unspaced, UNSPACED, english * ENGLISH).astype(np.uint8)
    digits = np.flatnonzero((tokens.kinds == Kind.NUMBER) & (tokens.hashes != ONE))
    first, size_of = tokens.bounds[rows[digits]], np.diff(tokens.bounds)[rows[digits]]
    spots = 255 * (tokens.starts[digits] + tokens.lengths[digits] / 2 - first) / size_of
    return Words(
        names.astype(np.uint16),
        offsets,
        language,
        spots.astype(np.uint8),
        np.searchsorted(digits, tokens.offsets),
        extents(tokens.raw, tokens.bounds, np.arange(size)),
    )


class Numerals(NamedTuple):
    """16-bit hashes of the different numerals of texts; those of text i are `hashes[offsets[i]:offsets[i + 1]]`."""

    hashes: npt.NDArray[np.uint16]
    offsets: Places


def distinct_numerals(tokens: Tokens) -> Numerals:
    """The different numerals of every text but 1, number words included."""
    stream: Stream = numerals(tokens)
    size = stream.offsets.size - 1
    rows = np.repeat(np.arange(size, dtype=np.uint64), stream.lengths)
    names = distinct(rows << np.uint64(16) | mix(stream.hashes ^ SALT) >> np.uint64(48))
    offsets = np.searchsorted(names, np.arange(size + 1, dtype=np.uint64) << np.uint64(16))
    return Numerals(names.astype(np.uint16), offsets)


def telling(tokens: Tokens, answer_digits: Places) -> npt.NDArray[np.float64]:
    """How much the different numerals of every text and its answer tell: about one per digit."""
    stream: Stream = numerals(tokens)
    rows = np.repeat(np.arange(answer_digits.size), stream.lengths)
    digits = np.where(
        tokens.kinds[stream.at] == Kind.NUMBER, np.minimum(tokens.lengths[stream.at], _LONGEST_NUMERAL), 1
    )
    weights = np.where(stream.hashes == _TWO, 0.5, digits.astype(np.float64))
    _, first = np.unique(mix(stream.hashes + mix(rows.astype(np.uint64))), return_index=True)
    told = np.bincount(rows[first], weights[first], answer_digits.size)
    return np.asarray(told + np.minimum(answer_digits, _LONGEST_NUMERAL), dtype=np.float64)


class Pairs(NamedTuple):
    """Short hashes of the pairs of successive numbers of problems (`features.number_pairs`), those of problem i as in `Numerals`."""

    hashes: npt.NDArray[np.uint32]
    offsets: Places


class Figures(NamedTuple):
    """What an index knows of the numbers and words of its problems, one row each."""

    figures: npt.NDArray[np.uint32]
    ordered: npt.NDArray[np.uint32]
    answers: npt.NDArray[np.uint32]
    optioned: npt.NDArray[np.bool_]
    """Whether it is a multiple-choice problem."""
    content: Words
    numerals: Numerals
    pairs: Pairs
    seen: npt.NDArray[np.bool_]
    """For every possible beginning of a hash of `figures` or `ordered` whether a problem has such a one."""


def beginnings(*hashes: npt.NDArray[np.uint32]) -> npt.NDArray[np.bool_]:
    """See `Figures.seen`."""
    seen = np.zeros(1 << BEGINNING, dtype=bool)
    for each in hashes:
        seen[each[each != 0] >> np.uint32(32 - BEGINNING)] = True
    return seen


def tokens_of(raw: Bytes, first: Places, last: Places) -> Tokens:
    """Tokens of some parts of a buffer of folded texts."""
    sizes = last - first
    return tokenize_bytes(raw[ranges(first, sizes)], np.concatenate([[0], np.cumsum(sizes)]))


def times_longer(
    raw: Bytes, bounds: Places, row: Places, theirs: Words, problem: Places
) -> npt.NDArray[np.float64]:
    """How many times longer texts are than problems."""
    return extents(raw, bounds, row) / np.maximum(theirs.extent[problem], 1)


def extents(raw: Bytes, bounds: Places, texts: Places) -> Places:
    """Letters and digits of some of the texts, counted so that a translation is about as long (`_WIDTH`)."""
    chosen, place = np.unique(texts, return_inverse=True)
    ends = itertools.pairwise([0, *np.cumsum(bounds[chosen + 1] - bounds[chosen]).tolist()])
    wide = raw[ranges(bounds[chosen], bounds[chosen + 1] - bounds[chosen])].tobytes().translate(_WIDTH)
    widths = np.frombuffer(wide, dtype=np.uint8)
    return np.array([int(widths[a:b].sum()) // 2 for a, b in ends], dtype=np.int64)[place]


class Compared(NamedTuple):
    """The words of texts and problems, pair by pair.

    How many words the problem has, how many of them the text has, Dice coefficient, share of the problem's words that the text
    has, and whether both are of one language.
    """

    words: Places
    shared: Places
    dice: npt.NDArray[np.float64]
    contained: npt.NDArray[np.float64]
    same_language: npt.NDArray[np.bool_]


def compare(ours: Words, theirs: Words, row: Places, problem: Places) -> Compared:
    """The words of some texts and problems, pair by pair: `row` and `problem` say of which."""
    sizes = np.diff(ours.offsets)[row], np.diff(theirs.offsets)[problem]
    names = np.concatenate(
        [
            np.repeat(np.arange(row.size), size) << 16 | each.words[ranges(each.offsets[at], size)]
            for each, at, size in ((ours, row, sizes[0]), (theirs, problem, sizes[1]))
        ]
    )
    names.sort()
    shared = np.bincount(names[1:][names[1:] == names[:-1]] >> 16, minlength=row.size)
    return Compared(
        np.where(theirs.language[problem] == UNSPACED, sizes[1] // 2, sizes[1]),  # two pairs are a word
        shared,
        2 * shared / np.maximum(sizes[0] + sizes[1], 1),
        shared / np.maximum(sizes[1], 1),
        ours.language[row] == theirs.language[problem],
    )


def has_words(words: Words, rows: Places, wanted: npt.NDArray[np.uint16]) -> npt.NDArray[np.bool_]:
    """Which of some words each text has, shape (rows, *wanted)."""
    sizes = np.diff(words.offsets)[rows]
    names = np.repeat(np.arange(rows.size), sizes) << 16 | words.words[ranges(words.offsets[rows], sizes)]
    every = np.arange(rows.size).reshape(-1, *[1] * wanted.ndim) << 16 | wanted
    return np.isin(every, names)


class SharedNumerals(NamedTuple):
    """Share of a problem's different numerals that a text has, 1 if it has none, and their Jaccard similarity."""

    contained: npt.NDArray[np.float64]
    jaccard: npt.NDArray[np.float64]


def compare_numerals(ours: Numerals, theirs: Numerals, problem: Places) -> SharedNumerals:
    """The numerals of texts and of one problem each."""
    one, two = np.diff(ours.offsets), np.diff(theirs.offsets)[problem]
    rows = np.repeat(np.arange(problem.size), one), np.repeat(np.arange(problem.size), two)
    names = np.concatenate(
        [rows[0] << 16 | ours.hashes, rows[1] << 16 | theirs.hashes[ranges(theirs.offsets[problem], two)]]
    )
    names.sort()
    shared = np.bincount(names[1:][names[1:] == names[:-1]] >> 16, minlength=problem.size)
    return SharedNumerals(
        np.where(two > 0, shared / np.maximum(two, 1), 1.0), shared / np.maximum(one + two - shared, 1)
    )


class SharedPairs(NamedTuple):
    """How many different pairs of successive numbers texts and problems have, and how many both of a text and a problem have."""

    ours: Places
    theirs: Places
    both: Places


def compare_pairs(ours: Stream, theirs: Pairs, row: Places, problem: Places) -> SharedPairs:
    """The pairs of successive numbers (`features.number_pairs`) of texts and of one problem each."""
    sides = []
    for hashes, offsets, at in (
        (short_form(ours.hashes), ours.offsets, row),
        (theirs.hashes, theirs.offsets, problem),
    ):
        sizes = np.diff(offsets)[at]
        every = np.repeat(np.arange(at.size, dtype=np.uint64), sizes) << np.uint64(32)
        sides.append(distinct(every | hashes[ranges(offsets[at], sizes)]))
    both = np.intersect1d(sides[0], sides[1], assume_unique=True)
    counted = (
        np.bincount((names >> np.uint64(32)).astype(np.int64), minlength=row.size) for names in (*sides, both)
    )
    return SharedPairs(*counted)


def apart(ours: Words, theirs: Words, row: Places, problem: Places) -> Places:
    """How far the numerals of texts and problems that have the same in the same order stand apart at most."""
    counts, also = np.diff(ours.spot_offsets)[row], np.diff(theirs.spot_offsets)[problem]
    counts = np.where(counts == also, counts, 0)  # short hashes may be equal by chance
    one = ours.spots[ranges(ours.spot_offsets[row], counts)]
    other = theirs.spots[ranges(theirs.spot_offsets[problem], counts)]
    apart = np.where(counts > 0, 0, 255)
    np.maximum.at(apart, np.repeat(np.arange(row.size), counts), np.abs(one.astype(np.int64) - other))
    return apart
