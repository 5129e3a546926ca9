"""Text answers: names, words, short sentences."""

from __future__ import annotations

import re

from factory.verification.notation import literal, tidy, untext, words
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
    if _explained(want, answer):
        return CheckResult(Verdict.CORRECT, Method.TEXT, answer, want, got, "states it with an explanation")
    if _stated_within(want.split(), got.split()) or _stated_within(got.split(), want.split()):
        return CheckResult(Verdict.CORRECT, Method.TEXT, answer, want, got, "states it in a sentence")
    return CheckResult(Verdict.INCORRECT, Method.TEXT, answer, want, got, "the words differ")


_VERBS = frozenset((
    "is", "are", "was", "were", "will", "wins", "win", "won", "has", "have", "had", "gets", "get", "receives", "earns",
    "can", "does", "did", "should", "would", "must", "takes", "pays", "scores", "comes", "finishes", "remains", "always",
))  # fmt: skip
_OPEN = frozenset((
    "and", "or", "nor", "but", "either", "both", "neither", "lose", "loses", "losing", "lost", "fails", "fail", "unless",
    "if", "except", "without", "than", "loser",
))  # fmt: skip
"""Words that leave open, or turn round, what a sentence says of its subject."""


def _stated_within(short: list[str], sentence: list[str]) -> bool:
    """Whether a sentence states a few words as its subject or at its end: "Petya wins", "the winner is Petya"."""
    if not short or len(short) > 5 or not len(short) < len(sentence) <= 25:
        return False
    rest_front, rest_back = sentence[len(short) :], sentence[: -len(short)]
    if (_DENIALS | _OPEN) & (set(sentence) - set(short)):
        return False
    if short[0] in ("yes", "no", "true", "false"):
        return len(short) == 1 and sentence[0] == short[0] and rest_front[0] in _REASONS
    if sentence[: len(short)] == short and rest_front[0] in _VERBS:
        return len(rest_front) == 1 or not set(rest_front) & set(short)
    return sentence[-len(short) :] == short and rest_back[-1] in ("is", "are", "was", "be", "named", "called")


_BREAK = re.compile(r"\s*[,;:.(—]\s*|\s+[-–]\s+|\s+(?=(?:because|since|as|due)\b)")
_EXPLAINS = frozenset((
    "because", "since", "as", "due", "so", "which", "where", "when", "given", "not", "rather", "instead", "is", "are", "was",
    "were", "has", "have", "can", "will", "would", "gets", "tells", "turns", "makes", "gives", "wins",
))  # fmt: skip
_TURNS = frozenset(
    (
        "or",
        "and",
        "but",
        "nor",
        "wait",
        "no",
        "yes",
        "if",
        "unless",
        "except",
        "maybe",
        "perhaps",
        "then",
        "false",
        "true",
    )
)


def _explained(want: str, answer: str) -> bool:
    """Whether an answer is the asked words followed by an explanation: "east, because ...", "Yes: ...", "red (not blue)"."""
    plain = untext(tidy(answer)).strip()
    mark = _BREAK.search(plain)
    if mark is None or not want or _content(plain[: mark.start()]) != want:
        return False
    rest = words(plain[mark.end() :]).split()
    if len(rest) < 2 or rest[0] in _TURNS or plain[mark.end() :].count(":"):
        return False
    return bool(_EXPLAINS & set(rest)) or ("," not in mark[0] and len(rest) > 2)


_REASONS = frozenset(
    ("because", "since", "as", "it", "they", "there", "we", "he", "she", "this", "these", "all", "such")
)


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
    {
        "not",
        "no",
        "never",
        "neither",
        "cannot",
        "isn",
        "t",
        "non",
        "false",
        "wrong",
        "incorrect",
        "untrue",
        "anything",
    }
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
