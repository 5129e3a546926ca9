"""Finding benchmark problems in texts: all hashes of many texts are looked up at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from factory.decontamination.coverage import Problems, covered, gather
from factory.decontamination.features import SALT, Features, Stream
from factory.decontamination.hits import Hit, Tier
from factory.decontamination.index import ANCHOR, ANCHOR_TOKENS, Benchmark, BenchmarkIndex
from factory.decontamination.postings import Floats, Postings
from factory.text.hashing import U64
from factory.text.ngrams import SequenceHasher
from factory.text.tokens import Places

LEAST_LETTERS = 20
"""Texts of fewer letters and digits must agree in their signs as well to count as equal."""
LEAST_CONTENT = 8
"""Content words and numbers from which texts with the same words in another order count as shuffled."""
LOOSE_TOKENS = 60
"""A short sequence counts as contained when the text has at most so many further tokens ..."""
FIRM_TOKENS = 15
"""... or when the sequence itself is this long."""


class Matcher:
    """All benchmarks of an index, arranged for look-up."""

    def __init__(self, index: BenchmarkIndex, coverage: float) -> None:
        """`coverage`: share of a longer problem's n-grams that makes a hit."""
        many = index.benchmarks
        self.coverage = coverage
        self.firsts = np.concatenate([[0], np.cumsum([len(b.ids) for b in many])]).astype(np.int64)
        every = np.arange(int(self.firsts[-1]))
        long_enough = _all(many, "letter_bytes") >= LEAST_LETTERS
        self.letters = Postings.of(_all(many, "letters")[long_enough], every[long_enough])
        self.symbols = Postings.of(_all(many, "symbols"), every)
        self.template = Postings.of(_all(many, "template"), every)
        bag = _all(many, "bag")
        self.bag = Postings.of(bag[bag != 0], every[bag != 0])
        self.words, word_weight = self._grams(many, "words")
        number_problems, number_weights = self._weights(many, "numbers")
        self.problems = Problems(
            tokens=_all(many, "tokens").astype(np.int64),
            grams=_all(many, "words_counts").astype(np.int64),
            word_weight=word_weight,
            number_weight=_total(number_problems, number_weights, every.size),
            number_grams=_all(many, "numbers").astype(np.uint32),
            number_weights=number_weights,
            number_offsets=np.searchsorted(number_problems, np.arange(every.size + 1)),
        )
        self.sequences: Any = np.concatenate([np.zeros(0, ANCHOR), *(b.anchors for b in many)])
        shift = np.repeat(self.firsts[:-1], [b.anchors.size for b in many])
        self.sequence_problem = self.sequences["problem"].astype(np.int64) + shift
        self.anchors = Postings.of(self.sequences["anchor"], np.arange(self.sequences.size))

    def _grams(self, many: Sequence[Benchmark], kind: str) -> tuple[Postings, Floats]:
        """Postings of an n-gram table, and the weight of every problem's n-grams."""
        problems, weights = self._weights(many, kind)
        total = _total(problems, weights, int(self.firsts[-1]))
        return Postings.of(_all(many, kind).astype(np.uint32), problems, weights), total

    def _weights(self, many: Sequence[Benchmark], kind: str) -> tuple[Places, Floats]:
        """Problem and weight of every n-gram: 1 for one that no other problem has, less for frequent ones."""
        count = int(self.firsts[-1])
        lengths = [np.diff(getattr(b, f"{kind}_offsets")) for b in many]
        problems = np.repeat(np.arange(count), np.concatenate([np.zeros(0, np.int64), *lengths]))
        weights = 1 / (1 + np.log(np.maximum(_all(many, f"{kind}_df").astype(np.float64), 1)))
        return problems, weights

    def match(self, f: Features, lengths: Places) -> list[Hit]:
        """All hits in some texts, at most one a text and problem: the surest.

        Args:
            f: their features.
            lengths: tokens of every text.
        """
        best: dict[tuple[int, int], Hit] = {}
        for hit in self._all_hits(f, lengths):
            best.setdefault((hit.row, hit.problem), hit)
        return list(best.values())

    def _all_hits(self, f: Features, lengths: Places) -> Iterator[Hit]:
        firsts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        filled, long_enough = lengths > 0, f.letter_bytes >= LEAST_LETTERS
        yield from self._whole(self.letters, f.letters, long_enough, Tier.EXACT, firsts)
        yield from self._whole(self.symbols, f.symbols_hash, filled & ~long_enough, Tier.EXACT, firsts)
        yield from self._whole(self.symbols, f.symbols_hash, filled, Tier.RENAMED, firsts)
        yield from self._whole(self.bag, f.bag, f.content >= LEAST_CONTENT, Tier.SHUFFLED, firsts)
        yield from self._contained(f.symbols)
        yield from covered(gather(self.words, f.words), f.numbers, self.problems, lengths, self.coverage)
        yield from self._whole(self.template, f.template_hash, filled, Tier.TEMPLATE, firsts)

    def _whole(
        self, table: Postings, keys: U64, allowed: npt.NDArray[np.bool_], tier: Tier, firsts: Places
    ) -> Iterator[Hit]:
        rows, places = table.find(keys)
        rows, places = rows[allowed[rows]], places[allowed[rows]]
        at, problems = table.expand(places)
        for row, problem in zip(rows[at].tolist(), problems.tolist(), strict=True):
            yield Hit(row, problem, tier, 1.0, int(firsts[row]), int(firsts[row + 1]) - 1)

    def _contained(self, stream: Stream) -> Iterator[Hit]:
        if not self.sequences.size or not stream.hashes.size:
            return
        hasher = SequenceHasher(stream.hashes, SALT)
        starts = np.arange(max(stream.hashes.size - ANCHOR_TOKENS + 1, 0))
        found, places = self.anchors.find(hasher(starts, ANCHOR_TOKENS))
        at, entries = self.anchors.expand(places)
        start = found[at] - self.sequences["shift"][entries].astype(np.int64)
        length = self.sequences["length"][entries].astype(np.int64)
        rows = np.searchsorted(stream.offsets, found[at], side="right") - 1
        extra = stream.lengths[rows] - length
        fits = (start >= stream.offsets[rows]) & (start + length <= stream.offsets[rows + 1])
        fits &= (extra <= LOOSE_TOKENS) | (length >= FIRM_TOKENS)
        start, length, entries, rows = start[fits], length[fits], entries[fits], rows[fits]
        same = np.flatnonzero(hasher(start, length) == self.sequences["whole"][entries])
        for i in same.tolist():
            first, last = int(stream.at[start[i]]), int(stream.at[start[i] + length[i] - 1])
            yield Hit(int(rows[i]), int(self.sequence_problem[entries[i]]), Tier.CONTAINED, 1.0, first, last)


def _total(problems: Places, weights: Floats, count: int) -> Floats:
    return np.bincount(problems, weights, count).astype(np.float64)


def _all(many: Sequence[Benchmark], name: str) -> npt.NDArray[Any]:
    return np.concatenate([getattr(b, name) for b in many]) if many else np.zeros(0, dtype=np.uint64)
