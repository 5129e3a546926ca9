"""The student and its four training stages. Validated here without torch; read by `train/`."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from factory.recipe.base import Section


class StudentSection(Section):
    """Which model is trained."""

    model: str = "tiny"
    """`tiny` builds a small Phi-3-class model in code; else a checkpoint folder or a Hub id."""
    hidden_size: int = 192
    """Tiny model only: width."""
    layers: int = 4
    """Tiny model only: decoder layers."""


class StageSection(Section):
    """One training stage."""

    enabled: bool = True
    """Skip the stage when false; the next one starts from its parent."""
    trl: dict[str, Any] = Field(default_factory=dict)
    """Fields of the stage's TRL config, by their own names."""


class TrainSection(Section):
    """The four stages of the paper (paper.md section 1)."""

    student: StudentSection = StudentSection()
    """The model."""
    midtrain: StageSection = StageSection()
    """Stage 1: packed next-token training on the whole verified set."""
    sft: StageSection = StageSection()
    """Stage 2: unpacked fine-tuning on the compact subset."""
    dpo: StageSection = StageSection()
    """Stage 3: Rollout DPO."""
    rl: StageSection = StageSection()
    """Stage 4: RL with verifiable reward."""
