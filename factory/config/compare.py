"""Which training set is better for a student: how the sets are compared."""

from __future__ import annotations

from pydantic import Field

from factory.config.base import Section
from factory.config.prompt import Messages


class CompareSection(Section):
    """The student, how much it reads of every set, and what it is asked."""

    student: str = "tiny_base"
    """Model to train on each set: a checkpoint folder, a Hub id, `tiny_base` (the shipped one of 438,912 parameters) or
    `tiny` (built from scratch)."""
    revision: str | None = None
    """Commit or tag of a Hub model."""
    questions: str | None = None
    """What the students are asked: a benchmark's name, a file, or a source of problems; by default a run's held-out problems,
    else problems that are taken out of the sets."""
    limit: int = Field(400, ge=20)
    """At most this many questions, drawn by seed."""
    seeds: int = Field(5, ge=3)
    """Students trained on each set."""
    budget_tokens: int = Field(240_000, ge=1)
    """Tokens that every student reads, the same for all sets: a small set is read several times."""
    learning_rate: float | None = Field(None, gt=0)
    """Peak learning rate; 4e-4 for the small students of our own, 1e-5 for others."""
    match_lengths: bool = False
    """Thin the sets out until their rows are equally long, to see what is left of a difference then."""
    max_tokens: int | None = Field(None, ge=1)
    """Completion budget of an answer in tokens; by default the length of a pack."""
    prompt: Messages = "{problem}"
    """Wording of the question around `{problem}`, in rows made of traces and in the evaluation; a run's own by default."""
    system: str | None = None
    """System message before it; a run's own by default."""
    seed: int = 0
    """Every random choice derives from it."""
