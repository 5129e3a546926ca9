"""How near-duplicates are found and which one stays."""

from __future__ import annotations

from pydantic import Field

from factory.recipe.base import Section


class DeduplicationSection(Section):
    """MinHash LSH with verified pairs; used on problems, then on responses."""

    threshold: float = Field(0.8, gt=0, le=1)
    """Jaccard similarity of word n-gram sets from which two texts are duplicates."""
    ngram: int = Field(5, ge=1)
    """Words a shingle."""
    permutations: int = Field(128, ge=16)
    """MinHash permutations."""
    numbers_differ: bool = True
    """Texts whose numbers differ are not duplicates (templates with other numbers are other problems)."""
