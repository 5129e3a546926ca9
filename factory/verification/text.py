"""Answers that are no formulas: names, words, short sentences; dates, times of day, amounts in several units."""

from __future__ import annotations

import re
from fractions import Fraction

from factory.verification.notation import literal, tidy, untext, words
from factory.verification.result import CheckResult, Method
from factory.verification.syntax import UNITS, Node
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


MAX_LENGTH = 60
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = r"(?P<month>jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)[a-z]{0,6}\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>\d{4})"
_WEEKDAY = r"(?:on )?(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day,? )?"
_DATES = tuple(
    re.compile(pattern, re.I)
    for pattern in (
        rf"{_WEEKDAY}(?:the )?{_DAY} (?:of )?{_MONTH}(?:,? {_YEAR})?",
        rf"{_WEEKDAY}{_MONTH} {_DAY}(?:,? {_YEAR})?",
        r"(?P<year>\d{4})-(?P<number>\d\d)-(?P<day>\d\d)",
        r"(?P<year>\d{4})/(?P<number>\d{1,2})/(?P<day>\d{1,2})",
        r"(?P<year>\d{4})\s?年\s?(?P<number>\d{1,2})\s?月\s?(?P<day>\d{1,2})\s?日",
    )
)
_TIME = re.compile(
    r"(?:at )?(?P<hour>\d{1,2})(?::(?P<minute>\d\d))?\s?(?P<half>[ap]\.?\s?m\b\.?)?(?: o'clock)?(?: in the (?P<part>morning|afternoon|evening))?",
    re.I,
)
_ANGLE = re.compile(r"(\d{1,3}) ?\^ ?\{ ?\\circ ?\} ?(\d{1,2})(?:'|\^ ?\{ ?\\prime ?\})")
_PART = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)\s?([A-Za-z]{1,12})\.?(?:,? and |, ?| |$)")


def same_datetime(gold: str, answer: str) -> bool | None:
    """Whether two dates or two times of day are the same; None when one of them is neither.

    A date without a year is compared by day and month. A time without a.m. or p.m. is taken as it stands, and a gold
    that is a bare hour is met by that full hour.
    """
    g, a = _plain(gold), _plain(answer)
    if g is None or a is None:
        return None
    dates = _date(g), _date(a)
    if dates[0] and dates[1]:
        years = {dates[0][0], dates[1][0]}
        return dates[0][1:] == dates[1][1:] and (None in years or len(years) == 1)
    wanted, given = _time(g), _time(a)
    if wanted is None or given is None or (g.isdigit() and a.isdigit()):
        return None
    (g_minutes, g_half), (a_minutes, a_half) = wanted, given
    if g_half is not None and a_half is not None:
        return _clock(g_minutes, g_half) == _clock(a_minutes, a_half)
    known = g_half or a_half
    if known is None:
        return True if g == a else None  # two plain `a:b` may be ratios
    # One side says which half of the day it means. The other may count to 24, or leave it to the question.
    plain, told = (a_minutes, g_minutes) if g_half else (g_minutes, a_minutes)
    return plain in (_clock(told, known), told)


def _plain(text: str) -> str | None:
    plain = re.sub(r"\s+", " ", untext(tidy(text[: 4 * MAX_LENGTH]))).replace(r"\ ", " ").strip(" .,;$")
    plain = re.sub(r"(?<=\d) : (?=\d)", ":", plain)
    return plain if plain and len(plain) <= MAX_LENGTH else None


def _date(plain: str) -> tuple[int | None, int, int] | None:
    for pattern in _DATES:
        match = pattern.fullmatch(plain)
        if match:
            parts = match.groupdict()
            month = (
                _MONTHS.index(parts["month"][:3].lower()) + 1 if parts.get("month") else int(parts["number"])
            )
            day = int(parts["day"])
            if 1 <= month <= 12 and 1 <= day <= 31:
                return (int(parts["year"]) if parts["year"] else None, month, day)
    return None


def _time(plain: str) -> tuple[int, str | None] | None:
    """Minutes as written, and the half of the day (`a`, `p`) when it is told."""
    match = _TIME.fullmatch(plain)
    if match is None or int(match["minute"] or 0) > 59 or int(match["hour"]) > 24:
        return None
    half = match["half"][0].lower() if match["half"] else None
    if match["part"]:
        half = "a" if match["part"].lower() == "morning" else "p"
    if int(match["hour"]) > 12:
        half = None  # `14:30 p.m.`: the hour tells
    return int(match["hour"]) * 60 + int(match["minute"] or 0), half


def _clock(minutes: int, half: str) -> int:
    """Minutes since midnight of a time on the twelve-hour clock."""
    return minutes % 720 + 720 * (half == "p")


def mixed_amount(text: str) -> Node | None:
    """`2 hours 30 minutes`, `5 feet 6 inches` as one amount in the smallest unit named; None for anything else."""
    plain = _plain(text)
    if plain is None or not plain[0].isdigit():
        return None
    if angle := _ANGLE.fullmatch(plain):
        return Node("deg", (Node("num", value=int(angle[1]) + Fraction(int(angle[2]), 60)),))
    at, parts = 0, []
    while at < len(plain):
        match = _PART.match(plain, at)
        if match is None:
            return None
        parts.append((Fraction(match[1]), UNITS.get(match[2]) or UNITS.get(match[2].lower()), match[2]))
        at = match.end()
    units = [unit for _, unit, _ in parts if unit is not None]
    scales = [unit[1] for unit in units]
    if len(parts) < 2 or len(units) != len(parts) or len({unit[0] for unit in units}) != 1:
        return None
    if scales != sorted(set(scales), reverse=True):
        return None
    total = sum((number * scale for (number, _, _), scale in zip(parts, scales, strict=True)), Fraction(0))
    return Node("quantity", (Node("num", value=total / scales[-1]),), parts[-1][2].lower())
