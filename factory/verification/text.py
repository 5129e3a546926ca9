"""Text answers: names, words, short sentences."""

from __future__ import annotations

import re

from factory.verification.notation import literal, words
from factory.verification.result import CheckResult, Method
from schemas.verdict import Verdict

_ARTICLES = frozenset({"a", "an", "the"})


def check_text(gold: str, answer: str) -> CheckResult:
    """Equal after case, punctuation, articles and blanks are set aside."""
    want, got = _content(gold), _content(answer)
    if want == got and (want or literal(gold) == literal(answer)):
        return CheckResult(Verdict.CORRECT, Method.TEXT, answer, want, got)
    if same_fact(gold, answer):
        return CheckResult(Verdict.CORRECT, Method.TEXT, answer, want, got, "states the same fact")
    return CheckResult(Verdict.INCORRECT, Method.TEXT, answer, want, got, "the words differ")


_CONNECTORS = frozenset((
    "therefore", "thus", "so", "hence", "then", "conclusion", "answer", "final", "the", "in", "of", "and",
    "finally",
))  # fmt: skip


def check_sentence(gold: str, sentence: str) -> CheckResult:
    """A gold of words against a concluding sentence: it must begin or end with the gold and deny nothing.

    "Thus, the skater is facing east." states `east`; a sentence that merely mentions it does not.
    """
    want, said = _content(gold).split(), words(sentence).split()
    while said and said[0] in _CONNECTORS:
        said = said[1:]
    bold = re.findall(r"\*\*([^*\n]{1,100})\*\*", sentence)
    stated = (
        said[: len(want)] == want
        or said[-len(want) :] == want
        or (bold and _content(bold[-1]).split() == want)
    )
    if want and stated and not (_DENIALS & set(said)) - set(want):
        return CheckResult(
            Verdict.CORRECT,
            Method.TEXT,
            sentence[:400],
            " ".join(want),
            " ".join(said)[:400],
            "concluding sentence",
        )
    return CheckResult(
        Verdict.UNVERIFIABLE, Method.TEXT, sentence[:400], " ".join(want), reason="the answer is prose"
    )


def _content(text: str) -> str:
    kept = [word for word in words(text).split() if word not in _ARTICLES]
    return " ".join(kept or words(text).split())


_OPPOSITES = (
    ("odd", "even"), ("yes", "no"), ("true", "false"), ("increasing", "decreasing"), ("positive", "negative"),
    ("rational", "irrational"), ("converges", "diverges"), ("convergent", "divergent"), ("prime", "composite"),
    ("possible", "impossible"), ("finite", "infinite"), ("larger", "smaller"), ("greater", "less"),
    ("parallel", "perpendicular"), ("even", "neither"), ("odd", "neither"),
)  # fmt: skip
_DENIALS = frozenset(
    {"not", "no", "never", "neither", "cannot", "isn", "t", "non", "false", "wrong", "incorrect", "untrue"}
)


def same_fact(gold: str, answer: str) -> bool:
    """Whether a sentence and a single word state the same of a pair of opposites: "... is odd" and "odd"."""
    want, got = words(gold).split(), words(answer).split()
    if not want or not got or min(len(want), len(got)) > 2:
        return False
    for pair in _OPPOSITES:
        if _stance(want, pair) and _stance(want, pair) == _stance(got, pair):
            return bool(len(want) == 1 or len(got) == 1)
    return False


def _stance(text: list[str], pair: tuple[str, str]) -> str | None:
    found = [word for word in pair if word in text]
    if len(found) != 1 or (len(text) > 1 and _DENIALS & set(text) - set(pair)):
        return None
    return found[0]
