"""How hard a problem is for the student."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field, model_validator

from factory.config.endpoint import Address, Budget, Endpoint

TEACHER = "teacher"
"""Student that is not asked: its rollouts are the teacher's responses."""


class DifficultySection(Address, Budget):
    """Student rollouts until the band of a problem's pass rate is known."""

    for_verbs: ClassVar[frozenset[str]] = frozenset(Budget.model_fields)
    student: str = "student"
    """Sampler: `student` is the run's own sft checkpoint through transformers; or any preset. `teacher` samples nothing: the
    pass rates are those of the teacher's responses, and pairs are made of them alone."""
    problems: int | None = Field(None, ge=1)
    """Sample on at most this many problems, drawn by seed; for students that are slow to sample."""
    min_samples: int = Field(4, ge=1)
    """Minimum rollouts per problem."""
    max_samples: int = Field(16, ge=1)
    """Maximum rollouts per problem."""
    low: float = Field(0.1, ge=0, le=1)
    """Below this pass rate a problem is too hard (open-r1's default band 0.1 to 0.9)."""
    high: float = Field(0.9, ge=0, le=1)
    """Above this pass rate a problem is too easy."""
    confidence: ClassVar[float] = 0.95
    """Stop sampling a problem when one band holds this much posterior probability, or when the remaining rollouts
    are not expected to change the band."""
    temperature: float = Field(1.0, ge=0, le=2)
    """Rollout temperature."""
    top_p: ClassVar[float] = 1.0
    """Nucleus mass: all of it, as RL samples, so that pass rates are those that RL will meet."""
    max_tokens: int = Field(16_384, ge=1)
    """Completion budget in tokens per rollout."""
    batch_size: int = Field(64, ge=1)
    """Rollouts generated together by a local student."""

    @model_validator(mode="after")
    def _bounds_agree(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low {self.low} is not below high {self.high}")
        if self.min_samples > self.max_samples:
            raise ValueError(f"min_samples {self.min_samples} is above max_samples {self.max_samples}")
        return self

    @property
    def endpoint(self) -> Endpoint:
        """The student as an endpoint."""
        return Endpoint(preset=self.student, **{name: getattr(self, name) for name in Address.model_fields})
