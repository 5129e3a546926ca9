"""Which pairs are made, and the lint that they must pass; and which prompts go to RL."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from factory.config.base import Section


class PreferenceSection(Section):
    """Chosen is verified correct, rejected is verified incorrect."""

    chosen_from: Literal["teacher", "student", "both"] = "teacher"
    """Whose right answers are chosen (the paper: the teacher's). The student's own keep both sides of a pair within
    what the student says anyway."""
    rejected_from: Literal["teacher", "student", "both", "delta"] = "both"
    """Whose wrong answers are rejected (the paper: the teacher's, docs/paper.md, Stages). `delta` takes the
    student's complete answers, right or wrong: what is learnt is the gap to the teacher (OLMo 3, arXiv 2512.13961)."""
    per_problem: int = Field(1, ge=1)
    """Pairs per problem."""
    rule: Literal["nearest_length", "hardest_negative", "most_different", "longest_chosen"] = "nearest_length"
    """How a rejected response is matched to a chosen one: nearest length; the most frequent wrong answer; the least
    similar text; or the longest right answer with the shortest wrong one, where longer work is what helps."""
    allow_truncated: bool = False
    """Accept truncated responses as rejected sides."""
    max_similarity: ClassVar[float] = 0.95
    """Skip pairs whose sides share more than this of their word 3-grams: they differ too little."""
    max_pairs: int | None = Field(None, ge=1)
    """At most this many pairs, balanced over domain and level."""
    match_length: bool = False
    """Drop pairs until the length bias is below its limit, and report how many."""
    max_length_bias: float = Field(0.5, gt=0)
    """Lint: largest |Cohen's d| between chosen and rejected lengths."""
    max_format_bias: float = Field(0.1, ge=0, le=1)
    """Lint: largest difference between the sides in the share of texts with a box, with reasoning, in the problem's
    language, or that speak of the reference answer."""
    max_duplicates: float = Field(0.01, ge=0, le=1)
    """Lint: largest share of pairs whose chosen text is also in another pair."""


class RLPromptsSection(Section):
    """Prompts for RL with verifiable reward."""

    low: float = Field(0.0, ge=0, le=1)
    """Observed pass rate must be above this."""
    high: float = Field(0.5, gt=0, le=1)
    """Observed pass rate must be at most this (the paper's rebalancing threshold, e.g. 50%)."""
    max_prompts: int | None = Field(None, ge=1)
    """At most this many prompts."""
    remeasure: bool = False
    """Roll out the student that RL starts from on the problems that no set holds yet (as `difficulty` says), and choose by its
    pass rates instead of the sft student's."""
    max_length_cv: float | None = Field(None, gt=0)
    """Drop prompts whose rollout lengths vary more (prompt optimisation); None keeps all."""
    buckets: ClassVar[int] = 4
    """Length buckets; prompts are written one of each in turn, so that every step of RL meets every length."""

    @model_validator(mode="after")
    def _bounds_agree(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low {self.low} is not below high {self.high}")
        return self
