"""What each decision of a recipe is worth: which decisions are tried, and how the sets that they make are compared."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from factory.config.compare import CompareSection


class LadderSection(CompareSection):
    """One change at a time, each compared with the recipe's own set."""

    change: list[str] = Field(default_factory=list)
    """A decision to try instead of the usual ones, as `SECTION.KEY=VALUE`; several keys that belong together stand in one
    text with spaces between; repeat for more."""
    dataset: Literal["sft", "midtrain"] = "sft"
    """The training set that is compared."""
