"""What is evaluated after every stage, and how."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from factory.config.base import Section

Stage = Literal["base", "midtrain", "sft", "dpo", "distill", "rl"]
STAGES: tuple[Stage, ...] = ("base", "midtrain", "sft", "dpo", "distill", "rl")


class EvaluationSection(Section):
    """Benchmarks and sampling. Defaults are the paper's protocol (docs/paper.md, Evaluation protocol)."""

    benchmarks: list[str] = Field(default_factory=lambda: ["held_out"])
    """`held_out` (the run's own), paths of benchmark files, or `procedural:`/`reasoning_gym:` sources."""
    samples: int = Field(3, ge=1)
    """Samples per question (the paper averages 3 runs; its authors later used 64 on AIME)."""
    temperature: float = Field(0.6, ge=0, le=2)
    """Sampling temperature."""
    top_p: float = Field(0.95, gt=0, le=1)
    """Nucleus sampling mass."""
    max_tokens: int = Field(32_768, ge=1)
    """Completion budget in tokens."""
    limit: int | None = Field(None, ge=1)
    """At most this many questions per benchmark, drawn by seed; for a quick look."""
    batch_size: int = Field(64, ge=1)
    """Questions generated together by a local model."""
    stages: list[Stage] = Field(default_factory=lambda: list(STAGES))
    """Stages after which to evaluate."""
