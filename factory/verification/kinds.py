"""Which checker a gold answer needs, when the problem does not say."""

from __future__ import annotations

import json
import re
from typing import Any

from factory.verification.code_tests import read_suite
from factory.verification.notation import literal, tidy, untext
from factory.verification.spelling import spelled_number
from factory.verification.syntax import NotMath, tokenize
from schemas.problem import AnswerKind

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
