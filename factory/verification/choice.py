"""Multiple choice: the letter, the option's text, or several letters."""

from __future__ import annotations

import re

from factory.verification.notation import literal, tidy, untext, words
from factory.verification.result import CheckResult, Method
from schemas.verdict import Verdict

MAX_OPTION = 1_000
"""Longest option text that is compared, in characters."""
_LETTER_GROUP = re.compile(r"^[\s(\[（]*([A-Ja-j])(?:\s*[)\].:、）]|\s*$|[,;]\s)")
_LIST = re.compile(r"^\W*[A-J](?:(?:\s*(?:,|&|;|and|、)\s*|\s*)[A-J])*\W*$")
_LETTER_IN_TEXT = re.compile(r"(?<![A-Za-z0-9\\])\(?([A-J])\)?(?![A-Za-z0-9'])")


def letters_of(text: str, choices: tuple[str, ...] | None = None) -> str | None:
    """The option letters that an answer names, sorted (`AC`), or None.

    A lone letter, `(B)`, `B. text`, `B) text`, several letters, or the text of exactly one option.
    """
    plain = untext(tidy(text)).strip(" .*$")[:MAX_OPTION]
    if _LIST.match(plain):
        letters = re.findall("[A-J]", plain.replace("and", ""))
        return "".join(sorted(letters)) if len(set(letters)) == len(letters) else None
    if len(plain) <= 3 and (match := re.fullmatch(r"\(?([a-j])\)?", plain)):
        return match[1].upper()
    if choices:
        by_text = _by_text(plain, choices)
        if by_text:
            return by_text
    match = _LETTER_GROUP.match(plain)
    if match and (len(plain) > 1 or choices):
        return match[1].upper()
    named = {m[1] for m in _LETTER_IN_TEXT.finditer(re.sub(r"\bA (?=[a-z])|\bI\b", "", plain))}
    return named.pop() if len(named) == 1 else None


def _by_text(plain: str, choices: tuple[str, ...]) -> str | None:
    hits = [i for i, option in enumerate(choices) if same_text(plain, _strip_label(option))]
    return chr(65 + hits[0]) if len(hits) == 1 else None


def _strip_label(option: str) -> str:
    return re.sub(r"^\s*\(?[A-J][).:、]\s*", "", option)


def same_text(a: str, b: str) -> bool:
    """Equal after tidying, or with the same words when there are any."""
    if literal(a) == literal(b):
        return True
    return bool(words(a)) and words(a) == words(b) and not re.search(r"[-+<>=^\\/.]", a + b)


def check_choice(gold: str, answer: str, choices: tuple[str, ...] | None) -> CheckResult:
    """Compare the letters that gold and answer name."""
    want = letters_of(gold, choices)
    got = letters_of(answer, choices)
    if want is None:
        return CheckResult(Verdict.UNVERIFIABLE, Method.CHOICE, answer, reason="gold names no option")
    if got is None:
        return CheckResult(
            Verdict.UNVERIFIABLE, Method.CHOICE, answer, want, reason="the answer names no single option"
        )
    verdict = Verdict.CORRECT if want == got else Verdict.INCORRECT
    return CheckResult(verdict, Method.CHOICE, answer, want, got, None if want == got else "another option")
