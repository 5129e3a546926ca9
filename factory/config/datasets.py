"""What goes into the training sets."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from factory.config.base import Section
from factory.config.endpoint import Judge
from factory.config.generate import Prompt


class LabelJudge(Judge):
    """A model that labels problems instead of the offline rules."""

    max_tokens: int = Field(2_048, ge=16)
    """Completion budget of one label."""


class DatasetsSection(Section):
    """Selection of the midtrain and sft sets from verified responses.

    midtrain takes every verified correct response; sft takes a compact, varied subset of it (docs/paper.md, Stages).
    """

    judge: LabelJudge | None = None
    """Who labels domain and level where the source does not; rules and a small classifier by default."""
    prompt: Prompt = r"{problem}"
    """User message of the training rows; `{problem}` is replaced."""
    system: str | None = None
    """System message of the training rows."""
    midtrain_per_problem: int | None = Field(None, ge=1)
    """Maximum responses per problem in midtrain; all by default."""
    sft_rows: int | None = Field(None, ge=1)
    """Size of the sft set; a fifth of midtrain by default."""
    sft_per_problem: int = Field(1, ge=1)
    """Maximum responses per problem in sft."""
    sft_order: Literal["hardest", "random"] = "hardest"
    """Which rows of a cell come first: those of the problems that the teacher gets wrong most often, then the longest;
    or a draw by seed, to measure what the order is worth."""
    balance: list[str] = Field(default_factory=lambda: ["domain", "level"])
    """Columns over which the sft set is drawn evenly."""
    need_reasoning: bool = True
    """Leave out responses without a reasoning part; set it to false for teachers that reason in their answer."""
    max_loop_score: ClassVar[float] = 0.7
    """Leave out responses in which more than this share of the worst 1,000 characters is repetition."""
