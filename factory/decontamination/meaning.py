"""The embedding tier on indexes: texts that mean what a benchmark problem means, decided by numbers and answers.

Encoding is slow and numbers are fast, so a model reads only texts that some problem shares the answer, numerals and a few
words with: a small part of most data. Texts without a gold answer are all read, and only reported.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from factory.decontamination.embedding import Encoder, Vectors, vectors_of
from factory.decontamination.features import number_pairs
from factory.decontamination.figures import (
    ENGLISH,
    Words,
    compare,
    compare_pairs,
    content_words,
    distinct_numerals,
    extents,
    has_words,
    read_answers,
    telling,
)
from factory.decontamination.rules import DEFAULT
from factory.errors import UsageError
from factory.text.hashing import U64, mix, ranges
from factory.text.tokens import Places, Tokens, flat, text_bytes, tokenize_bytes

if TYPE_CHECKING:
    from factory.decontamination.index import BenchmarkIndex
    from factory.decontamination.matcher import Matcher

ROWS = 2_000
"""Texts that are looked at together."""
PROBLEMS = 8_192
"""Problems whose vectors are unpacked together."""


class Near(NamedTuple):
    """Texts and problems that are near in meaning, one row each; `same`: numbers and answers agree, too."""

    row: Places
    problem: Places
    score: npt.NDArray[np.float64]
    same: npt.NDArray[np.bool_]


class Meanings:
    """The vectors of an index and the model that they are of."""

    def __init__(self, index: BenchmarkIndex, matcher: Matcher, encoder: Encoder, threshold: float) -> None:
        """`threshold`: the cosine from which a text without a gold answer is reported.

        Raises:
            UsageError: the index has no vectors, or those of another model.
        """
        check_vectors(index, encoder)
        known = matcher.known
        sizes = [len(b.ids) for b in index.benchmarks]
        encoded = np.repeat([b.vectors.size > 0 for b in index.benchmarks], sizes) & (
            known.language == ENGLISH
        )
        self._encoder, self._threshold = encoder, threshold
        self._known, self._content, self._pairs = known, matcher.figures.content, matcher.figures.pairs
        self._problems = np.flatnonzero(encoded)
        self._place = np.cumsum(encoded) - 1
        self._codes = known.vectors.reshape(-1, encoder.width // 2)
        counts = np.diff(known.numerals_offsets)
        problem = np.repeat(np.arange(counts.size), counts)
        usable = encoded[problem] & (known.answers[problem] != 0)
        keys = _keys(known.numerals, known.answers[problem])[usable]
        order = np.argsort(keys, kind="stable")
        self._keys, self._owners = keys[order], problem[usable][order]

    def find(self, texts: pl.Series, golds: pl.Series | None, asked: npt.NDArray[np.bool_]) -> Near:
        """What is near the texts that are asked for."""
        found = []
        for first in range(0, len(texts), ROWS):
            some = slice(first, first + ROWS)
            if asked[some].any():
                near = self._find(texts[some], None if golds is None else golds[some], asked[some])
                found.append(near._replace(row=near.row + first))
        none = Near(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros(0, bool))
        return Near(*(np.concatenate(each) for each in zip(none, *found, strict=True)))

    def _find(self, texts: pl.Series, golds: pl.Series | None, asked: npt.NDArray[np.bool_]) -> Near:
        raw, bounds = flat(texts)
        tokens = tokenize_bytes(raw[: bounds[-1]], bounds)
        words, numerals = content_words(tokens), distinct_numerals(tokens)
        answers, digits = read_answers(golds, len(texts))
        told = telling(tokens, digits)
        counts, theirs = np.diff(numerals.offsets), np.diff(self._known.numerals_offsets)
        asked = asked & (words.language == ENGLISH) & (counts > 0)
        of = np.repeat(np.arange(len(texts)), counts)
        row, problem, shared = self._sharing(of, numerals.hashes, np.where(asked, answers, 0))
        likely = shared / (counts[row] + theirs[problem] - shared) >= DEFAULT.meaning_numbers
        row, problem, shared = row[likely], problem[likely], shared[likely]
        compared = compare(words, self._content, row, problem)
        times = extents(raw, bounds, row) / np.maximum(self._known.extent[problem], 1)
        likely = (compared.shared >= DEFAULT.meaning_words) & (compared.dice >= DEFAULT.meaning_dice)
        likely &= (times <= DEFAULT.far) & (times * DEFAULT.far >= 1)
        row, problem, shared = row[likely], problem[likely], shared[likely]
        unknown = np.flatnonzero(asked & (answers == 0))
        chosen = np.union1d(row, unknown)
        vectors = self._encoder.encode(texts.gather(chosen).to_list())
        score = self._cosines(vectors, np.searchsorted(chosen, row), problem)
        # Each with a number that the other has not: other numbers, and by chance the same answer.
        agree = shared == np.minimum(counts[row], theirs[problem])
        agree &= (counts[row] == shared) | ~self._changed(tokens, words, row, problem)
        few = np.where(told[row] < DEFAULT.meaning_told, DEFAULT.meaning_few, DEFAULT.meaning)
        near = score >= np.where(agree, few, self._threshold)
        reported = self._nearest(vectors[np.searchsorted(chosen, unknown)], unknown, of, numerals.hashes)
        found = Near(row[near], problem[near], score[near], agree[near])
        return Near(*(np.concatenate(each) for each in zip(found, reported, strict=True)))

    def _changed(self, tokens: Tokens, words: Words, row: Places, problem: Places) -> npt.NDArray[np.bool_]:
        """Texts that put other numbers in the place of a problem's, or say that something is added to it."""
        pairs = compare_pairs(number_pairs(tokens), self._pairs, row, problem)
        replaced = (pairs.both < DEFAULT.meaning_pairs * pairs.theirs) & (
            pairs.theirs >= DEFAULT.meaning_few_pairs
        )
        added = has_words(words, row, _adding()) & ~has_words(self._content, problem, _adding())
        return np.asarray(replaced | added.any(axis=1))

    def _sharing(
        self, of: Places, numerals: npt.NDArray[np.uint16], answers: npt.NDArray[np.uint32]
    ) -> tuple[Places, Places, Places]:
        """Texts and problems of one answer, and how many numerals they share."""
        known = answers[of] != 0
        keys, of = _keys(numerals[known], answers[of[known]]), of[known]
        low, high = (np.searchsorted(self._keys, keys, side=side) for side in ("left", "right"))
        owners = self._owners[ranges(low, high - low)]
        pairs, shared = np.unique(np.repeat(of, high - low) << 32 | owners, return_counts=True)
        return pairs >> 32, pairs & (2**32 - 1), shared

    def _cosines(self, vectors: Vectors, place: Places, problem: Places) -> npt.NDArray[np.float64]:
        found = np.zeros(place.size)
        for first in range(0, place.size, PROBLEMS):
            some = slice(first, first + PROBLEMS)
            theirs = vectors_of(self._codes[self._place[problem[some]]])
            found[some] = (vectors[place[some]] * theirs).sum(axis=1)
        return found

    def _nearest(self, vectors: Vectors, rows: Places, of: Places, numerals: npt.NDArray[np.uint16]) -> Near:
        """The nearest problem of every text without a gold, if it is near and has much the same numerals."""
        best, at = np.full(rows.size, -1.0), np.zeros(rows.size, np.int64)
        for first in range(0, self._problems.size if rows.size else 0, PROBLEMS):
            cosines = vectors @ vectors_of(self._codes[first : first + PROBLEMS]).T
            place = cosines.argmax(axis=1)
            score = cosines[np.arange(rows.size), place]
            better = score > best
            best[better], at[better] = score[better], first + place[better]
        near = np.flatnonzero(best >= self._threshold)
        row, problem = rows[near], self._problems[at[near]]
        agree = np.zeros(near.size, bool)
        for i, (text, other) in enumerate(zip(row.tolist(), problem.tolist(), strict=True)):
            low, high = self._known.numerals_offsets[other : other + 2]
            one, two = numerals[of == text], self._known.numerals[low:high]
            both = np.intersect1d(one, two).size
            agree[i] = both >= DEFAULT.meaning_numbers * (one.size + two.size - both)
        return Near(row[agree], problem[agree], best[near][agree], np.zeros(int(agree.sum()), bool))


@cache
def _adding() -> npt.NDArray[np.uint16]:
    """Hashes of content words that say that something is added; a detail that changes nothing is rarely told so."""
    return content_words(tokenize_bytes(*text_bytes(pl.Series(["another", "extra"])))).words


def check_vectors(index: BenchmarkIndex, encoder: Encoder) -> None:
    """Whether an index has vectors, and all of them are of this model.

    Raises:
        UsageError: it has none, or of another model.
    """
    held = [b for b in index.benchmarks if b.vectors.size]
    if not held:
        raise UsageError(
            "no benchmark of decontamination.against has vectors for the embedding tier",
            do="name others, or build the index again: factory benchmarks build PATH --embedding MODEL",
        )
    for benchmark in held:
        if benchmark.facts.get("embedding") != encoder.facts:
            raise UsageError(
                f"the index {benchmark.name} has vectors of another model than {encoder.name}",
                do=f"use the model whose weights have the sha256 {benchmark.facts['embedding']['sha256']}",
            )


def _keys(numerals: npt.NDArray[np.uint16], answers: npt.NDArray[np.uint32]) -> U64:
    return mix(numerals.astype(np.uint64) << np.uint64(32) | answers)
