"""What a hit is, and how sure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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
