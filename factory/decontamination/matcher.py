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
from factory.decontamination.index import ANCHOR, STOCK, Benchmark, BenchmarkIndex
from factory.decontamination.matching_kernels import LEAST_LETTERS, Sequences, Whole, match_texts
from factory.decontamination.reading_kernels import Text, Words, read_texts, room
from factory.decontamination.table_kernels import postings_of, table_of
from factory.text.hashing import U64
from factory.text.tokens import Places, Tokens


class Matcher:
    """All benchmarks of an index, arranged for look-up. May be used by several threads at once."""

    def __init__(self, index: BenchmarkIndex) -> None:
        """`index`: the benchmarks."""
        many = index.benchmarks
        self.firsts = np.concatenate([[0], np.cumsum([len(b.ids) for b in many])]).astype(np.int64)
        count = int(self.firsts[-1])
        every = np.arange(count)
        long_enough = _all(many, "letter_bytes") >= LEAST_LETTERS
        bag = _all(many, "bag")
        self._words = Words(*word_sets())
        self._whole = (
            _whole(_all(many, "letters")[long_enough], every[long_enough]),
            _whole(_all(many, "symbols"), every),
            _whole(_all(many, "template"), every),
            _whole(bag[bag != 0], every[bag != 0]),
        )
        self._problems = _problems(many, count)
        self._sequences = _sequences(many, self.firsts)
        self._spaces = threading.local()

    def match(self, tokens: Tokens, coverage: float) -> Hits:
        """All hits in some texts, at most one a text and problem (`hits.surest`).

        Args:
            tokens: the texts.
            coverage: share of a longer problem's n-grams that makes a hit.
        """
        text, space = self._space(tokens.hashes.size, tokens.offsets.size - 1)
        read_texts(
            tokens.raw,
            tokens.data,
            tokens.hashes,
            tokens.kinds,
            tokens.starts,
            tokens.lengths,
            tokens.offsets,
            self._words,
            text,
        )
        found = match_texts(
            tokens.offsets, text, *self._whole, self._problems, self._sequences, coverage, space
        )
        row, problem, tier, first, last = (found[:, i].astype(np.int64) for i in (0, 1, 2, 4, 5))
        return surest(Hits(row, problem, tier, found[:, 3], first, last))

    def _space(self, tokens: int, texts: int) -> tuple[Text, Room]:
        """The calling thread's working space, for so many tokens and texts and a little more."""
        space: tuple[Text, Room] | None = getattr(self._spaces, "space", None)
        if space is None or space[0].symbols.size < tokens or space[0].whole.shape[0] < texts:
            tokens, texts = 5 * tokens // 4, 5 * texts // 4 + 1
            grams, problems = self._problems.grams.keys.size, self._problems.tokens.size
            space = (
                room(tokens, texts),
                Room(
                    seen=np.zeros(grams, np.int32),
                    shares=np.zeros(problems),
                    touched=np.empty(problems, np.int32),
                    place=np.empty(tokens, np.int32),
                    begin=np.empty(tokens, np.int32),
                    end=np.empty(tokens, np.int32),
                    offsets=np.zeros(texts + 1, np.int64),
                    chosen=np.empty(tokens, np.int32),
                    pairs=np.empty(tokens, np.uint64),
                ),
            )
            self._spaces.space = space
        return space


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
    telling = by_place[places] > 0
    every = np.arange(count + 1)
    return Problems(
        grams=table_of(keys),
        with_gram=postings_of(places[telling], problems[telling], keys.size),
        weights=by_place,
        tokens=_all(many, "tokens").astype(np.int64),
        counts=_all(many, "words_counts").astype(np.int64),
        kept=np.bincount(problems, minlength=count).astype(np.int64),
        stock=np.bincount(problems[~telling], minlength=count).astype(np.int64),
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
