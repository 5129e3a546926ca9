"""How answers are checked."""

from __future__ import annotations

from pydantic import Field, model_validator

from factory.config.base import Section
from factory.config.endpoint import Judge, gather_judge
from factory.config.functions import Function


class VerifySection(Section):
    """Checkers run in worker processes that are killed at their limit."""

    workers: int | None = Field(None, ge=1)
    """Worker processes; one per core by default."""
    seconds: float = Field(5.0, gt=0)
    """Limit of one check in seconds of processor time; 12 times as much wall-clock time (at least 30 s) ends it, too."""
    majority: bool = False
    """Fill missing gold answers with the samples' majority answer, for sources without answers."""
    judge: Judge | None = None
    """Model that re-examines what the rules call incorrect or unverifiable (the paper's second check): a preset name,
    or a section."""

    checker: Function | None = None
    """A function of your own that decides instead of the rules: `mychecks.py:is_right` (docs/own-functions.md)."""

    _earlier = model_validator(mode="before")(gather_judge)
