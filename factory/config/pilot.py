"""Teachers that are tried on a few problems before one of them is paid for many."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError

from factory.config.base import Section, faults
from factory.config.endpoint import Address


class PilotTeacher(Address):
    """A teacher and, where it is not the preset's, its address, model and price."""

    teacher: str
    """Preset name."""

    @property
    def name(self) -> str:
        """What it is called in tables and folders."""
        return f"{self.teacher}-{self.model.rstrip('/').rpartition('/')[2]}" if self.model else self.teacher


def read_teacher(text: str) -> PilotTeacher:
    """A teacher from `NAME`, or from `teacher=NAME,model=ID,base_url=URL,price=IN/OUT`.

    Raises:
        ValueError: a word of it is no pair, or no key of a teacher.
    """
    if "=" not in text:
        return PilotTeacher(teacher=text)
    pairs = [each.partition("=") for each in text.split(",")]
    found: dict[str, Any] = {name.strip(): value.strip() for name, _, value in pairs}
    if "price" in found:
        found["price"] = found["price"].split("/")
    try:
        return PilotTeacher(**found)
    except ValidationError as error:
        raise ValueError(
            "; ".join(f"{'.'.join(path)} {what}" for path, what, _ in faults(error, PilotTeacher))
        ) from None


def _readable(text: str) -> str:
    read_teacher(text)
    return text


class PilotSection(Section):
    """What is tried."""

    teachers: list[Annotated[str, AfterValidator(_readable)]] = Field(default_factory=list)
    """Teacher to ask, a preset's name or `teacher=vllm,model=ID,base_url=URL,price=IN/OUT`; repeat for more. Without one the
    input holds traces of several models."""
    problems: int = Field(100, ge=1)
    """How many problems, drawn by seed."""
    student: str | None = None
    """Checkpoint folder of the student: also show how natural the traces are to it."""
