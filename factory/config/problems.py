"""Which problems go in."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from factory.config.base import Section


class ReadingSection(Section):
    """How a source is read."""

    layout: str | None = None
    """Where the columns are; told from the columns by default."""
    fields: dict[str, str] = Field(default_factory=dict)
    """Paths of what is elsewhere, such as `answer: reward_model.ground_truth`."""
    model: str | None = None
    """Model that wrote the responses, where the rows do not say."""
    name: str | None = None
    """Source of the problems in the tables; the rows' own or the file's name by default."""
    licence: str | None = None
    """Licence of the source."""
    limit: int | None = Field(None, ge=1)
    """Read the first N rows."""


class SourceSection(ReadingSection):
    """One source of problems and of the responses that it holds."""

    path: str = Field(min_length=1)
    """File, folder, glob or `hf://datasets/OWNER/NAME[/FILE]`."""


class ProblemsSection(Section):
    """Sources of problems and what is set aside for evaluation."""

    sources: list[str] = Field(min_length=1)
    """Files, folders, globs, `hf://datasets/OWNER/NAME[/FILE]`, `procedural:FAMILY|all?count=N&seed=S&levels=a,b`,
    `reasoning_gym:TASK?count=N&seed=S&choices=K&missing=skip`."""
    problem_field: str = "problem"
    """Column with the problem, for files that name it otherwise."""
    answer_field: str = "answer"
    """Column with the gold answer, for files that name it otherwise."""
    limit: int | None = Field(None, ge=1)
    """Keep the first N problems, in source order; for a trial."""
    held_out: int = Field(0, ge=0)
    """Problems set aside for evaluation before anything else, drawn by seed; no later step sees them."""

    @model_validator(mode="after")
    def _some_are_left(self) -> Self:
        if self.limit is not None and self.held_out >= self.limit:
            raise ValueError(f"held_out {self.held_out} leaves nothing of limit {self.limit}")
        return self
