"""How answers are checked."""

from __future__ import annotations

from pydantic import Field

from factory.recipe.base import Section


class VerifySection(Section):
    """Checkers run in worker processes that are killed at their limit."""

    workers: int | None = Field(None, ge=1)
    """Worker processes; one a core by default."""
    seconds: float = Field(5.0, gt=0)
    """Wall-clock limit of one check."""
    judge: str | None = None
    """Sampler preset that re-examines what the rules call incorrect or unverifiable (the paper's second check)."""
    majority: bool = False
    """Fill missing gold answers with the majority answer of the samples."""
