"""What the data must not contain."""

from __future__ import annotations

from pydantic import Field, model_validator

from factory.config.base import Section
from factory.config.endpoint import Judge, gather_judge


class EmbeddingSection(Section):
    """Looking for paraphrases and translations with a local embedding model, and a judge."""

    model: str
    """Folder of a sentence-embedding model with its tokenizer."""
    threshold: float = Field(0.85, gt=0, le=1)
    """Cosine from which a benchmark problem is a candidate."""
    judge: Judge | None = None
    """Model that decides on the candidates, a preset name or a section; without one they are only reported."""

    _earlier = model_validator(mode="before")(gather_judge)


class DecontaminationSection(Section):
    """Benchmarks to check against, by shipped index name or by path."""

    against: list[str] = Field(default_factory=list)
    """Index names (`factory benchmarks` lists them), `all`, or paths of benchmark files."""
    coverage: float = Field(0.45, gt=0, le=1)
    """Share of a benchmark problem's weighted n-grams that must be covered for a hit (longer problems)."""
    drop_templates: bool = False
    """Also drop problems that equal a benchmark problem but for their numbers."""
    drop_variants: bool = False
    """Also drop problems that are much like a benchmark problem without being it."""
    decisions: str | None = None
    """File of decisions on single hits, as `factory decontaminate --review` writes it."""
    embedding: EmbeddingSection | None = None
    """The embedding tier; off by default."""
