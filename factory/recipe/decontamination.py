"""What the data must not contain."""

from __future__ import annotations

from pydantic import Field

from factory.recipe.base import Section


class DecontaminationSection(Section):
    """Benchmarks to check against, by shipped index name or by path."""

    against: list[str] = Field(default_factory=list)
    """Index names (`factory benchmarks` lists them), `all`, or paths of benchmark files."""
    coverage: float = Field(0.45, gt=0, le=1)
    """Share of a benchmark problem's weighted n-grams that must be covered for a hit (longer problems)."""
    drop_templates: bool = False
    """Also drop problems that equal a benchmark problem but for their numbers."""
    drop_variants: bool = False
    """Also drop problems that are much like a benchmark problem without being it."""
