"""How near-duplicates are found and which one is kept."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from factory.config.base import Section


class Keep(StrEnum):
    """A rule that says which row of a cluster stays."""

    VERIFIED = "verified"
    """Rows whose verdict is `correct` first."""
    ANSWERED = "answered"
    """Rows with a gold answer first."""
    SOURCE = "source"
    """Rows of sources that stand earlier in `sources` first."""
    SHORTER = "shorter"
    """The shorter text first."""
    LONGER = "longer"
    """The longer text first."""
    FIRST = "first"
    """The row that comes first in the input; decides what the other rules leave open."""


class Conflicts(StrEnum):
    """What becomes of similar rows whose gold answers contradict each other; they are listed in any case."""

    KEEP_BOTH = "keep_both"
    """One row per gold stays."""
    MAJORITY = "majority"
    """The gold that most rows have stays; where two lead, one row per gold."""
    DROP = "drop"
    """None stays."""


class ProblemDeduplicationSection(Section):
    """MinHash LSH with verified pairs."""

    threshold: float = Field(0.8, gt=0, le=1)
    """Jaccard similarity of word n-gram sets from which two texts are duplicates."""
    numbers_differ: bool = True
    """Treat texts as distinct when their numbers, negations or operators differ: templates with other numbers are other
    problems. Set it to false for prose, where another number is a typing error."""
    keep: list[Keep] = Field(
        default_factory=lambda: [Keep.VERIFIED, Keep.ANSWERED, Keep.SOURCE, Keep.SHORTER, Keep.FIRST]
    )
    """Which row of a cluster stays: the first rule that distinguishes two rows decides."""
    conflicts: Conflicts = Conflicts.KEEP_BOTH
    """What becomes of similar rows whose gold answers contradict each other: `keep_both`, `majority` or `drop`."""
    sources: list[str] = Field(default_factory=list)
    """Sources in order of preference, for the rule `source`; for mixes of curated and scraped sets."""
    against: list[str] = Field(default_factory=list)
    """Files of data already published: their duplicates are dropped, they themselves are not written."""

    @property
    def rules(self) -> DeduplicationSection:
        """What the step takes."""
        return DeduplicationSection(**self.model_dump())


class DeduplicationSection(ProblemDeduplicationSection):
    """Settings of the step, for any column."""

    ngram: int = Field(5, ge=1)
    """Words per shingle (n-gram size); smaller values find looser duplicates in short texts."""
    across_problems: bool = False
    """Also compare responses to different problems; for teachers that repeat themselves."""
    permutations: ClassVar[int] = 128
    """MinHash permutations."""
    false_negative_weight: ClassVar[float] = 0.99
    """Weight of missed pairs against needless comparisons when the LSH bands are chosen. Comparisons cost time only:
    every pair is verified."""


class ResponseDeduplicationSection(Section):
    """MinHash LSH among the responses to one problem."""

    threshold: float = Field(0.9, gt=0, le=1)
    """Jaccard similarity of word n-gram sets from which two responses are duplicates."""
    across_problems: bool = False
    """Also compare responses to different problems; for teachers that repeat themselves."""

    @property
    def rules(self) -> DeduplicationSection:
        """What the step takes: other numbers in the same words are still the same response."""
        return DeduplicationSection(**self.model_dump(), numbers_differ=False)
