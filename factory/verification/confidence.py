"""How sure a verdict is: a number from the rule that decided, the margin, and where in the response the answer stood.

The figures are ranks, not probabilities measured on data: they order verdicts so that a threshold
(`schemas.verdict.CONFIDENT`) can keep doubtful ones out of rejected sides and negative rewards.
"""

from __future__ import annotations

import re
from fractions import Fraction

from factory.verification.result import CheckResult, Method
from schemas.verdict import Verdict

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


def confidence(result: CheckResult) -> float:
    """The confidence of a verdict: 0 where nothing was decided."""
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
