"""All benchmarks of an index, and the hits in some texts, by array code or by kernels (`text.compiled`)."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from factory.decontamination.decide import decide
from factory.decontamination.features import word_sets
from factory.decontamination.figures import Figures, Numerals, Pairs, Words, beginnings
from factory.decontamination.hits import Hits, surest
from factory.decontamination.index import BenchmarkIndex
from factory.decontamination.match import columns, match
from factory.decontamination.rules import DEFAULT
from factory.text import compiled
from factory.text.hashing import U64, Bytes
from factory.text.tokens import CLASSES, NAMES, Places

if TYPE_CHECKING:
    from factory.decontamination.kernels import Index, Room
    from factory.decontamination.reading_kernels import Text

FEW_HITS = 2**15
"""Hits of one chunk that there is room for at first."""


class Matcher:
    """All benchmarks of an index, arranged for look-up. May be used by several threads at once."""

    def __init__(self, index: BenchmarkIndex) -> None:
        """`index`: the benchmarks."""
        many = index.benchmarks
        self.firsts = np.concatenate([[0], np.cumsum([len(b.ids) for b in many])]).astype(np.int64)
        self.known = columns(many)
        content = Words(
            self.known.content,
            self.known.content_offsets,
            self.known.language,
            self.known.spots,
            self.known.spots_offsets,
            self.known.extent,
        )
        self.figures = Figures(
            self.known.figures,
            self.known.ordered,
            self.known.answers,
            self.known.bag != 0,
            content,
            Numerals(self.known.numerals, self.known.numerals_offsets),
            Pairs(self.known.numbers, self.known.numbers_offsets),
            beginnings(self.known.figures, self.known.ordered),
        )
        self._arranged: Index | None = None
        self._lock, self._spaces = threading.Lock(), threading.local()

    def match(self, text: Bytes, bounds: Places, coverage: float) -> tuple[Hits, U64]:
        """All hits by words in some texts, at most one a text and problem, and the numerals of each text (for `decide`).

        Args:
            text: the folded texts one after another (`tokens.flat`).
            bounds: the offsets of the texts in it.
            coverage: share of a longer problem's n-grams that makes a hit.
        """
        limits = DEFAULT._replace(coverage=coverage)
        if not compiled.active():
            hits, figures = match(text, bounds, self.known, limits)
        else:
            hits, figures = self._match_compiled(text, bounds, coverage)
        return surest(hits), figures

    def decide(self, text: Bytes, bounds: Places, golds: pl.Series | None, hits: Hits, figures: U64) -> Hits:
        """What `match` found with what numbers, words and `golds` decide (`decide.decide`), at most one hit a text and problem."""
        return surest(decide(text, bounds, golds, figures, hits, self.figures, DEFAULT))

    def _match_compiled(self, text: Bytes, bounds: Places, coverage: float) -> tuple[Hits, U64]:
        from factory.decontamination.kernels import match_texts
        from factory.decontamination.reading_kernels import Language
        from factory.text.kernels import byte_view

        index = self._index()
        space = self._space(index, int(np.diff(bounds).max(initial=0)))
        limits = DEFAULT._replace(coverage=float(coverage))
        language = Language(CLASSES, NAMES[0], NAMES[1], *word_sets())
        found = getattr(self._spaces, "found", np.empty((FEW_HITS, 6), np.float64))
        figures = np.zeros((bounds.size - 1, 2), np.uint64)
        while True:
            count = match_texts(
                text, byte_view(text), bounds, language, index, limits, *space, figures, found
            )
            if count <= len(found):
                break
            found = np.empty((2 * count, 6), np.float64)
        self._spaces.found = found
        row, problem, tier, first, last = (found[:count, i].astype(np.int64) for i in (0, 1, 2, 4, 5))
        return Hits(row, problem, tier, found[:count, 3].copy(), first, last), figures

    def _index(self) -> Index:
        from factory.decontamination.arrange import arrange

        with self._lock:
            if self._arranged is None:
                self._arranged = arrange(self.known)
            return self._arranged

    def _space(self, index: Index, size: int) -> tuple[Text, Room]:
        """The calling thread's working space, for texts of so many bytes and a little more."""
        from factory.decontamination.arrange import working_room
        from factory.decontamination.reading_kernels import room

        space: tuple[Text, Room] | None = getattr(self._spaces, "space", None)
        if space is None or space[0].symbols.size < size:
            space = room(5 * size // 4), working_room(index, 5 * size // 4)
            self._spaces.space = space
        return space
