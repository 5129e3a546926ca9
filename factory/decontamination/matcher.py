"""All benchmarks of an index arranged for look-up, and the hits in some texts."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from factory.decontamination.coverage_kernels import Floats, Problems, Room
from factory.decontamination.features import word_sets
from factory.decontamination.hits import Hits, surest
from factory.decontamination.index import ANCHOR, LONGEST, STOCK, Benchmark, BenchmarkIndex
from factory.decontamination.matching_kernels import (
    LEAST_LETTERS,
    Found,
    Index,
    Sequences,
    Whole,
    match_texts,
)
from factory.decontamination.rarest import rarest
from factory.decontamination.reading_kernels import Language, Text, room
from factory.decontamination.table_kernels import postings_of, table_of
from factory.text.hashing import U64, Bytes
from factory.text.tokens import CLASSES, LOWER, NAMES, Places

FEW_HITS = 4096
"""Hits of one chunk that there is room for at first."""


class Matcher:
    """All benchmarks of an index, arranged for look-up. May be used by several threads at once."""

    def __init__(self, index: BenchmarkIndex) -> None:
        """`index`: the benchmarks."""
        many = index.benchmarks
        self.firsts = np.concatenate([[0], np.cumsum([len(b.ids) for b in many])]).astype(np.int64)
        count = int(self.firsts[-1])
        every = np.arange(count)
        letter_bytes, symbols, bag = _all(many, "letter_bytes"), _all(many, "tokens"), _all(many, "bag")
        long_enough = letter_bytes >= LEAST_LETTERS
        self._language = Language(CLASSES, LOWER, NAMES[0], NAMES[1], *word_sets())
        self._index = Index(
            letters=_whole(_all(many, "letters")[long_enough], every[long_enough]),
            symbols=_whole(_all(many, "symbols"), every),
            template=_whole(_all(many, "template"), every),
            bag=_whole(bag[bag != 0], every[bag != 0]),
            problems=_problems(many, count),
            sequences=_sequences(many, self.firsts),
            most_letters=_most_letters(letter_bytes),
            most_symbols=np.uint64(symbols.max(initial=0)),
        )
        self._spaces = threading.local()

    def match(self, text: Bytes, bounds: Places, coverage: float) -> Hits:
        """All hits in some texts, at most one a text and problem (`hits.surest`).

        Args:
            text: the folded texts one after another (`tokens.flat`).
            bounds: the offsets of the texts in it.
            coverage: share of a longer problem's n-grams that makes a hit.
        """
        space = self._space(int(np.diff(bounds).max(initial=0)))
        found: Found = getattr(self._spaces, "found", np.empty((FEW_HITS, 6), np.float64))
        while True:
            count = match_texts(text, bounds, self._language, self._index, coverage, *space, found)
            if count <= len(found):
                break
            found = np.empty((2 * count, 6), np.float64)
        self._spaces.found = found
        found = found[:count]
        row, problem, tier, first, last = (found[:, i].astype(np.int64) for i in (0, 1, 2, 4, 5))
        return surest(Hits(row, problem, tier, found[:, 3], first, last))

    def _space(self, size: int) -> tuple[Text, Room]:
        """The calling thread's working space, for texts of so many bytes and a little more."""
        space: tuple[Text, Room] | None = getattr(self._spaces, "space", None)
        if space is None or space[0].symbols.size < size:
            size = 5 * size // 4
            grams, problems = self._index.problems.grams.keys.size, self._index.problems.tokens.size
            space = (
                room(size),
                Room(
                    marks=np.zeros(grams, np.uint8),
                    seen=np.zeros(grams, np.int32),
                    shares=np.zeros(problems, np.uint8),
                    touched=np.empty(
                        problems + 1, np.int32
                    ),  # a problem is written before it is known to be new
                    place=np.empty(size, np.int32),
                    at=np.empty(size, np.int32),
                    chosen=np.empty(size, np.int32),
                    pairs=np.empty(size, np.uint64),
                ),
            )
            self._spaces.space = space
        return space


def _most_letters(letter_bytes: Places) -> np.uint64:
    """Bytes of letters from which no text can have the letters of a problem.

    The same letters may be more bytes, by decimal points and by longer names of commands: less than four times as many.
    Indexes do not tell lengths beyond `LONGEST`.
    """
    most = int(letter_bytes.max(initial=0))
    return np.uint64(4 * most if most < LONGEST else 2**63)


def _whole(keys: U64, problems: Places) -> Whole:
    distinct, places = np.unique(keys, return_inverse=True)
    return Whole(table_of(distinct), postings_of(places, problems, distinct.size))


def _problems(many: Sequence[Benchmark], count: int) -> Problems:
    """The n-grams of all problems with their weights: 1 for one that no other problem has, less for frequent ones."""
    problems, weights = _weights(many, "words", count)
    weights[_all(many, "words_df") >= STOCK] = 0
    number_problems, number_weights = _weights(many, "numbers", count)
    keys, places = np.unique(_all(many, "words").astype(np.uint32), return_inverse=True)
    by_place = np.zeros(keys.size)
    by_place[places[::-1]] = weights[::-1]  # the first benchmark's, where they differ
    counts, kept = _all(many, "words_counts").astype(np.int64), np.bincount(problems, minlength=count)
    chosen, least = rarest(problems, places, by_place, counts, kept)
    # The n-grams that lead to most problems lie together at the beginning: they are met most often.
    order = np.lexsort((-np.bincount(places[chosen], minlength=keys.size), by_place == 0))
    keys, by_place = keys[order], by_place[order]
    places = np.argsort(order)[places]
    every = np.arange(count + 1)
    return Problems(
        grams=table_of(keys),
        stock=int(np.count_nonzero(by_place)),
        with_gram=postings_of(places[chosen], problems[chosen], keys.size),
        least=least,
        weights=by_place,
        tokens=_all(many, "tokens").astype(np.int64),
        counts=counts,
        kept=kept.astype(np.int64),
        weight=np.bincount(problems, by_place[places], count).astype(np.float64),
        number_weight=np.bincount(number_problems, number_weights, count).astype(np.float64),
        place_offsets=np.searchsorted(problems, every),
        places=places.astype(np.int32),
        number_offsets=np.searchsorted(number_problems, every),
        numbers=_all(many, "numbers").astype(np.uint32),
        number_weights=number_weights,
    )


def _weights(many: Sequence[Benchmark], kind: str, count: int) -> tuple[Places, Floats]:
    """Problem and weight of every n-gram."""
    lengths = [np.diff(getattr(b, f"{kind}_offsets")) for b in many]
    problems = np.repeat(np.arange(count), np.concatenate([np.zeros(0, np.int64), *lengths]))
    return problems, 1 / (1 + np.log(np.maximum(_all(many, f"{kind}_df").astype(np.float64), 1)))


def _sequences(many: Sequence[Benchmark], firsts: Places) -> Sequences:
    entries: Any = np.concatenate([np.zeros(0, ANCHOR), *(b.anchors for b in many)])
    keys, places = np.unique(entries["anchor"], return_inverse=True)
    return Sequences(
        table=table_of(keys),
        with_anchor=postings_of(places, np.arange(entries.size), keys.size),
        shift=entries["shift"].astype(np.int64),
        length=entries["length"].astype(np.int64),
        whole=np.ascontiguousarray(entries["whole"]),
        problem=entries["problem"].astype(np.int64) + np.repeat(firsts[:-1], [b.anchors.size for b in many]),
    )


def _all(many: Sequence[Benchmark], name: str) -> npt.NDArray[Any]:
    return np.concatenate([getattr(b, name) for b in many]) if many else np.zeros(0, dtype=np.uint64)
