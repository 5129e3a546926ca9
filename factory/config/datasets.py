"""What goes into the training sets."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from factory.config.base import Section
from factory.config.endpoint import Judge
from factory.config.functions import Function
from factory.config.prompt import Messages


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
    label: Function | None = None
    """A function of your own that labels problems, before source, judge and rules: `mylabels.py:topic`
    (docs/own-functions.md)."""
    filter: Function | None = None
    """A function of your own that says which responses go on to midtrain, sft and preference: `mychecks.py:keep`."""
    prompt: Messages = r"{problem}"
    """Prompt of the training rows: a text with `{problem}` and other fields of a row, a list of messages, or a YAML file of them."""
    system: str | None = None
    """System message of the training rows."""
    midtrain_per_problem: int | None = Field(None, ge=1)
    """Maximum responses per problem in midtrain; all by default."""
    keep: Literal["correct", "all", "majority"] = "correct"
    """Which responses may be taken: those verified correct; all, whatever their verdict (OpenThoughts3, arXiv 2506.04178); or
    those with the answer of more than half of the problem's responses, at least three. The verdict is a column of the sets."""
    min_tokens: int | None = Field(None, ge=1)
    """Leave out shorter responses (VibeThinker-3B takes 5,000 and more, arXiv 2606.16140). Four bytes are a token where the
    model's own count is unknown."""
    max_tokens: int | None = Field(None, ge=1)
    """Leave out longer responses."""
    same_language: bool = False
    """Leave out responses that reason in another script than that of their problem."""
    shortened: float = Field(0.0, ge=0, le=1)
    """Share of a set whose reasoning is cut after 1,000 to 2,000 tokens and keeps its answer, so that the student learns to
    answer within a budget (5% in Nemotron Nano 2, arXiv 2508.14444)."""
    sft_rows: int | None = Field(None, ge=1)
    """Size of the sft set; a fifth of midtrain by default."""
    sft_per_problem: int = Field(1, ge=1)
    """Maximum responses per problem in sft."""
    max_pass_rate: float | None = Field(None, ge=0, lt=1)
    """Take only problems for sft that the student solves at most this often: 0.25 for those it fails three times in four
    (VibeThinker-3B, arXiv 2606.16140). `difficulty` runs before the sft set then."""
    sft_order: Literal["hardest", "random"] = "hardest"
    """Which rows of a cell come first: those of the problems that the teacher gets wrong most often, then the longest;
    or a draw by seed, to measure what the order is worth."""
    balance: list[str] = Field(default_factory=lambda: ["domain", "level"])
    """Columns over which the sft set is drawn evenly."""
    need_reasoning: bool = True
    """Leave out responses without a reasoning part; set it to false for teachers that reason in their answer."""
    max_loop_score: ClassVar[float] = 0.7
    """Leave out responses in which more than this share of the worst 1,000 characters is repetition."""

    @model_validator(mode="after")
    def _limits_agree(self) -> Self:
        if self.min_tokens is not None and self.max_tokens is not None and self.min_tokens > self.max_tokens:
            raise ValueError(f"min_tokens {self.min_tokens} is above max_tokens {self.max_tokens}")
        return self
