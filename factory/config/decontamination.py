"""What the data must not contain."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, model_validator

from factory.config.base import Section
from factory.config.endpoint import Judge, gather_judge


class EmbeddingSection(Section):
    """Search for paraphrases with a local embedding model; numbers and answers decide, and a judge on what they do not."""

    model: str
    """Folder or Hub id of a sentence-embedding model. Shipped indexes have vectors of sentence-transformers/all-MiniLM-L6-v2."""
    threshold: float = Field(0.85, gt=0, le=1)
    """Minimum cosine similarity for a candidate without a gold answer."""
    judge: Judge | None = None
    """Model that decides on candidates, a preset name or a section; without one they are only reported. Needs benchmarks as
    data files: indexes hold no text."""

    _earlier = model_validator(mode="before")(gather_judge)


class DecontaminationSection(Section):
    """Benchmarks to check against, by shipped index name or by path."""

    against: list[str] = Field(default_factory=list)
    """Benchmark names (`factory benchmarks` lists them), `paper`, `all`, or paths of index or data files."""
    coverage: ClassVar[float] = 0.45
    """Share of a longer benchmark problem's weighted n-grams that makes a hit."""
    drop_templates: bool = False
    """Also drop problems that differ from a benchmark problem in numbers only."""
    drop_variants: bool = False
    """Also drop problems that are similar to a benchmark problem without being the same."""
    decisions: str | None = None
    """File of decisions on single hits, written by `factory decontaminate --review` and applied by the next run."""
    sources_until: str | None = Field(None, pattern=r"^\d{4}-(0[1-9]|1[0-2])$")
    """Month of the newest text in the sources, as YYYY-MM: the certificate counts what is found of newer benchmarks."""
    embedding: EmbeddingSection | None = None
    """Folder or Hub id of a sentence-embedding model: search for paraphrases, too."""
