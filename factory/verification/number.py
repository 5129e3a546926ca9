"""Plain numbers: reading them exactly and comparing them at the gold's own precision.

This is the fast path that decides most answers without a parser. A number is read as a fraction, so nothing is ever
rounded, and it is read only when it is short, so nothing can explode.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from factory.verification.spelling import spelled_number

MAX_DIGITS = 60
"""Longer numerals are left to the parser."""
CLOSE_DIGITS = 5
"""An answer that writes out a gold without finite expansion (8/3, sqrt 2) must show at least this many correct digits."""


@dataclass(frozen=True, slots=True)
class Number:
    """An exactly read number.

    `decimals` is the count of digits after the point, None for an integer or fraction: a decimal may be rounded.
    `digits` counts significant digits.
    """

    value: Fraction
    decimals: int | None = None
    digits: int = 0
    percent: bool = False
    money: bool = False


_BODY = r"(?P<int>[1-9]\d{0,2}(?:,\d{3})+|[1-9]\d{0,2}(?: \d{3})+|\d+)?(?:\.(?P<dec>\d+))?"
_NUMBER = re.compile(
    r"^(?P<sign>[-+]?)\s?(?P<cur>[$€£¥₹]|USD|RMB)?\s?(?P<sign2>-?)"
    + _BODY
    + r"(?:[eE](?P<exp>[-+]?\d{1,3})|\s?(?:\\times|\\cdot|\*|x)\s?10\^(?:\{(?P<p1>[-+]?\d{1,3})\}|(?P<p2>\d)))?"
    r"\s?(?P<pct>%|percent(?:age)?|pct)?\s?(?P<cur2>[$€£¥])?$"
)
_FRACTION = re.compile(
    r"^(?P<sign>[-+]?)\s?(?:(?P<whole>\d{1,12})(?:\s(?=\d)|\s?(?=\\)))?(?:\\frac\s?(?:\{\s?(?P<n>-?\d{1,30})\s?\}|(?P<n1>\d))\s?(?:\{\s?(?P<d>-?\d{1,30})\s?\}|(?P<d1>\d))|(?P<n2>\d{1,30})\s?/\s?(?P<d2>\d{1,30}))\s?(?P<pct>%)?$"
)


def read_number(text: str) -> Number | None:
    """Read a tidied text that is one plain number: integer, decimal, fraction, mixed number, with currency or percent.

    Returns:
        The number, or None when the text is anything else.
    """
    if not text or len(text) > MAX_DIGITS + 20:
        return None
    if text[0].isalpha() and (spelled := spelled_number(text)) is not None:
        return Number(spelled)
    match = _NUMBER.match(text)
    if match and (match["int"] or match["dec"]):
        return _decimal(match)
    match = _FRACTION.match(text)
    if match is None:
        return None
    n = int(match["n"] or match["n1"] or match["n2"])
    d = int(match["d"] or match["d1"] or match["d2"])
    if d == 0 or (match["whole"] and (n < 0 or d < 0)):
        return None
    value = int(match["whole"] or 0) + Fraction(n, d)
    return Number(-value if match["sign"] == "-" else value, percent=bool(match["pct"]))


def _decimal(match: re.Match[str]) -> Number | None:
    whole = re.sub("[, ]", "", match["int"] or "")
    decimals = match["dec"] or ""
    if len(whole) + len(decimals) > MAX_DIGITS:
        return None
    value = Fraction(int((whole or "0") + decimals), 10 ** len(decimals))
    power = match["exp"] or match["p1"] or match["p2"]
    if power is not None:
        value *= Fraction(10) ** int(power)
    if match["sign"] == "-" or match["sign2"] == "-":
        value = -value
    places = len(decimals) if decimals or power else None
    if power is not None and places is not None:
        places = max(places - int(power), 0) if places - int(power) > 0 else None
    digits = len((whole + decimals).lstrip("0"))
    return Number(value, places, digits, bool(match["pct"]), bool(match["cur"] or match["cur2"]))


def same_number(gold: Number, answer: Number) -> bool:
    """Whether `answer` is `gold`.

    Exact when both are exact. A decimal gold may be a rounded value, so an answer with more digits (or an exact
    fraction) is right when it rounds to the gold, provided the gold shows enough digits that chance is no
    explanation. Percent and plain forms of one value are both accepted, since a question's wording decides which is
    asked for ("what percent" is answered with 28 as with 28%).
    """
    if (gold.money and answer.percent) or (gold.percent and answer.money):
        return False
    if close(gold.value, gold, answer.value, answer):
        return True
    if gold.percent != answer.percent:
        g = gold.value / 100 if gold.percent else gold.value
        a = answer.value / 100 if answer.percent else answer.value
        if g == a:
            return True
        scaled = Number(g, None if gold.decimals is None else gold.decimals + 2 * gold.percent, gold.digits)
        return close(g, scaled, a, answer)
    return False


def close(g: Fraction, gold: Number, a: Fraction, answer: Number) -> bool:
    """Equality of values at the precision of `gold`, given how many digits both show."""
    if g == a:
        return True
    if gold.decimals is None:
        written_out = answer.decimals is not None and answer.digits >= CLOSE_DIGITS and not _is_decimal(g)
        return written_out and _rounds_to(g, a, answer.decimals or 0)
    if answer.decimals is not None and answer.decimals <= gold.decimals and gold.percent == answer.percent:
        measured = gold.decimals > answer.decimals >= 2 and answer.digits >= 3
        return measured and _rounds_to(g, a, answer.decimals)
    exact = answer.decimals is None and not _terminates(a, gold.decimals)
    if answer.decimals is None and not exact:
        return False
    if gold.digits < (2 if exact else 3):
        return False
    if gold.digits < 3:
        return abs(g - a) <= Fraction(1, 2 * 10**gold.decimals)
    return _rounds_to(a, g, gold.decimals)


def _rounds_to(value: Fraction, decimal: Fraction, places: int) -> bool:
    """Whether a decimal is a value rounded or, as many answers are, cut off after so many places."""
    cut = value * decimal > 0 and 0 <= abs(value) - abs(decimal) < Fraction(1, 10**places)
    return cut or abs(value - decimal) <= Fraction(1, 2 * 10**places)


def _terminates(value: Fraction, decimals: int) -> bool:
    """Whether `value` can be written with that many decimals."""
    return bool((value * 10**decimals).denominator == 1)


def _is_decimal(value: Fraction) -> bool:
    """Whether `value` has a finite decimal expansion."""
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    return rest == 1


def show(number: Number) -> str:
    """Canonical form: a reduced fraction, or an integer."""
    value = number.value
    text = str(value.numerator) if value.denominator == 1 else f"{value.numerator}/{value.denominator}"
    return text + "%" if number.percent else text
