"""Text answers: names, words, short sentences."""

from __future__ import annotations

from factory.verification.notation import literal, words
from factory.verification.result import CheckResult, Method
from schemas.verdict import Verdict

_ARTICLES = frozenset({"a", "an", "the"})


def check_text(gold: str, answer: str) -> CheckResult:
    """Equal after case, punctuation, articles and blanks are set aside."""
    want, got = _content(gold), _content(answer)
    if want == got and (want or literal(gold) == literal(answer)):
        return CheckResult(Verdict.CORRECT, Method.TEXT, answer, want, got)
    return CheckResult(Verdict.INCORRECT, Method.TEXT, answer, want, got, "the words differ")


def _content(text: str) -> str:
    kept = [word for word in words(text).split() if word not in _ARTICLES]
    return " ".join(kept or words(text).split())
