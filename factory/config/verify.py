"""How answers are checked."""

from __future__ import annotations

from pydantic import Field

from factory.config.base import Section


class VerifySection(Section):
    """Checkers run in worker processes that are killed at their limit."""

    workers: int | None = Field(None, ge=1)
    """Worker processes; one a core by default."""
    seconds: float = Field(5.0, gt=0)
    """Limit of one check, in seconds of processor time; 12 times as much wall-clock time (at least 30 s) is the backstop."""
    majority: bool = False
    """Fill missing gold answers with the majority answer of the samples."""
    judge: str | None = None
    """Sampler preset that re-examines what the rules call incorrect or unverifiable (the paper's second check)."""
    judge_model: str | None = None
    """Model id of the judge, when it is not the preset's."""
    judge_base_url: str | None = None
    """Endpoint of the judge, when it is not the preset's."""
    judge_max_usd: float | None = Field(None, gt=0)
    """Hard budget of the judge in dollars."""
