"""Verdicts of a checker of the user's own: what it is given of a response, and what its word means."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from factory.functions.fields import fields_of as row_fields
from factory.functions.own import Outcome, OwnFunction
from factory.functions.tries import Tries
from factory.verification.check import infer_kind
from factory.verification.extraction import extract, split_reasoning
from factory.verification.result import CheckRequest, CheckResult, Method
from schemas.verdict import Verdict

RULES = "rules"
"""The field with the verdict of the factory's own rules, for a checker that decides what they leave."""
FIELDS = (
    "problem",
    "answer",
    "response",
    "reasoning",
    "extracted",
    "choices",
    "metadata",
    "answer_kind",
    RULES,
)
"""What a checker may ask for besides the columns of the row."""
RIGHT = 0.5
"""The least score that is `correct`."""
RETURN = (
    "return True or False, a score from 0 to 1, one of "
    f'{", ".join(Verdict)}, or {{"verdict": one of these, "reason": text}}'
)


def asks_rules(function: OwnFunction) -> bool:
    """Whether a checker wants to know what the rules say.

    Raises:
        UsageError: it cannot be loaded.
    """
    facts = function.load()
    return RULES in facts["required"] or RULES in facts["optional"]


def check_own(
    function: OwnFunction, requests: Sequence[CheckRequest], tries: Tries, rules: Sequence[CheckResult] = ()
) -> list[CheckResult]:
    """What a checker says of responses, in order; where it fails the verdict is `unverifiable` or `timeout`.

    `rules` is what the rules say, where the checker asks for that.

    Raises:
        UsageError: it cannot be loaded, or asks for a field that there is not.
        FactoryError: it failed at all rows so far, and they are many.
    """
    rows = [fields_of(each) for each in requests]
    for row, result in zip(rows, rules, strict=False):
        row[RULES] = str(result.verdict)
    outcomes = [told(each, function.name) for each in function.call_many(rows)]
    tries.add(outcomes)
    return [
        result_of(outcome, row["extracted"], row["answer_kind"])
        for outcome, row in zip(outcomes, rows, strict=True)
    ]


def fields_of(request: CheckRequest) -> dict[str, Any]:
    """What a checker may ask for: the row's columns, and what was read in the response."""
    reasoning, part = split_reasoning(request.response)
    found = extract(part) if part else None
    row = row_fields({"metadata": request.metadata, **(request.row or {})})
    return {
        **row,
        "problem": request.problem,
        "answer": request.gold,
        "response": part or "",
        "reasoning": row.get("reasoning") or reasoning,
        "extracted": found.text or None if found else None,
        "choices": list(request.choices) if request.choices else None,
        "metadata": request.metadata,
        "answer_kind": _kind(request),
    }


def told(outcome: Outcome, name: str) -> Outcome:
    """An outcome whose value is a verdict; any other value is an error."""
    if outcome.error is not None or _read(outcome.value) is not None:
        return outcome
    return outcome.refused(name, RETURN)


def result_of(outcome: Outcome, extracted: str | None, kind: str) -> CheckResult:
    """The verdict that an outcome means."""
    if outcome.error is not None:
        verdict, sure, more = (Verdict.TIMEOUT if outcome.late else Verdict.UNVERIFIABLE), None, {}
        more = {"reason": outcome.error}
    else:
        read = _read(outcome.value)
        assert read is not None
        verdict, sure, more = read
    return CheckResult(
        verdict,
        Method.OWN,
        more.get("extracted", extracted),
        reason=more.get("reason"),
        answer_kind=kind,
        seconds=outcome.seconds,
        sure=sure,
    )


def _read(value: Any) -> tuple[Verdict, float | None, dict[str, str]] | None:
    """Verdict, confidence and what was said with them; None for what is no verdict."""
    if isinstance(value, dict):
        more = {name: text for name, text in value.items() if name != "verdict"}
        known = more.keys() <= {"reason", "extracted"} and all(
            isinstance(each, str) for each in more.values()
        )
        inner = None if isinstance(value.get("verdict"), dict) else _read(value.get("verdict"))
        return (inner[0], inner[1], more) if known and inner else None
    if isinstance(value, bool):
        return (Verdict.CORRECT if value else Verdict.INCORRECT), 1.0, {}
    if isinstance(value, int | float) and math.isfinite(value) and 0 <= value <= 1:
        right = value >= RIGHT
        return (Verdict.CORRECT if right else Verdict.INCORRECT), float(value if right else 1 - value), {}
    if isinstance(value, str) and value in list(Verdict):
        return Verdict(value), (1.0 if value in (Verdict.CORRECT, Verdict.INCORRECT) else None), {}
    return None


def _kind(request: CheckRequest) -> str:
    stated = request.answer_kind
    return str(stated or infer_kind(request.gold, request.choices, request.metadata, request.problem))
