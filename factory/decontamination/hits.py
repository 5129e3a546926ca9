"""What a hit is, and how sure."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from factory.text.tokens import Places


class Tier(StrEnum):
    """How a benchmark problem was recognised; what `matching_kernels` finds comes first, surest first."""

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
    NUMBERS = "numbers"
    """The same numbers and answer, with some words in common or in another language; or the wording of a template or variant
    with the same numbers."""
    TEMPLATE = "template"
    """The same wording with other numbers; dropped only if asked."""
    VARIANT = "variant"
    """Most of the same telling words near each other, and little else, in a text of a problem's length: a problem
    reworded, or changed in some point. Dropped only if asked."""
    MEANING = "meaning"
    """Near in an embedding model's space, with the same answer and much the same numbers."""
    JUDGED = "judged"
    """The judge calls it the same problem in other words or another language."""
    EMBEDDING = "embedding"
    """Near in an embedding model's space, and nothing decides on it. Never dropped."""


def tiers_kept(*, templates: bool, variants: bool) -> list[str]:
    """Tiers that say "alike", not "the same": reported, and not dropped unless that is asked for."""
    kept = [Tier.EMBEDDING.value]
    return kept + [Tier.TEMPLATE.value] * (not templates) + [Tier.VARIANT.value] * (not variants)


class Hits(NamedTuple):
    """Benchmark problems found in some texts, one row each.

    `tier` is a position in `Tier`; the matched span are the folded bytes from `first` up to `last`.
    """

    row: Places
    problem: Places
    tier: Places
    score: npt.NDArray[np.float64]
    first: Places
    last: Places

    def take(self, chosen: npt.NDArray[Any]) -> Hits:
        """Some of them."""
        return Hits(*(column[chosen] for column in self))


def surest(hits: Hits) -> Hits:
    """One hit a text and problem, the surest; within a text the surest come first."""
    hits = hits.take(np.lexsort((-hits.score, hits.tier, hits.problem, hits.row)))
    fresh = np.ones(hits.row.size, dtype=bool)
    fresh[1:] = (hits.row[1:] != hits.row[:-1]) | (hits.problem[1:] != hits.problem[:-1])
    hits = hits.take(fresh)
    return hits.take(np.lexsort((hits.problem, -hits.score, hits.tier, hits.row)))
