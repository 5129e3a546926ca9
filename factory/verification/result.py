"""What a check is given and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from schemas.verdict import Verdict

CHECKER_VERSION = "5"
"""Rises whenever a verdict may change; stored with every verdict so that stored responses can be re-verified."""


class Method(StrEnum):
    """The rule that decided a verdict."""

    LITERAL = "literal"
    NUMERIC = "numeric"
    COMPARER = "comparer"
    MATH_VERIFY = "math_verify"
    CHOICE = "choice"
    TEXT = "text"
    REASONING_GYM = "reasoning_gym"
    CODE = "code"
    EXTRACTION = "extraction"
    GOLD = "gold"
    LIMIT = "limit"
    JUDGE = "judge"

    @classmethod
    def _missing_(cls, value: object) -> Method | None:
        """The comparer was called `second_opinion` until checker 4, though it was always asked first."""
        return cls.COMPARER if value == "second_opinion" else None


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """One response to check against one gold answer.

    `response` is the answer part, or a whole completion with think tags. `metadata` is JSON that a checker may need:
    a reasoning-gym entry, unit tests of a code problem. The `problem` text helps to tell dummy symbols from given ones.
    """

    response: str
    gold: str | None
    answer_kind: str | None = None
    choices: tuple[str, ...] | None = None
    metadata: str | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A verdict and its evidence; see schemas/verdict.py for the columns it fills."""

    verdict: Verdict
    method: Method
    extracted: str | None = None
    gold_canonical: str | None = None
    extracted_canonical: str | None = None
    reason: str | None = None
    answer_kind: str | None = None
    seconds: float = 0.0
    rule: str | None = None
    """The extraction rule that found the answer: boxed, tag, phrase, last_line, ..."""

    @property
    def correct(self) -> bool:
        """True only for a verified correct answer."""
        return self.verdict is Verdict.CORRECT
