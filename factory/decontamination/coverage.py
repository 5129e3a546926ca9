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
TEMPLATE_COVERAGE = 0.7
"""Share of a problem's word n-grams that a text with other numbers must have to count as its template."""
MARGIN = 10
"""Tokens round the window of words in which numbers count."""
_LOW = np.int64(2**32 - 1)


@dataclass(frozen=True, slots=True)
class Problems:
    """Facts of the problems, one row each: tokens, telling n-grams in all, weights of the kept n-grams."""

    tokens: Places
    grams: Places
    word_weight: Floats
    number_weight: Floats


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
        return np.bincount(np.searchsorted(keys, key), weights, keys.size)


def gather(table: Postings, stream: Stream) -> Found:
    """The n-grams of some texts that problems have."""
    found, places = table.find(short_form(stream.hashes))
    rows = np.searchsorted(stream.offsets, found, side="right") - 1
    at, problems = table.expand(places)
    return Found((rows[at] << 32) | problems, places[at], table.weights[places[at]], stream.at[found[at]])


def covered(words: Found, numbers: Found, of: Problems, lengths: Places, coverage: float) -> Iterator[Hit]:
    """Hits by n-gram coverage.

    Args:
        words: shared word n-grams.
        numbers: shared number pairs.
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
        reachable & (of.word_weight[problem] >= LEAST_WEIGHT) & (bound >= 0.25 * of.word_weight[problem])
    ]
    if not wanted.size:
        return
    words, numbers = words.only(wanted), numbers.only(wanted)
    word_sum, number_sum = words.sums(wanted), numbers.sums(wanted)
    low = np.searchsorted(words.key, wanted)
    first, last = words.at[low], words.at[np.append(low[1:], words.key.size) - 1]
    reach = 2 * of.tokens[wanted & _LOW] + 30
    for i in np.flatnonzero(last - first > reach).tolist():
        here = words.take(np.arange(low[i], low[i + 1] if i + 1 < low.size else words.key.size))
        first[i], last[i], word_sum[i] = densest(here, int(reach[i]))
        span = np.searchsorted(numbers.key, [wanted[i], wanted[i] + 1])
        near = numbers.take(np.arange(*span))
        near = near.take(np.flatnonzero((near.at >= first[i] - MARGIN) & (near.at <= last[i] + MARGIN)))
        number_sum[i] = near.sums(wanted[i : i + 1])[0]
    yield from _judged(wanted, word_sum, number_sum, first, last, of, coverage)


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
    template = ~ngram & (share >= np.maximum(TEMPLATE_COVERAGE, needed))
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
