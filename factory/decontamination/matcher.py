"""Finding benchmark problems in texts: look-ups of all hashes at once, then rules for what counts as a hit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from factory.decontamination.features import Features, Stream, short_form, window_hashes
from factory.decontamination.index import ANCHOR, Benchmark, BenchmarkIndex
from factory.text.hashing import U64
from factory.text.tokens import Places

Floats = npt.NDArray[np.float64]

LEAST_LETTERS = 20
"""Texts of fewer letters and digits must agree in their signs as well to count as equal."""
LEAST_GRAMS = 4
"""Problems of fewer telling n-grams are found as whole sequences only."""
SHORT, LONG = 8, 30
"""Problems of at most SHORT n-grams must be covered almost wholly, of LONG and more by the section's `coverage`."""
SHORT_COVERAGE = 0.7
SAME_NUMBERS = 0.5
"""Share of a problem's number pairs that a text must have to count as the same problem, not as its template."""
TEMPLATE_COVERAGE = 0.7
"""Share of a problem's word n-grams that a text with other numbers must have to count as its template."""
LOOSE_TOKENS = 60
"""A short sequence counts as contained when the text has at most so many further tokens ..."""
FIRM_TOKENS = 15
"""... or when the sequence itself is this long."""


class Tier(StrEnum):
    """How a benchmark problem was recognised, surest first."""

    EXACT = "exact"
    """The same letters, digits and commands; operators, spacing, case and punctuation do not matter."""
    RENAMED = "renamed"
    """The same tokens and signs, but for the names of variables."""
    SHUFFLED = "shuffled_options"
    """The same words and numbers in another order; multiple choice only."""
    CONTAINED = "contained"
    """A short problem, or a multiple-choice stem, stands in the text as a whole."""
    NGRAM = "ngram"
    """The text covers the problem's telling n-grams, in one place, with the same numbers."""
    TEMPLATE = "template"
    """The same wording with other numbers; dropped only if asked."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One benchmark problem found in one text. `first` and `last` are the tokens of the matched span."""

    row: int
    problem: int
    tier: Tier
    score: float
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Postings:
    """Which problems have a key: the problems of `keys[i]` are `problems[offsets[i]..offsets[i + 1]]`."""

    keys: U64
    offsets: Places
    problems: Places
    weights: Floats
    filter: npt.NDArray[np.bool_]

    @classmethod
    def of(
        cls, keys: npt.NDArray[np.unsignedinteger], problems: Places, weights: Floats | None = None
    ) -> Postings:
        """Sort keys with their problems. `weights` (one a key and problem) must agree for equal keys."""
        order = np.argsort(keys, kind="stable")
        distinct, first = np.unique(keys[order], return_index=True)
        weighted = np.ones(distinct.size) if weights is None else weights[order][first]
        bits = np.zeros(2**22, dtype=bool)
        bits[_slot(distinct)] = True
        return cls(distinct, np.append(first, keys.size), problems[order], weighted, bits)

    def find(self, keys: npt.NDArray[np.unsignedinteger]) -> tuple[Places, Places]:
        """Positions in `keys` that are known, and where in `self.keys` each of them is."""
        maybe = np.flatnonzero(self.filter[_slot(keys)])
        if not self.keys.size:
            return maybe[:0], maybe[:0]
        asked = keys[maybe]
        place = np.minimum(np.searchsorted(self.keys, asked), self.keys.size - 1)
        known = self.keys[place] == asked
        return maybe[known], place[known]

    def expand(self, places: Places) -> tuple[Places, Places]:
        """For each place all its problems: positions in `places`, and problems."""
        counts = self.offsets[places + 1] - self.offsets[places]
        total = np.cumsum(counts)
        within = np.arange(int(total[-1]) if total.size else 0) - np.repeat(total - counts, counts)
        return np.repeat(np.arange(places.size), counts), self.problems[
            np.repeat(self.offsets[places], counts) + within
        ]


def _slot(keys: npt.NDArray[np.unsignedinteger]) -> npt.NDArray[np.unsignedinteger]:
    return keys >> (10 if keys.dtype == np.uint32 else 42)


class Matcher:
    """All benchmarks of an index, arranged for look-up."""

    def __init__(self, index: BenchmarkIndex, coverage: float) -> None:
        """`coverage`: share of a longer problem's n-grams that makes a hit."""
        many = index.benchmarks
        self.coverage = coverage
        self.firsts = np.concatenate([[0], np.cumsum([len(b.ids) for b in many])]).astype(np.int64)
        count = int(self.firsts[-1])
        every = np.arange(count)
        self.tokens = _all(many, "tokens")
        long_enough = _all(many, "letter_bytes") >= LEAST_LETTERS
        self.letters = Postings.of(_all(many, "letters")[long_enough], every[long_enough])
        self.symbols = Postings.of(_all(many, "symbols"), every)
        self.template = Postings.of(_all(many, "template"), every)
        bag = _all(many, "bag")
        self.bag = Postings.of(bag[bag != 0], every[bag != 0])
        self.words, self.word_weight = self._grams(many, "words", count)
        self.numbers, self.number_weight = self._grams(many, "numbers", count)
        self.grams = _all(many, "words_counts")
        self.anchors: Any = np.concatenate([b.anchors for b in many]) if many else np.zeros(0, ANCHOR)
        shift = np.repeat(self.firsts[:-1], [b.anchors.size for b in many])
        self.anchor_problem = self.anchors["problem"].astype(np.int64) + shift
        self.anchor_sets = {
            (stream, width): Postings.of(self.anchors["anchor"][chosen], chosen)
            for stream in (0, 1)
            for width in np.unique(self.anchors["width"])
            if (
                chosen := np.flatnonzero(
                    (self.anchors["stream"] == stream) & (self.anchors["width"] == width)
                )
            ).size
        }

    def _grams(self, many: Sequence[Benchmark], kind: str, count: int) -> tuple[Postings, Floats]:
        problems = np.concatenate(
            [np.zeros(0, dtype=np.int64)]
            + [
                np.repeat(np.arange(len(b.ids)) + at, np.diff(getattr(b, f"{kind}_offsets")))
                for at, b in zip(self.firsts, many, strict=False)
            ]
        ).astype(np.int64)
        weights = 1 / (1 + np.log(np.maximum(_all(many, f"{kind}_df"), 1)))
        return Postings.of(_all(many, kind), problems, weights), np.bincount(problems, weights, count).astype(
            np.float64
        )

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
        long_enough = f.letter_bytes >= LEAST_LETTERS
        yield from self._whole(self.letters, f.letters, long_enough, Tier.EXACT, firsts)
        filled = lengths > 0
        exact_short = filled & ~long_enough
        yield from self._whole(self.symbols, f.symbols_hash, exact_short, Tier.EXACT, firsts)
        yield from self._whole(self.symbols, f.symbols_hash, filled, Tier.RENAMED, firsts)
        yield from self._whole(self.bag, f.bag, f.content >= SHORT, Tier.SHUFFLED, firsts)
        for number, stream in enumerate((f.plain, f.symbols)):
            yield from self._contained(number, stream)
        yield from self._covered(f, lengths)
        yield from self._whole(self.template, f.template_hash, filled, Tier.TEMPLATE, firsts)

    def _whole(
        self, table: Postings, keys: U64, allowed: npt.NDArray[np.bool_], tier: Tier, firsts: Places
    ) -> Iterator[Hit]:
        rows, places = table.find(keys)
        rows, places = rows[allowed[rows]], places[allowed[rows]]
        at, problems = table.expand(places)
        for row, problem in zip(rows[at].tolist(), problems.tolist(), strict=True):
            yield Hit(row, problem, tier, 1.0, int(firsts[row]), int(firsts[row + 1]) - 1)

    def _contained(self, number: int, stream: Stream) -> Iterator[Hit]:
        ends = np.repeat(stream.offsets[1:], stream.lengths)
        rows = np.repeat(np.arange(stream.lengths.size), stream.lengths)
        for (of, width), table in self.anchor_sets.items():
            starts = np.flatnonzero(ends - np.arange(ends.size) >= width)
            if of != number or not starts.size:
                continue
            found, places = table.find(window_hashes(stream, starts, np.full(starts.size, width)))
            at, entries = table.expand(places)
            start, length = starts[found[at]], self.anchors["length"][entries].astype(np.int64)
            extra = stream.lengths[rows[start]] - length
            fits = (start + length <= ends[start]) & ((extra <= LOOSE_TOKENS) | (length >= FIRM_TOKENS))
            start, length, entries = start[fits], length[fits], entries[fits]
            same = window_hashes(stream, start, length) == self.anchors["whole"][entries]
            for s, n, entry in zip(
                start[same].tolist(), length[same].tolist(), entries[same].tolist(), strict=True
            ):
                first, last = int(stream.at[s]), int(stream.at[s + n - 1])
                yield Hit(int(rows[s]), int(self.anchor_problem[entry]), Tier.CONTAINED, 1.0, first, last)

    def _covered(self, f: Features, lengths: Places) -> Iterator[Hit]:
        words = _gather(self.words, f.words)
        numbers = _gather(self.numbers, f.numbers)
        keys, inverse = np.unique(words.key, return_inverse=True)
        word_sum = np.bincount(inverse, words.weight, keys.size)
        problem = keys & (2**32 - 1)
        telling = (self.grams[problem] >= LEAST_GRAMS) & (word_sum >= 0.5 * self.word_weight[problem])
        wanted = np.sort(keys[telling])
        words, numbers = words.only(wanted), numbers.only(wanted)
        for key in wanted.tolist():
            hit = self._judge(key >> 32, key & (2**32 - 1), words.of(key), numbers.of(key))
            if hit is not None:
                yield hit

    def _judge(self, row: int, problem: int, words: Found, numbers: Found) -> Hit | None:
        """Decide one text and problem from the n-grams that they share, within the densest window of the text."""
        reach = 2 * int(self.tokens[problem]) + 30
        first, last, word_sum = densest(words, reach)
        near = (numbers.at >= first - 10) & (numbers.at <= last + 10)
        _, once = np.unique(numbers.gram[near], return_index=True)
        number_sum = float(numbers.weight[near][once].sum())
        word_total, number_total = self.word_weight[problem], self.number_weight[problem]
        share = word_sum / word_total
        same = number_sum / number_total if number_total > 0 else 1.0
        together = (word_sum + number_sum) / (word_total + number_total)
        needed = np.interp(self.grams[problem], [SHORT, LONG], [SHORT_COVERAGE, self.coverage])
        if together >= needed and same >= SAME_NUMBERS:
            return Hit(row, problem, Tier.NGRAM, float(together), first, last)
        if share >= max(TEMPLATE_COVERAGE, needed):
            return Hit(row, problem, Tier.TEMPLATE, float(share), first, last)
        return None


@dataclass(frozen=True, slots=True)
class Found:
    """N-grams that texts share with problems: key (text << 32 | problem), the n-gram, its weight and its token."""

    key: Places
    gram: Places
    weight: Floats
    at: Places

    def only(self, keys: Places) -> Found:
        """Those of the given keys (sorted), ordered by key and token."""
        place = np.minimum(np.searchsorted(keys, self.key), max(keys.size - 1, 0))
        chosen = np.flatnonzero(keys[place] == self.key) if keys.size else place[:0]
        chosen = chosen[np.lexsort((self.at[chosen], self.key[chosen]))]
        return Found(self.key[chosen], self.gram[chosen], self.weight[chosen], self.at[chosen])

    def of(self, key: int) -> Found:
        """Those of one key; the table must come from `only`."""
        low, high = np.searchsorted(self.key, [key, key + 1])
        return Found(self.key[low:high], self.gram[low:high], self.weight[low:high], self.at[low:high])


def _gather(table: Postings, stream: Stream) -> Found:
    found, places = table.find(short_form(stream.hashes))
    rows = np.searchsorted(stream.offsets, found, side="right") - 1
    at, problems = table.expand(places)
    return Found((rows[at] << 32) | problems, places[at], table.weights[places[at]], stream.at[found[at]])


def densest(found: Found, reach: int) -> tuple[int, int, float]:
    """The window of at most `reach` tokens whose different n-grams weigh most: first token, last token, weight."""
    seen: dict[int, int] = {}
    grams, ats, weights = found.gram.tolist(), found.at.tolist(), found.weight.tolist()
    best, total, low = (ats[0], ats[0], 0.0) if ats else (0, 0, 0.0), 0.0, 0
    for high, at in enumerate(ats):
        if seen.get(grams[high], 0) == 0:
            total += weights[high]
        seen[grams[high]] = seen.get(grams[high], 0) + 1
        while at - ats[low] > reach:
            seen[grams[low]] -= 1
            if seen[grams[low]] == 0:
                total -= weights[low]
            low += 1
        if total > best[2] + 1e-9:
            best = (ats[low], at, total)
    return best


def _all(many: Sequence[Benchmark], name: str) -> npt.NDArray[Any]:
    return np.concatenate([getattr(b, name) for b in many]) if many else np.zeros(0, dtype=np.uint64)
