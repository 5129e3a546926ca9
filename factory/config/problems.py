"""Which problems go in."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self

from pydantic import Discriminator, Field, Tag, model_validator

from factory.config.base import Section

DRAWN = ("procedural:", "reasoning_gym:")
"""Sources that draw their problems; they hold no responses."""
HUB = "hf://datasets/"


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
    split: str | None = None
    """Split of a set on the Hub; `train` where there are several."""
    config: str | None = None
    """Configuration of a set on the Hub."""
    revision: str | None = None
    """Revision of the source: fetched from the Hub, and stated in the tables."""
    weight: float = Field(1.0, gt=0, le=1)
    """Share of its problems that is kept, drawn by seed."""

    @model_validator(mode="after")
    def _fits_its_path(self) -> Self:
        own = self.model_dump(exclude_defaults=True).keys() - {"path", "weight", "limit"}
        if self.path.startswith(DRAWN) and own:
            raise ValueError(f"{self.path} draws its problems: leave {', '.join(sorted(own))} out")
        if not self.path.startswith("hf://") and (only := own & {"split", "config"}):
            raise ValueError(f"{only.pop()} is of sets on the Hub (hf://), and {self.path} is a file")
        return self

    @classmethod
    def of(cls, given: str | Self) -> Self:
        """A source from a path of which nothing is said, or as it is."""
        return cls(path=given) if isinstance(given, str) else given

    @property
    def spec(self) -> str:
        """The source as a text, as the verbs take it."""
        said = {"split": self.split, "config": self.config, "revision": self.revision}
        settings = "&".join(f"{name}={value}" for name, value in said.items() if value)
        return f"{self.path}?{settings}" if settings and self.path.startswith("hf://") else self.path


def _kind(given: Any) -> str:
    return "text" if isinstance(given, str) else "mapping"


Given = Annotated[
    Annotated[str, Field(min_length=1), Tag("text")] | Annotated[SourceSection, Tag("mapping")],
    Discriminator(_kind),
]
"""A source: its path, or a mapping."""


class ProblemsSection(Section):
    """Sources of problems and what is set aside for evaluation."""

    for_verbs: ClassVar[frozenset[str]] = frozenset({"problem_field", "answer_field"})
    sources: list[Given] = Field(min_length=1)
    """Files, folders, globs, `hf://datasets/OWNER/NAME[/FILE]`, `procedural:FAMILY|all?count=N&seed=S&levels=a,b`,
    `reasoning_gym:TASK?count=N&seed=S&choices=K&missing=skip`; or mappings with `path` and what is to be said of it.
    Responses that a source holds count as samples of its problems."""
    problem_field: str = "problem"
    """Column with the problem, for files that name it otherwise."""
    answer_field: str = "answer"
    """Column with the gold answer, for files that name it otherwise."""
    limit: int | None = Field(None, ge=1)
    """Keep the first N problems, in source order; for a trial."""
    held_out: int = Field(0, ge=0)
    """Problems set aside for evaluation before anything else, drawn by seed; no later step sees them."""

    @property
    def specs(self) -> list[str]:
        """The sources as texts."""
        return [SourceSection.of(each).spec for each in self.sources]

    @model_validator(mode="after")
    def _some_are_left(self) -> Self:
        if self.limit is not None and self.held_out >= self.limit:
            raise ValueError(f"held_out {self.held_out} leaves nothing of limit {self.limit}")
        return self
