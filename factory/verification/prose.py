"""The number that a sentence states: "Frank answered 56 questions correctly, 6 more than before" states 56.

Sentences without formulas are read the way people write conclusions: after an equals sign; after "is", "a total of"
and the like; else the first number that is not a circumstance ("in 3 years", "for 12 people").
"""

from __future__ import annotations

import re

_TOKEN = r"(?:\d++\(\d++/\d++\)|\d[\d,]*+(?:\.\d++)?|\.\d++|√\s?\d++|√\([^()]{1,40}\)|[π∞](?![A-Za-z])|(?<=\d)i(?![A-Za-z])|(?<=[√\d)])π|[¼½¾⅓⅔])"
_RUN = re.compile(
    rf"(?<![^\W\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af])(?<!\.)[-+−–]?\s?(?:[$€£¥]\s?-?)?(?:{_TOKEN})(?:\s?[-+−–/×·*^]\s?(?:{_TOKEN})|(?=[√πi¼½¾⅓⅔])(?:{_TOKEN}))*+"
    r"(?:\s?(?:%|percent\b|pct\b|°|:\d\d\b(?:\s?[ap]\.?m\b)?))?"
)
_CUE = re.compile(
    r"(?:\btotal\s+of|\bsum\s+of|\bequals?|\b(?:equal|equivalent)\s+to|\bis|\bare|\bwas|\bwere|\bbe|\bit'?s|\bgets?|\bmakes|\bapproximately|\babout|\bonly|=|≈|:)"
    r"\s*(?:a\s+total\s+of|approximately|about|only|equal\s+to|exactly|a|an)?\s*[({*]*$",
    re.I,
)
_CIRCUMSTANCE = re.compile(
    r"(?:\b(?:in|after|for|over|during|within|of|with|per|every|each|from|by|at|on|than|until|before|among|between|all|the"
    r"|these|those|first|last|other)(?:\s+(?:the|all|a|an|those|these|first|last|next|another|about|every))*)\s*[$]?$",
    re.I,
)


_NEGATED = re.compile(
    r"(?:\bnot|n't|\bnever|\bcannot|\banything but|\bother than|\bnicht|\bn'est pas|\bno es|(?<!\w)не|≠|不是|不等于|不可能是|不会是)"
    r"\s*(?:(?:be|equal|to|exactly|simply|just)\s+)*$",
    re.I,
)
_NEGATED_AFTER = re.compile(
    r"\s*(?:(?:is|was|are)\s*(?:n't|not)\b|can(?:not|'t)\s+be\b|(?:is|was)\s+(?:wrong|incorrect|false)|不是|不对|是错)",
    re.I,
)
MAX_SENTENCE = 1_000
"""How much of a sentence's end is looked at."""
_COMPOUND = re.compile(r"-[A-Za-z]{2,}|(?:st|nd|rd|th)\b(?=\s+(?:time|day|week|month|year|grade))")


def number_in(sentence: str) -> str | None:
    """The number (or plain numeric expression) that a sentence without formulas states, or None."""
    sentence = sentence[-MAX_SENTENCE:]
    runs = [run for run in _RUN.finditer(sentence) if any(c.isdigit() or c in "π∞√¼½¾⅓⅔" for c in run[0])]
    if not runs:
        return None
    runs = [
        run
        for run in runs
        if not _NEGATED.search(sentence[max(0, run.start() - 30) : run.start()])
        and not _NEGATED_AFTER.match(sentence, run.end())
    ]
    if not runs:
        return None
    runs = [run for run in runs if not _COMPOUND.match(sentence, run.end())] or runs
    equals = max(sentence.rfind("="), sentence.rfind("≈"))
    after = [run for run in runs if run.start() > equals]
    if equals >= 0 and after:
        return _text(after[0])
    cued = [run for run in runs if _CUE.search(sentence[max(0, run.start() - 40) : run.start()])]
    if cued:
        return _text(cued[-1])
    stated = [
        run for run in runs if not _CIRCUMSTANCE.search(sentence[max(0, run.start() - 40) : run.start()])
    ]
    amounts = [run for run in stated if run[0].lstrip("-+– ")[0] in "$€£¥"]
    return _text((amounts if len(amounts) == 1 else stated or runs)[0])


def _text(run: re.Match[str]) -> str:
    return run[0].strip().rstrip(",")


_LEAD = re.compile(r"\W*([^\W\d_]{2,})")
_FUNCTIONS = frozenset(
    ["sin", "cos", "tan", "log", "ln", "sqrt", "pi", "exp", "max", "min", "approximately", "about"]
)


def starts_as_prose(text: str) -> bool:
    """Whether a text without formulas is a sentence around a number, rather than a labelled or bare answer."""
    lead = _LEAD.match(text)
    if (
        "\\" in text
        or lead is None
        or lead[1].lower() in _FUNCTIONS
        or not any(char.isdigit() for char in text)
    ):
        return False
    return ":" not in text and "=" not in text
