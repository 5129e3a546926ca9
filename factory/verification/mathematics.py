"""Mathematical answers that need a parser."""

from __future__ import annotations

from factory.verification.result import CheckResult, Method
from schemas.verdict import Verdict


def check_math(gold: str, answer: str) -> CheckResult:
    """Compare two mathematical answers."""
    from factory.verification.peer import math_verify_says

    says = math_verify_says(gold, answer)
    if says is None:
        return CheckResult(Verdict.UNVERIFIABLE, Method.MATH_VERIFY, answer, reason="not parseable")
    verdict = Verdict.CORRECT if says else Verdict.INCORRECT
    return CheckResult(verdict, Method.MATH_VERIFY, answer, gold, answer)
