"""What a check is given and what it gives back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from schemas.verdict import Verdict

if TYPE_CHECKING:
    from factory.config.verify import VerifySection

CHECKER_VERSION = "8"
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
    OWN = "own"

    @classmethod
    def _missing_(cls, value: object) -> Method | None:
        """The comparer was called `second_opinion` until checker 4, though it was always asked first."""
        return cls.COMPARER if value == "second_opinion" else None


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """One response to check against one gold answer.

    `response` is the answer part, or a whole completion with think tags. `metadata` is JSON that a checker may need:
    a reasoning-gym entry, unit tests of a code problem. The `problem` text helps to tell dummy symbols from given ones.
    `row` holds all columns, for a checker of the user's own.
    """

    response: str
    gold: str | None
    answer_kind: str | None = None
    choices: tuple[str, ...] | None = None
    metadata: str | None = None
    problem: str | None = None
    row: Mapping[str, Any] | None = None


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
    sure: float | None = None
    """The confidence, where the checker says it itself."""

    @property
    def confidence(self) -> float:
        """How sure the verdict is, 0 to 1: a rank made of rule, margin and where the answer stood; 0 where nothing was decided.

        It orders verdicts, so that a threshold (`schemas.verdict.CONFIDENT`) can keep doubtful ones out of rejected sides
        and negative rewards; it was not measured as a probability.
        """
        return _confidence(self)

    @property
    def correct(self) -> bool:
        """True only for a verified correct answer."""
        return self.verdict is Verdict.CORRECT


_CORRECT = {
    Method.LITERAL: 1.0, Method.NUMERIC: 0.99, Method.COMPARER: 0.97, Method.MATH_VERIFY: 0.9,
    Method.CHOICE: 0.98, Method.TEXT: 0.95, Method.REASONING_GYM: 1.0, Method.CODE: 0.97, Method.JUDGE: 0.8,
}  # fmt: skip
_INCORRECT = {
    Method.NUMERIC: 0.98, Method.COMPARER: 0.9, Method.MATH_VERIFY: 0.6, Method.CHOICE: 0.95,
    Method.TEXT: 0.6, Method.REASONING_GYM: 0.9, Method.CODE: 0.95, Method.JUDGE: 0.8,
}  # fmt: skip
_WHERE = {"last_line": 0.75, "last_formula": 0.85, "phrase": 0.95, "whole": 0.95}
"""Factor on `incorrect` for an answer that no box, tag or mark announced."""
NEAR = Fraction(1, 50)
"""Numbers whose relative distance is smaller may be one value rounded, cut or in other units."""
_VALUE = re.compile(r"(-?\d{1,40})(?:/(\d{1,40}))?%?")
_WORDS = re.compile(r"[^\W\d_]{3,}")


def _confidence(result: CheckResult) -> float:
    """The confidence of a verdict: 0 where nothing was decided."""
    if result.sure is not None:
        return result.sure
    if result.verdict is Verdict.CORRECT:
        return _CORRECT.get(result.method, 0.9)
    if result.verdict is Verdict.NO_ANSWER:
        return 0.9
    if result.verdict is not Verdict.INCORRECT:
        return 0.0
    sure = _INCORRECT.get(result.method, 0.6) * _WHERE.get(result.rule or "", 1.0)
    if result.method in (Method.NUMERIC, Method.COMPARER):
        sure *= _margin(result.gold_canonical, result.extracted_canonical)
    return round(sure, 3)


def _margin(gold: str | None, answer: str | None) -> float:
    """1 for forms that are clearly different; less for near numbers, equal sizes and forms with words in them."""
    if not gold or not answer:
        return 0.8
    g, a = _VALUE.fullmatch(gold), _VALUE.fullmatch(answer)
    if g and a:
        want, got = Fraction(int(g[1]), int(g[2] or 1)), Fraction(int(a[1]), int(a[2] or 1))
        if want.denominator == got.denominator == 1:
            return 1.0
        return 0.6 if abs(want - got) <= NEAR * max(abs(want), abs(got)) else 1.0
    return 0.7 if _WORDS.search(gold + answer) else 1.0


def checking(section: VerifySection) -> dict[str, Any]:
    """What decides a verdict: settings, the version of the rules, a checker of the user's own with the digest of its source.

    Every step that checks answers has it in its key.

    Raises:
        UsageError: there is no such checker.
    """
    from factory.functions.source import function_settings

    rules = {"seconds": section.seconds, "checker": CHECKER_VERSION}
    return rules | function_settings(checker=section.checker)
