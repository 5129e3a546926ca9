"""The n-gram tier: how much of a benchmark problem a text covers, in one place, and with which numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from factory.decontamination.features import Stream, short_form
from factory.decontamination.hits import Hit, Tier
from factory.decontamination.postings import Floats, Postings
from factory.text.tokens import Places

LEAST_WEIGHT = 1.0
"""Problems whose telling n-grams weigh less are found as whole sequences only."""
SHORT, LONG = 8, 30
"""Problems of at most SHORT n-grams must be covered to `SHORT_COVERAGE`, of LONG and more to the section's."""
SHORT_COVERAGE = 0.7
SAME_NUMBERS = 0.5
"""Share of a problem's number pairs that a text must have to count as the same problem, not as its template."""
TEMPLATE_COVERAGE = 0.45
"""Share of a problem's word n-grams that a text with other numbers must have to count as its template."""
LEAST_SHARE = 0.25
"""Problems of which a text has less by word n-grams are not looked at closer."""
MARGIN = 10
"""Tokens round the window of words in which numbers count."""
_LOW = np.int64(2**32 - 1)


@dataclass(frozen=True, slots=True)
class Problems:
    """Facts of the problems, one row each: tokens, telling n-grams in all, weights of the kept n-grams.

    `number_grams` and `number_weights` are the number pairs of all problems one after another (`number_offsets`).
    """

    tokens: Places
    grams: Places
    word_weight: Floats
    number_weight: Floats
    number_grams: npt.NDArray[np.uint32]
    number_weights: Floats
    number_offsets: Places


@dataclass(frozen=True, slots=True)
class Found:
    """N-grams that texts share with problems: key (text << 32 | problem), the n-gram, its weight and its token."""

    key: Places
    gram: Places
    weight: Floats
    at: Places

    def take(self, chosen: Places) -> Found:
        """Some of them."""
        return Found(self.key[chosen], self.gram[chosen], self.weight[chosen], self.at[chosen])

    def only(self, keys: Places) -> Found:
        """Those of the given keys (sorted), ordered by key and token."""
        if not keys.size:
            return self.take(np.zeros(0, dtype=np.int64))
        place = np.minimum(np.searchsorted(keys, self.key), keys.size - 1)
        chosen = np.flatnonzero(keys[place] == self.key)
        return self.take(chosen[np.lexsort((self.at[chosen], self.key[chosen]))])

    def sums(self, keys: Places) -> Floats:
        """Weight of the different n-grams of every key."""
        order = np.lexsort((self.gram, self.key))
        key, gram = self.key[order], self.gram[order]
        fresh = np.ones(key.size, dtype=bool)
        fresh[1:] = (key[1:] != key[:-1]) | (gram[1:] != gram[:-1])
        weights = np.where(fresh, self.weight[order], 0.0)
        return np.bincount(np.searchsorted(keys, key), weights, keys.size).astype(np.float64)


def gather(table: Postings, stream: Stream) -> Found:
    """The n-grams of some texts that problems have."""
    found, places = table.find(short_form(stream.hashes))
    rows = np.searchsorted(stream.offsets, found, side="right") - 1
    at, problems = table.expand(places)
    return Found((rows[at] << 32) | problems, places[at], table.weights[places[at]], stream.at[found[at]])


def covered(words: Found, numbers: Stream, of: Problems, lengths: Places, coverage: float) -> Iterator[Hit]:
    """Hits by n-gram coverage.

    Args:
        words: shared word n-grams.
        numbers: number pairs of the texts.
        of: the problems.
        lengths: tokens of every text.
        coverage: share of a longer problem's weight that makes a hit.
    """
    keys, inverse = np.unique(words.key, return_inverse=True)
    problem = keys & _LOW
    needed = np.interp(of.grams[problem], [SHORT, LONG], [SHORT_COVERAGE, coverage])
    bound = np.bincount(inverse, words.weight, keys.size)
    # Numbers can lift the coverage of both together: keep what could still reach it with all its numbers.
    reachable = bound + of.number_weight[problem] >= needed * (
        of.word_weight[problem] + of.number_weight[problem]
    )
    wanted = keys[
        reachable
        & (of.word_weight[problem] >= LEAST_WEIGHT)
        & (bound >= LEAST_SHARE * of.word_weight[problem])
    ]
    if not wanted.size:
        return
    words = words.only(wanted)
    word_sum = words.sums(wanted)
    low = np.searchsorted(words.key, wanted)
    high = np.append(low[1:], words.key.size)
    first, last = words.at[low], words.at[high - 1]
    reach = 2 * of.tokens[wanted & _LOW] + 30
    inside = lengths[wanted >> 32] > reach
    for i in np.flatnonzero(last - first > reach).tolist():
        first[i], last[i], word_sum[i] = densest(words.take(np.arange(low[i], high[i])), int(reach[i]))
    begin, end = np.where(inside, first - MARGIN, 0), np.where(inside, last + MARGIN, np.iinfo(np.int64).max)
    number_sum = _shared_numbers(wanted, numbers, of, begin, end)
    yield from _judged(wanted, word_sum, number_sum, first, last, of, coverage)


def _shared_numbers(keys: Places, numbers: Stream, of: Problems, begin: Places, end: Places) -> Floats:
    """Weight of the problems' number pairs that the texts have between tokens `begin` and `end`."""
    which, place = _spread(of.number_offsets, keys & _LOW)
    theirs = which << 32 | of.number_grams[place].astype(np.int64)
    owner, at = _spread(numbers.offsets, keys >> 32)
    near = (numbers.at[at] >= begin[owner]) & (numbers.at[at] <= end[owner])
    ours = np.sort(owner[near] << 32 | short_form(numbers.hashes[at[near]]).astype(np.int64))
    if not ours.size:
        return np.zeros(keys.size)
    found = ours[np.minimum(np.searchsorted(ours, theirs), ours.size - 1)] == theirs
    return np.bincount(which, of.number_weights[place] * found, keys.size).astype(np.float64)


def _spread(offsets: Places, rows: Places) -> tuple[Places, Places]:
    """All entries of some rows of a ragged table: the position in `rows`, and the entry."""
    counts = offsets[rows + 1] - offsets[rows]
    ends = np.cumsum(counts)
    within = np.arange(int(ends[-1]) if ends.size else 0) - np.repeat(ends - counts, counts)
    return np.repeat(np.arange(rows.size), counts), np.repeat(offsets[rows], counts) + within


def _judged(
    keys: Places,
    word_sum: Floats,
    number_sum: Floats,
    first: Places,
    last: Places,
    of: Problems,
    coverage: float,
) -> Iterator[Hit]:
    problem = keys & _LOW
    word_total, number_total = of.word_weight[problem], of.number_weight[problem]
    needed = np.interp(of.grams[problem], [SHORT, LONG], [SHORT_COVERAGE, coverage])
    share = word_sum / word_total
    same = np.divide(number_sum, number_total, out=np.ones(keys.size), where=number_total > 0)
    together = (word_sum + number_sum) / (word_total + number_total)
    ngram: npt.NDArray[np.bool_] = (together >= needed) & (same >= SAME_NUMBERS)
    template = ~ngram & (share >= TEMPLATE_COVERAGE)
    for i in np.flatnonzero(ngram | template).tolist():
        tier, score = (Tier.NGRAM, together[i]) if ngram[i] else (Tier.TEMPLATE, share[i])
        yield Hit(int(keys[i] >> 32), int(problem[i]), tier, float(score), int(first[i]), int(last[i]))


def densest(found: Found, reach: int) -> tuple[int, int, float]:
    """The window of at most `reach` tokens whose different n-grams weigh most: first token, last token, weight.

    `found` is ordered by token.
    """
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
