"""What a procedural family is: a way to draw parameters, tell them as a problem, answer it, and work it out on paper."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from typing import Any

from factory.sources.families.scratch import Scratch
from schemas import AnswerKind, Level

Params = dict[str, Any]
"""Parameters of one problem. JSON values only: they travel in the problem's metadata."""

Number = int | Fraction
Answer = Number | str
"""A number, the letter of an option, or a program."""


class Style(StrEnum):
    """How long problem and trace are."""

    LONG = "long"
    TERSE = "terse"


@dataclass(frozen=True, slots=True)
class Options:
    """What a source spec may ask of a family; a family ignores what it does not list in `Family.options`."""

    steps: tuple[int, int] | None = None
    """Fewest and most operations."""
    modulus: int | None = None
    """Modulus of modular arithmetic."""
    terse: bool = False
    """Tell the problem in few words."""

    def count(self, rng: random.Random, low: int, high: int) -> int:
        """A number of steps: from the spec when it gives one, else between the level's own bounds."""
        return rng.randint(*(self.steps or (low, high)))


@dataclass(frozen=True, slots=True)
class Family:
    """One kind of problem.

    `solve` works on a `Scratch` that may make one intermediate value wrong; without a slip it must reach `answer`,
    which is computed another way where there is one.
    """

    name: str
    domain: str
    levels: tuple[Level, ...]
    draw: Callable[[random.Random, Level, Options], Params]
    tell: Callable[[random.Random, Params, bool], str]
    answer: Callable[[Params], Answer]
    solve: Callable[[Params, Scratch], Answer]
    options: frozenset[str] = field(default=frozenset())
    kind: AnswerKind = AnswerKind.MATH
    columns: Callable[[Params], dict[str, Any]] = lambda params: {}
    """Columns of the problem's row beside those of every family; `metadata` is a dictionary that is merged."""
    closings: tuple[str, ...] = ()
    """Last lines of a long trace, with `{}` for the answer; those of mathematics when there are none."""
    answers: tuple[str, ...] = ()
    """Wordings of the answer part, with ANSWER in them; boxed mathematics when there are none."""


def pick(rng: random.Random, *choices: str) -> str:
    """One of several wordings."""
    return rng.choice(choices)


def nonzero(rng: random.Random, low: int, high: int) -> int:
    """An integer between the bounds that is not 0."""
    while not (value := rng.randint(low, high)):
        pass
    return value


NAMES = (
    "Ada", "Bruno", "Chen", "Dalia", "Emeka", "Farah", "Goran", "Hana", "Ines", "Jonas", "Kaito", "Leila",
    "Mateo", "Nadia", "Omar", "Priya", "Quinn", "Rosa", "Sven", "Tariq", "Uma", "Viktor", "Wanda", "Ximena",
    "Yusuf", "Zora",
)  # fmt: skip
"""First names for word problems."""
