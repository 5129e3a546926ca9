r"""Parsing mathematical answers: LaTeX or plain text to a small syntax tree. Nothing is evaluated.

The grammar is that of final answers: arithmetic, powers, roots, fractions, factorials, binomials, the elementary
functions, floors and absolute values, percent and degrees, `\pm`, trailing units, brackets, tuples, sets, intervals,
unions, relations, matrices. What lies outside it raises `NotMath`, and the caller falls back on other means.

The parser is recursive descent over a bounded list of tokens with a bounded depth, so its time and memory are bounded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

MAX_TOKENS = 1_500
MAX_DEPTH = 60
MAX_NUMERAL = 400


class NotMath(Exception):
    """The text is outside the grammar."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the syntax tree.

    `kind` is one of: num, sym, add, mul, div, pow, neg, pm, fact, pct, deg, call (a known function), apply (an unknown
    function), based, root, abs, floor, ceil, binom; and of structure: seq (bare list), tuple, set, interval, union,
    minus (set difference), rel, matrix, ratio, words, quantity, reals, inf, empty, builder.
    `name` is a symbol, function, operator, unit or bracket style; `value` the exact value of a numeral and `decimals`
    its digits after the point (None for integers).
    """

    kind: str
    args: tuple[Node, ...] = ()
    name: str = ""
    value: Fraction | None = None
    decimals: int | None = None


FUNCTIONS = frozenset((
    "sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan", "arccot", "sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh",
    "ln", "log", "lg", "exp", "max", "min", "gcd", "lcm", "sgn", "sign", "arg", "Re", "Im", "det",
))  # fmt: skip
GREEK = frozenset((
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu",
    "nu", "xi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega", "Gamma", "Delta", "Theta",
    "Lambda", "Xi", "Pi", "Sigma", "Upsilon", "Phi", "Psi", "Omega", "ell", "hbar",
))  # fmt: skip
_WORDS = {"and": "and", "or": "or", "pi": r"\pi", "infinity": r"\infty", "inf": r"\infty", "oo": r"\infty"}
_SPELT = {
    **{f"a{name}": f"arc{name}" for name in ("sin", "cos", "tan", "cot", "sinh", "cosh", "tanh")},
    **{f"arc{short}": f"arc{name}" for short, name in (("tg", "tan"), ("ctg", "cot"), ("sh", "sinh"), ("ch", "cosh"), ("th", "tanh"))},
    "tg": "tan", "ctg": "cot", "sh": "sinh", "ch": "cosh", "th": "tanh", "cosec": "csc",
}  # fmt: skip
_PLAIN = FUNCTIONS | {"sqrt", "cbrt", "abs", "floor", "ceil", "binom", "frac"}
_TOKEN = re.compile(
    r'"(?P<text>[^"]*)"|'
    r"(?P<num>[1-9]\d{0,2}(?:,\d{3})+(?![\d,])(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)|(?P<cmd>\\[A-Za-z]+|\\[{}|\\])"
    r"|(?P<word>[^\W\d_]+)|(?P<op><=|>=|!=|==|->|\*\*|[-+*/^_=<>|!%'(){}\[\],;:$€£¥&.\"~?])|(?P<space>\s+)|(?P<other>.)",
    re.S,
)


def tokenize(text: str, *, thousands: bool = True) -> list[str]:
    """Split tidied text into tokens. Letter runs that are no word of mathematics become single symbols or a `"word`.

    Args:
        text: the output of `notation.tidy` and `notation.untext`.
        thousands: read `1,234` outside brackets as one number.

    Raises:
        NotMath: too long, or a character that has no meaning here.
    """
    tokens: list[str] = []
    depth = 0
    for match in _TOKEN.finditer(text):
        kind, token = match.lastgroup, match[0]
        if kind == "space":
            continue
        if kind == "num":
            tokens += _number_tokens(token, thousands and depth == 0)
        elif kind == "word":
            before = tokens[-1] if tokens else ""
            spaced = text[match.start() - 1 : match.start()].isspace()
            tokens += (
                ['"' + token] if spaced and _is_unit_word(token, before) else _word_tokens(token, before)
            )
        elif kind == "text":
            tokens += [w if w in _JOINTS else '"' + w for w in _TEXT_WORDS.findall(match["text"])]
        elif kind == "other":
            raise NotMath(f"unknown character {token!r}")
        elif token == "?":
            raise NotMath("a question mark")
        elif token not in ('"', "~"):
            depth += (token in "([" and len(token) == 1) or token == "\\{"
            depth -= (token in ")]" and len(token) == 1) or token == "\\}"
            tokens.append(
                {"**": "^", "==": "=", "<=": r"\le", ">=": r"\ge", "!=": r"\ne", "->": r"\to"}.get(
                    token, token
                )
            )
        if len(tokens) > MAX_TOKENS:
            raise NotMath("too many tokens")
    return tokens


_TEXT_WORDS = re.compile(r"[^\W\d_]+|\d+|[/^²³:,;]")
_JOINTS = frozenset([":", ",", ";", "and", "or"])


def _number_tokens(token: str, thousands: bool) -> list[str]:
    if len(token) > MAX_NUMERAL:
        raise NotMath("numeral too long")
    if "," not in token or thousands:
        return [token.replace(",", "")]
    return [part for piece in token.split(",") for part in (piece, ",")][:-1]


def _is_unit_word(word: str, before: str) -> bool:
    """`4 logs`, `52 WPM`: a word after a number and a blank counts things, unless it is a function or "and"."""
    if not before[:1].isdigit() or len(word) < 3 or word.lower() in _WORDS:
        return False
    return word not in _PLAIN and word.lower() not in FUNCTIONS


def _word_tokens(word: str, before: str) -> list[str]:
    lower = word.lower()
    if lower in _SPELT and not before[:1].isdigit():
        word = lower = _SPELT[lower]
    if word in _PLAIN or lower in FUNCTIONS:
        return ["\\" + (word if word in _PLAIN else lower)]
    if lower in ("st", "nd", "rd", "th") and before[:1].isdigit():
        return []
    if lower in _WORDS:
        return [_WORDS[lower]]
    if len(word) == 1:
        return [word]
    if UNITS.get(word) and (before[:1].isdigit() or before in ("}", ")")):
        return ['"' + word]
    if len(word) <= 3 and word.isupper() and word.isascii():
        return list(word)
    if len(word) == 2 and word.isascii() and lower not in _SHORT_WORDS and lower not in _TITLES:
        return list(word)
    if len(word) <= 3 and word.isascii() and (word.islower() or word.isupper()) and lower not in _SHORT_WORDS:
        return list(word)
    prefix = next(
        (name for name in ("sqrt", "sin", "cos", "tan", "log", "ln", "pi") if word.startswith(name)), None
    )
    if prefix and len(word) == len(prefix) + 1:
        return ["\\" + prefix, word[-1]]
    return ['"' + word]


_TITLES = frozenset(["mr", "ms", "dr", "st", "it", "he", "me", "my", "us", "up", "do", "go", "an", "be"])
_SHORT_WORDS = frozenset((
    "the", "for", "all", "any", "of", "to", "in", "is", "no", "yes", "not", "if", "as", "at", "by", "we", "so",
    "are", "was", "has", "one", "two", "six", "ten", "odd", "day", "hrs", "hr", "min", "sec", "cm", "mm", "km",
    "kg", "ft", "mi", "lbs", "lb", "oz", "ml", "rad", "deg", "mph", "usd", "pm", "am", "via", "per", "mod",
    "red", "boy", "sun", "cat", "dog", "off", "its", "our", "due", "top", "low", "big", "hot", "old", "new", "none",
))  # fmt: skip

# Scale to the base unit of the dimension. Only units whose meaning is the same everywhere.
UNITS: dict[str, tuple[str, Fraction]] = {}
for _dimension, _table in {
    "length": {"mm": "1/1000", "cm": "1/100", "dm": "1/10", "m": "1", "km": "1000", "millimeter": "1/1000",
               "centimeter": "1/100", "centimetre": "1/100", "meter": "1", "metre": "1", "kilometer": "1000",
               "kilometre": "1000", "in": "254/10000", "inch": "254/10000", "inche": "254/10000", "ft": "3048/10000",
               "foot": "3048/10000", "feet": "3048/10000", "yd": "9144/10000", "yard": "9144/10000", "mile": "1609344/1000",
               "mi": "1609344/1000", "米": "1", "千米": "1000", "公里": "1000", "厘米": "1/100", "毫米": "1/1000", "分米": "1/10"},
    "mass": {"mg": "1/1000000", "g": "1/1000", "gram": "1/1000", "kg": "1", "kilogram": "1", "tonne": "1000",
             "lb": "45359237/100000000", "lbs": "45359237/100000000", "pound": "45359237/100000000",
             "oz": "45359237/1600000000", "ounce": "45359237/1600000000", "克": "1/1000", "千克": "1", "公斤": "1", "吨": "1000"},
    "time": {"s": "1", "sec": "1", "secs": "1", "second": "1", "min": "60", "mins": "60", "minute": "60", "h": "3600",
             "hr": "3600", "hrs": "3600", "hour": "3600", "day": "86400", "days": "86400", "week": "604800",
             "小时": "3600", "分钟": "60", "秒": "1", "天": "86400"},
    "calendar": {"month": "1", "year": "12", "decade": "120"},
    "volume": {"ml": "1/1000", "mL": "1/1000", "L": "1", "liter": "1", "litre": "1", "l": "1", "milliliter": "1/1000",
               "millilitre": "1/1000"},
    "money": {"dollar": "1", "cent": "1/100"}, "euro": {"euro": "1"}, "sterling": {"sterling": "1"}, "yen": {"yen": "1"},
    "rupee": {"rupee": "1"}, "yuan": {"元": "1", "角": "1/10"}, "celsius": {"celsius": "1"}, "fahrenheit": {"fahrenheit": "1"}, "kelvin": {"K": "1"},
    "force": {"N": "1", "kN": "1000"}, "energy": {"J": "1", "kJ": "1000", "MJ": "1000000", "cal": "4184/1000"},
    "power": {"W": "1", "kW": "1000", "MW": "1000000"}, "voltage": {"V": "1", "mV": "1/1000", "kV": "1000"},
    "current": {"A": "1", "mA": "1/1000"}, "pressure": {"Pa": "1", "kPa": "1000", "MPa": "1000000"},
    "frequency": {"Hz": "1", "kHz": "1000", "MHz": "1000000", "GHz": "1000000000"}, "amount": {"mol": "1", "mmol": "1/1000"},
}.items():  # fmt: skip
    for _unit, _scale in _table.items():
        UNITS[_unit] = (_dimension, Fraction(_scale))
        if len(_unit) > 3:
            UNITS[_unit + "s"] = UNITS[_unit]
SCALES = {
    "hundred": 100, "thousand": 1_000, "million": 10**6, "billion": 10**9, "trillion": 10**12, "dozen": 12,
    "万": 10**4, "亿": 10**8, "百万": 10**6,
}  # fmt: skip

OPEN = {
    "(": ")", "[": "]", "\\{": "\\}", "{": "}", r"\langle": r"\rangle", r"\lfloor": r"\rfloor", r"\lceil": r"\rceil",
    r"\begin": r"\end",
}  # fmt: skip
CLOSE = frozenset(OPEN.values())
RELATIONS = {
    "=": "=", "<": "<", ">": ">", r"\le": "<=", r"\ge": ">=", r"\ne": "!=", r"\in": "in", r"\approx": "~",
    r"\subset": "subset", r"\subseteq": "subseteq", r"\perp": "perp", r"\parallel": "parallel", r"\equiv": "=", r"\Leftrightarrow": "iff", r"\iff": "iff", r"\sim": "~",
}  # fmt: skip


def close_of(tokens: list[str], begin: int) -> int:
    """Index of the bracket that closes the one at `begin`; `(a, b]` closes too.

    Raises:
        NotMath: there is none, or it is never closed.
    """
    depth = 0
    if begin >= len(tokens) or tokens[begin] not in OPEN:
        raise NotMath("a bracket is missing")
    curly = tokens[begin] == "{"
    for at in range(begin, len(tokens)):
        token = tokens[at]
        if curly and token not in ("{", "}"):
            continue
        if token in OPEN:
            depth += 1
        elif token in CLOSE:
            depth -= 1
            if depth == 0:
                return at
    raise NotMath("unclosed bracket")


def split(tokens: list[str], separators: frozenset[str] | set[str]) -> list[list[str]]:
    """Split at separators outside brackets."""
    parts: list[list[str]] = [[]]
    depth = 0
    for token in tokens:
        depth += (token in OPEN) - (token in CLOSE)
        if depth == 0 and token in separators:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts
