r"""Other spellings of a value, rewritten to the one that the parser reads.

Spelled numbers, `1e+22`, `12,34,567`, `]2;5[`, `5 N`, `45个`, `75¢`, `3k \text{ where } k\ge 1`, `23(1/3)`, `5 \text{ to }
2`, `all real numbers except 4`. Every rule looks at a whole answer or at its end, on tidied text, and is linear in it.
"""

from __future__ import annotations

import re
import struct
from fractions import Fraction

from factory.verification.syntax import UNITS

_SMALL = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_NUMBER_WORDS = {word: n for n, word in enumerate(_SMALL)} | {
    word: 20 + 10 * n for n, word in enumerate(_TENS)
}
_ORDINALS = {
    word: n + 1
    for n, word in enumerate((
        "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth",
    ))
}  # fmt: skip
_SCALE_WORDS = {"hundred": 100, "thousand": 1_000, "million": 10**6, "billion": 10**9}
_PARTS = {
    "half": 2, "halves": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4, "fourth": 4, "fourths": 4, "fifth": 5,
    "fifths": 5, "sixth": 6, "sixths": 6, "eighth": 8, "eighths": 8, "tenth": 10, "tenths": 10,
}  # fmt: skip
_LETTERS = re.compile(r"[A-Za-z]+(?:[\s-]+[A-Za-z]+){0,11}")


def spelled_number(text: str) -> Fraction | None:
    """The number that English words spell: `twenty-one`, `two hundred and five`, `three quarters`; else None."""
    if len(text) > 80 or not _LETTERS.fullmatch(text):
        return None
    if text.lower() in _ORDINALS:
        return Fraction(_ORDINALS[text.lower()])
    words = [word for word in re.split(r"[\s-]+", text.lower()) if word != "and"]
    if words and words[-1] in _PARTS and (len(words) > 1 or words[0] == "half"):
        top = Fraction(1) if words[:-1] in ([], ["a"]) else spelled_number(" ".join(words[:-1]))
        return None if top is None or not 0 < top < 100 else top / _PARTS[words[-1]]
    total, part, last = 0, 0, 10**12
    for word in words:
        if word in _NUMBER_WORDS:
            n = _NUMBER_WORDS[word]
            size = 10 if n >= 20 else 1
            if size >= last or (last == 10 and not 0 < n < 10):
                return None
            part, last = part + n, size
        elif word in _SCALE_WORDS and part:
            scale = _SCALE_WORDS[word]
            part, last = part * scale, 10**12 if scale > 100 else 100
            if scale > 100:
                total, part = total + part, 0
        else:
            return None
    return Fraction(total + part) if words else None


def float_artefact(text: str) -> str:
    """A decimal that a float made of a shorter one: `0.30000000000000004` is 0.3, `0.10000000149011612` is 0.1."""
    if not re.fullmatch(r"-?\d{1,12}\.\d{9,25}", text):
        return text
    number = float(text)
    for short in (f"{number:.7g}", f"{number:.12g}"):
        single = struct.unpack("f", struct.pack("f", float(short)))[0] == number
        if (
            "e" not in short
            and len(short) < len(text) - 4
            and (single or abs(float(short) - number) <= 4e-16 * abs(number))
        ):
            return short
    return text


_N = r"[-+]?\s?(?:\d[\d,]*(?:\.\d+)?|\.\d+)(?:\s?\\frac\s?\{\d+\}\s?\{\d+\}|\s\d+/\d+)?|[-+]?\s?\\frac\s?(?:\{-?\d+\}\s?\{\d+\}|\d\s?\d)|[-+]?\d+/\d+|\d*\s?\(\d+/\d+\)|[-+]?\s?(?:\d+\s?)?\\(?:sqrt\s?\{[^{}]{1,12}\}|pi)(?![A-Za-z])"
_SYMBOL = r"(?:[kMmcG]?(?:Pa|Hz|W|V|J|N|A|C|F|K|T|H|m|g|s|L|l|mol|eV|cal|bar)|Omega|mph|rpm|atm|min|hr?|rad|sr|lm|lx|dB)"
_UNIT = re.compile(
    rf'^(?P<n>{_N})\s*(?P<deg>\^\{{\\circ\}})?\s*"?\s*(?P<unit>{_SYMBOL}(?:\s?"?\s?\^\s?\{{?-?[23]\}}?)?(?:\s?(?:/|\\cdot)\s?{_SYMBOL}(?:\s?\^\s?\{{?-?[23]\}}?)?)?|\\Omega|\\ell)\s*"?$'
)
_COUNTER = re.compile(
    rf'^(?P<n>{_N})\s*"?\s*(?P<unit>[^\x00-\x7f][^\W\d_]{{0,11}}|[A-Za-z]{{1,14}}[^\W\d_A-Za-z][^\W\d_]{{0,12}})\s*"?$'
)
_MONEY = re.compile(
    rf'^(?:US)?(?P<sign>-?)\s?(?P<mark>[$€£¥₹])\s?(?P<n>{_N})$|^(?P<n2>{_N})\s?"?\s*(?P<cents>¢|cents?|c)\s*"?$'
)
_CURRENCIES = {"$": "dollar", "€": "euro", "£": "sterling", "¥": "yen", "₹": "rupee"}
_DEGREES = {"C": "celsius", "F": "fahrenheit"}
_TO = re.compile(rf'^"?\s*(?P<a>{_N})\s*"?\s*(?P<word>to|out of|in)\s*"?\s*(?P<b>{_N})\s*"?$')
_TO_TO = re.compile(r'\s*"\s*to\s*"\s*')
_PARENTHESISED = re.compile(
    rf'^(?P<n>{_N})(?P<gap>\s*"?\s*)\(\s*"?\s*(?P<words>[^\W\d_]{{2,}}(?:[\s/-]+[^\W\d_]+)*|[^\x00-\x7f])\s*"?\s*\)\s*"?$'
)
"""`9 (balloons)`."""
_PLACE = re.compile(
    r'^"?\s*(?:(?:the\s+)?(\d{1,6})(?:st|nd|rd|th)\s+[^\W\d_ ]{2,20}|第\s?(\d{1,6})\s?[^\W\d_]{1,3}|[A-Za-z]{3,12}\s+(\d{1,6}))\s*"?$',
    re.I,
)
"""`the 18th floor`, `第3天`, `row 5`."""
_LEAD = re.compile(r'^"\s*(?P<words>[^"\d]{2,40}?)\s*:?\s*"\s*(?:=\s*)?(?=[(\[]|\\\{|\\langle)')
_POINT = re.compile(r"^[A-Z]'?\s*=?\s*(\([^()=]{1,60},[^()=]{1,60}\))$")
_MAPS_TO = re.compile(r"\b([A-Za-z])\s*:\s*([a-z])\s*\\(?:mapsto|to)(?![A-Za-z])")
_TOLD = re.compile(rf'"([^"\d:=]{{2,40}})"\s*({_N})\s*[,;.]?\s*')
_OPENS = re.compile(
    r"\b(?:not|no|never|except|outside|without|between|from|all|any|but|or|less|more|than|least|most|excluding|union|complement)\b",
    re.I,
)
"""Words before a value that change it."""
_MIXED = re.compile(
    r'^([-+]?\d{1,9})\s?(?:"?\s*and\s*"?\s*|\s?\((?=\d+/\d+\)$))(?:\\frac\s?\{(\d{1,9})\}\s?\{(\d{1,9})\}|(\d{1,9})/(\d{1,9}))\)?$'
)
_QUANTITY = re.compile(rf'^"\s*(?P<n>{_N})\s*(?P<words>[^"\d]{{1,40}})"$')
_NO_UNIT = re.compile(r"\b(?:or|more|less|least|most|than|not|and|no|to|out)\b", re.I)
_YEAR = re.compile(r'^"?\s*(?:in\s+)?(?:the\s+)?year\s*"?\s*(\d{3,4})\s*"?$', re.I)
_COMBINATIONS = re.compile(r"(?<![A-Za-z])C\s?_\s?\{?(\d{1,3})\}?\s?\^\s?\{?(\d{1,3})\}?")
_PLAIN_BRACES = re.compile(r"^\{\s*([A-Za-z](?:\s*\\in.{1,20})?\s*[|:].{1,200})\}$")
_E_NOTATION = re.compile(r"^([-+]?\d+(?:\.\d+)?)[eE]([-+]?\d{1,3})$")
_INDIAN = re.compile(r"^-?\d{1,2}(?:,\d\d)+,\d{3}(?:\.\d+)?$")
_FRENCH = re.compile(r"(?<![\w)}\]])([\[\]])\s?([^\[\]()]{1,60}?)\s?([;,])\s?([^\[\]()]{1,60}?)\s?([\[\]])")
_EXCEPT = re.compile(
    r'^"?\s*(?:x\s*(?:is|=|\\in)\s*)?(?:all|any|every)\s+(?:the\s+)?reals?(?:\s+numbers?|\s+values?)?(?:\s+(?:of\s+)?x)?\s*,?\s*(?:except|other than|but|excluding|not equal to|besides)(?:\s+for)?(?:\s+x\s*=)?\s*"?\s*(.{1,80})$',
    re.I,
)
_WHERE = r'(?:"\s*(?:where|for|with|when|if|as)(?:\s+(?:all|any|every|each|some))?(?:\s+(?:positive|non-?negative|natural))?(?:\s+(?:integers?|numbers?))?\s*"|"\s*,?\s*"|\\forall)?'
_VAR = r"(?:[a-z]|[a-z]_\d)"
_RANGE = re.compile(
    rf"^(?P<main>.{{1,300}}?)\s*[,;.]?\s*\(?\s*{_WHERE}\s*(?P<var>{_VAR})\s*(?:(?:\\ge|>)\s*-?[01]|\\in\s*\\mathbb\s?\{{?[NZ]\}}?\s?(?:[_^]\s?\{{?[+*0]?\}}?)*"
    r"|=\s*[01]\s*,\s*(?:\\pm\s*)?[12]\s*(?:,\s*(?:\\pm\s*)?[23]\s*)?,?\s*(?:\\dots|\.\.\.))\s*\)?$"
)
_REMARK = re.compile(
    r'^(?P<main>.{1,300}?)[,;]?\s*\(?\s*"\s*\(?\s*(?:approximately|approx\.?|exactly|or so|in total|altogether|in all|overall|only|roughly|or less precisely|rounded[^"]{0,40})\s*\)?\s*"\s*\)?$'
)
_ENUMERATED = re.compile(r'(?:^|(?<=[,;\s"]))"?\s*\(?([a-e]|i{1,3}|iv|v|[1-5])\)\s*"?\s*(?=[^\s,;])')
_ORDERS = (("a", "b", "c", "d", "e"), ("i", "ii", "iii", "iv", "v"), ("1", "2", "3", "4", "5"))
_LABEL = re.compile(
    r"^\s*(?:[A-Za-z]'{0,3}(?:\s?\^\s?\{\s?-1\s?\})?\s?\(\s?[A-Za-z](?:\s?,\s?[A-Za-z])*\s?\)|\\frac\s?\{\s?d\s?[a-z]?\s?\}\s?\{\s?d\s?[a-z]\s?\}"
    r"|\(\s?[a-z]\s?\\circ\s?[a-z]\s?\)\s?\(\s?[a-z]\s?\)|[a-z]'{1,3}|\\(?:sin|cos|tan|cot)\s?(?:\\[a-z]{2,7}|[A-Za-z])(?=\s*=\s*[^A-Za-z]*(?:\\(?:frac|sqrt)[^A-Za-z]*){0,6}$)|\|\s?[a-z]\s?\|"
    r"|\\lim\s?_\s?\{[^{}]{1,30}\}[^=]{1,40}?|[EPD]\s?\(\s?[A-Z]\s?\))\s*=\s*(?P<value>[^=<>]+)$"
)
"""A function, a derivative, an inverse or a composition before an equals sign."""
_INDEXED = re.compile(r"(?<![A-Za-z\d_^\"])([A-Za-z])(\d)(?![\d.])")
"""`c1`, `x2` in plain text are names with an index."""
_OVER = re.compile(r"\{\s*([^{}]{1,60})\s*\\over\s+([^{}]{1,60})\s*\}")


_FULL_STOP = re.compile(r"(?<=[^.\s\\])\s*\.$")


def respelled(text: str) -> str:
    """Tidied and quoted text in the spelling that the parser reads; what no rule fits stays as it is."""
    text = _FULL_STOP.sub("", text.strip())
    text = _OVER.sub(r"\\frac{\1}{\2}", text) if "\\over" in text else text
    if re.fullmatch(r"[-+]?\d+(?:\.\d+)?", text):
        return text
    if (words := _LETTERS.fullmatch(text.strip('" '))) and (number := spelled_number(words[0])) is not None:
        return (
            str(number)
            if number.denominator == 1
            else rf"\frac{{{number.numerator}}}{{{number.denominator}}}"
        )
    if match := _EXCEPT.match(text):
        points = match[1].strip(' ".')
        return rf"\mathbb{{R}}\setminus\{{{points}\}}"
    if "\\" not in text:
        text = _INDEXED.sub(r"\1_{\2}", text)
    if match := _LEAD.match(text):
        text = text if _OPENS.search(match["words"]) else text[match.end() :]
    if match := _POINT.match(text):
        text = match[1]
    text = _MAPS_TO.sub(r"\1(\2) = ", _told(text))
    text = _PLAIN_BRACES.sub(r"\\{\1\\}", _COMBINATIONS.sub(r"\\binom{\1}{\2}", text))
    if match := _YEAR.match(text):
        return match[1]
    text = _grouping(_listed(text) if ")" in text else text)
    text = _without_remarks(text)
    return _value(text) or _FRENCH.sub(_interval, text)


def _told(text: str) -> str:
    """`"Tom has" 3 "and Ann has" 5` as the list of its numbers."""
    found = list(_TOLD.finditer(text)) if text.startswith('"') else []
    whole = len(found) > 1 and sum(len(match[0]) for match in found) == len(text)
    if not whole or any(_OPENS.search(match[1]) for match in found):
        return text
    return ", ".join(match[2] for match in found)


def unlabelled(gold: str, answer: str) -> tuple[str, str]:
    """The pair without the name of a function before an equals sign, where only one side writes it."""
    g, a = _LABEL.match(gold), _LABEL.match(answer)
    if g and not a and "=" not in answer:
        return g["value"], answer
    return (gold, a["value"]) if a and not g and "=" not in gold else (gold, answer)


def _listed(text: str) -> str:
    """`(a) 3, (b) 4` as the list of its parts."""
    marks = list(_ENUMERATED.finditer(text))
    names = tuple(mark[1] for mark in marks)
    if (
        len(marks) < 2
        or text[: marks[0].start()].strip()
        or not any(names == order[: len(names)] for order in _ORDERS)
    ):
        return text
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    return ", ".join(text[mark.end() : end].strip(' ,;"') for mark, end in zip(marks, ends, strict=True))


def _grouping(text: str) -> str:
    if match := _E_NOTATION.match(text):
        return rf"{match[1]}\times 10^{{{int(match[2])}}}"
    if _INDIAN.match(text):
        return text.replace(",", "")
    if re.fullmatch(r"-?\d{1,3}(?:_\d{3})+", text):
        return text.replace("_", "")
    return re.sub(r"(?<![\d.])(\d+)\{,\}(?=\d)", r"\1.", text) if "{,}" in text else text


def _without_remarks(text: str) -> str:
    """The answer without what only qualifies it: the range of a counting parameter, `approximately`."""
    if match := _REMARK.match(text):
        text = match["main"].strip()
    match = _RANGE.match(text)
    if match is None or not re.search(
        rf"(?<![A-Za-z\\]){re.escape(match['var'])}(?![A-Za-z])", match["main"]
    ):
        return text
    main = match["main"].strip(" ,;")
    if re.search(r"[<>]|\\(?:le|ge|ne|lt|gt)(?![A-Za-z])|\b(?:and|or)\W*$", main):
        return text  # a second range of the same unknown, not a remark
    return (
        main if len(main) > 1 and not main.endswith(("{", "\\mid", "|", ":", "(", "\\in", "<", "=")) else text
    )


def _value(text: str) -> str | None:
    """A number with something around it as that number with a unit in quotes."""
    if match := _MONEY.match(text):
        unit = _CURRENCIES[match["mark"]] if match["mark"] else "cent"
        return f'{match["sign"] or ""}{match["n"] or match["n2"]} "{unit}"'
    if match := _UNIT.match(text):
        unit = (
            match["unit"]
            .replace('"', "")
            .replace("{", "")
            .replace("}", "")
            .replace("\\cdot", "/ per")
            .lstrip("\\")
        )
        if match["deg"]:
            unit = _DEGREES.get(unit, "")
        return f'{_mixed(match["n"])} "{unit}"' if unit else None
    match = _PARENTHESISED.match(text)
    if (
        match
        and (match["gap"] or len(match["words"]) > 2 or match["words"] in UNITS)
        and not _NO_UNIT.search(match["words"])
    ):
        return f'{match["n"]} "{match["words"]}"'
    if match := _PLACE.match(text):
        return str(match[1] or match[2] or match[3])
    if (match := _QUANTITY.match(text)) and not _NO_UNIT.search(match["words"]):
        return f'{match["n"]} "{match["words"].strip()}"'
    if match := _COUNTER.match(text):
        return f'{_mixed(match["n"])} "{match["unit"]}"'
    if _TO_TO.search(text):
        text = _TO_TO.sub(" to ", text)
        if all(re.fullmatch(_N, part) for part in text.split(" to ")[:9]):
            return text.replace(" to ", ":")
    if match := _TO.match(text):
        if match["word"] == "to":
            return f"{match['a']}:{match['b']}"
        return rf"\frac{{{match['a']}}}{{{match['b']}}}"
    return _mixed(text) if _MIXED.match(text) else None


def _mixed(text: str) -> str:
    """`23(1/3)` as a mixed number; anything else as it is."""
    match = _MIXED.match(text)
    if match is None:
        return text
    top, bottom = match[2] or match[4], match[3] or match[5]
    return rf"{match[1]}\frac{{{top}}}{{{bottom}}}" if int(top) < int(bottom) else text


def _interval(match: re.Match[str]) -> str:
    """`]a;b[`: a bracket that turns its back is an open end. `[a,b]` stays."""
    begin, low, mark, high, end = match.groups()
    if begin == "[" and end == "]":
        return match[0]
    if mark == ";":
        low, high = (part.replace(",", ".") for part in (low, high))
    return f"{'[' if begin == '[' else '('}{low},{high}{']' if end == ']' else ')'}"
