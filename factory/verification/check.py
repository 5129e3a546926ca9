"""One check from end to end: extraction, then the checker of the answer kind.

`prepare` does what is safe and quick in any process (extraction, literal and numeric matches); `decide` does the
rest and belongs in a worker, because it may take long.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from factory.verification.choice import check_choice, check_gym, gym_answer, stated_letter
from factory.verification.code_tests import read_suite
from factory.verification.extraction import Extracted, extract, last_sentence, split_reasoning
from factory.verification.notation import MAX_ANSWER, literal, tidy, untext, words
from factory.verification.number import Number, read_number, same_number, show
from factory.verification.result import CheckRequest, CheckResult, Method
from factory.verification.spelling import float_artefact, spelled_number
from factory.verification.statements import MARKED, NOTHING
from factory.verification.syntax import NotMath, tokenize
from factory.verification.text import check_sentence, check_text
from schemas.problem import AnswerKind
from schemas.verdict import Verdict

_WORDS = re.compile(r"[^\W\d_]{2,}")
_MATHS = re.compile(r"\\(?!text|mathrm|textbf|mbox)[A-Za-z]|[=<>^_+*/{}\[\]|]|\d")


_OPTIONS = re.compile(r"\ba\s?[).:].{1,200}\bb\s?[).:].{1,200}\bc\s?[).:]", re.S)
"""A problem text that lists its options: `a ) 3 , b ) 4 , c ) 5`."""


def infer_kind(
    gold: str | None,
    choices: tuple[str, ...] | None = None,
    metadata: str | None = None,
    problem: str | None = None,
) -> AnswerKind:
    """The answer kind of a problem that does not state one."""
    facts = read_metadata(metadata)
    if is_gym_entry(facts):
        return AnswerKind.REASONING_GYM
    if facts and read_suite(facts) is not None:
        return AnswerKind.CODE
    text = literal(gold or "")
    if choices and gold is not None:
        return AnswerKind.CHOICE
    if re.fullmatch(r"[({]?[A-E][)}]?", text):
        return AnswerKind.CHOICE
    if re.fullmatch(r"\(?[a-e]\)?", text) and _OPTIONS.search(problem or ""):
        return AnswerKind.CHOICE
    plain = untext(tidy(gold or ""))
    if _WORDS.search(plain) and not _MATHS.search(plain) and not _is_mathematics(plain):
        return AnswerKind.TEXT
    return AnswerKind.MATH


def kind_of(row: Mapping[str, Any]) -> AnswerKind:
    """The answer kind of a row of PROBLEM: what it states, or else what its answer looks like."""
    stated = row.get("answer_kind")
    if stated in list(AnswerKind):
        return AnswerKind(stated)
    choices = row.get("choices")
    return infer_kind(
        row.get("answer"), tuple(choices) if choices else None, row.get("metadata"), row.get("problem")
    )


def _is_mathematics(plain: str) -> bool:
    """Letters that are no words: `tan(x)`, `infinity`, `xy`, `twelve`."""
    if spelled_number(plain.strip()) is not None:
        return True
    try:
        return not any(token[0] == '"' for token in tokenize(plain))
    except NotMath:
        return False


def read_metadata(metadata: str | None) -> dict[str, Any]:
    """Metadata JSON as a dictionary; empty when it is absent or not an object."""
    if not metadata:
        return {}
    try:
        facts = json.loads(metadata)
    except (json.JSONDecodeError, RecursionError):
        return {}
    return facts if isinstance(facts, dict) else {}


def is_gym_entry(facts: dict[str, Any]) -> bool:
    """Whether metadata holds a reasoning-gym entry (the entry itself, or under `entry`)."""
    inner = facts.get("entry", facts)
    return (
        isinstance(inner, dict)
        and isinstance(inner.get("metadata"), dict)
        and "source_dataset" in inner["metadata"]
    )


SETS_IN_WORDS = frozenset((
    "no solution", "no solutions", "all real numbers", "no real solution", "no real solutions",
    "does not exist", "dne",
))  # fmt: skip
"""Golds in words that may be met by other words or by a formula."""
CANONICAL = "canonical"
"""A request for a canonical form instead of a check."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is left to decide after extraction. Plain strings, so that it travels to a worker as JSON."""

    kind: str
    gold: str
    answer: str
    metadata: str | None = None
    problem: str | None = None
    rule: str | None = None


def check(request: CheckRequest) -> CheckResult:
    """Check one response in this process, without a time limit. Use `Verifier` for text that is not trusted."""
    began = time.thread_time()
    settled = prepare(request)
    result = decide(settled) if isinstance(settled, Prepared) else settled
    return replace(result, seconds=time.thread_time() - began)


def prepare(request: CheckRequest) -> CheckResult | Prepared:
    """Extract the answer and settle what is obvious. Linear in the length of the response."""
    kind = request.answer_kind or infer_kind(request.gold, request.choices, request.metadata, request.problem)
    settled = _settle(request, str(kind))
    return replace(settled, answer_kind=str(kind)) if isinstance(settled, CheckResult) else settled


def _settle(request: CheckRequest, kind: str) -> CheckResult | Prepared:
    _, part = split_reasoning(request.response)
    if part is None or not part.strip():
        return CheckResult(Verdict.NO_ANSWER, Method.EXTRACTION, reason="no answer part after the reasoning")
    if kind == AnswerKind.CODE:
        return Prepared(kind, "", part[: MAX_ANSWER * 25], request.metadata, request.problem)
    found = extract(part)
    if (
        kind == AnswerKind.CHOICE
        and (found is None or found.rule not in MARKED)
        and (letter := stated_letter(part, request.choices or ()))
    ):
        found = Extracted(letter, "phrase")
    if found is None and kind == AnswerKind.TEXT and request.gold and (sentence := last_sentence(part)):
        return check_sentence(request.gold, sentence)
    if found is None and kind == AnswerKind.REASONING_GYM:
        found = Extracted("", "last_line")
    if found is None:
        return CheckResult(Verdict.NO_ANSWER, Method.EXTRACTION, reason="the answer part states no answer")
    if found.rule in NOTHING:
        reason = "the last box is empty" if found.rule == "empty" else "the response denies its answer"
        return CheckResult(Verdict.NO_ANSWER, Method.EXTRACTION, reason=reason)
    answer = found.text
    if kind == AnswerKind.REASONING_GYM:
        return Prepared(
            kind,
            request.gold or "",
            gym_answer(part, found, request.gold or ""),
            request.metadata,
            rule=found.rule,
        )
    gold = gold_answer(request.gold)
    if not gold:
        return CheckResult(Verdict.UNVERIFIABLE, Method.GOLD, answer, reason="the problem has no gold answer")
    if len(answer) > MAX_ANSWER or len(gold) > MAX_ANSWER:
        return CheckResult(
            Verdict.UNVERIFIABLE, Method.LIMIT, answer[:MAX_ANSWER], reason="answer too long to compare"
        )
    settled = _compare(request, kind, gold, part, found)
    return replace(settled, rule=found.rule)


def _compare(
    request: CheckRequest, kind: str, gold: str, part: str, found: Extracted
) -> CheckResult | Prepared:
    """What can be decided between a gold and an extracted answer without a parser."""
    answer = found.text
    if gold == answer:
        return CheckResult(Verdict.CORRECT, Method.LITERAL, answer)
    if kind == AnswerKind.CHOICE:
        return check_choice(gold, answer, request.choices)
    if kind == AnswerKind.TEXT:
        result = check_text(gold, answer)
        if not result.correct and words(gold) in SETS_IN_WORDS:
            return Prepared(AnswerKind.MATH, gold, answer)
        sentence = last_sentence(part) if found.rule in ("last_line", "phrase") else None
        return result if result.correct or sentence is None else check_sentence(gold, sentence)
    return quick_math(gold, answer) or Prepared(
        kind, gold, answer, problem=(request.problem or "")[:MAX_ANSWER] or None
    )


def gold_answer(gold: str | None) -> str:
    """The answer in a gold text: itself, or what it marks when it is a whole solution."""
    text = (gold or "").strip()
    if "\\boxed" in text or "####" in text or len(text) > 300:
        found = extract(text)
        return found.text if found and found.text else text
    return text


def quick_math(gold: str, answer: str) -> CheckResult | None:
    """Settle literal and plain numeric matches; None when it takes a parser."""
    if literal(gold) == literal(answer):
        return CheckResult(Verdict.CORRECT, Method.LITERAL, answer)
    want = plain_number(gold)
    got = plain_number(answer) if want else None
    if want is None or got is None:
        return None
    if same_number(want, got):
        return CheckResult(Verdict.CORRECT, Method.NUMERIC, answer, show(want), show(got))
    return CheckResult(Verdict.INCORRECT, Method.NUMERIC, answer, show(want), show(got), "the numbers differ")


def plain_number(text: str) -> Number | None:
    """A text that is one number, in digits or in words."""
    return read_number(float_artefact(untext(tidy(text)).strip()))


def decide(prepared: Prepared) -> CheckResult:
    """Settle what `prepare` could not. Never raises: what goes wrong becomes `unverifiable` with its reason."""
    try:
        result = _decide(prepared)
    except (MemoryError, RecursionError) as error:
        result = CheckResult(
            Verdict.UNVERIFIABLE,
            Method.LIMIT,
            prepared.answer,
            reason=f"{type(error).__name__} in the checker",
        )
    except Exception as error:  # a checker's defect must not end a run; it is recorded with the row
        reason = f"checker failed: {type(error).__name__}: {str(error)[:200]}"
        result = CheckResult(Verdict.UNVERIFIABLE, Method.LIMIT, prepared.answer, reason=reason)
    return replace(result, answer_kind=prepared.kind, rule=prepared.rule)


def _decide(prepared: Prepared) -> CheckResult:
    if prepared.kind == AnswerKind.REASONING_GYM:
        return check_gym(prepared.gold, prepared.answer, read_metadata(prepared.metadata))
    if prepared.kind == AnswerKind.CODE:
        from factory.verification.code import check_code

        return check_code(prepared.answer, read_metadata(prepared.metadata), prepared.problem)
    from factory.verification.mathematics import canonical_form, check_math

    if prepared.kind == CANONICAL:
        form = canonical_form(prepared.answer)
        return CheckResult(
            Verdict.UNVERIFIABLE, Method.GOLD, prepared.answer, None, form, "canonical form only"
        )
    return check_math(prepared.gold, prepared.answer, prepared.problem)
