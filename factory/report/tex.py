"""Mathematics in texts of models and sources, as MathML that a page shows without any script.

Formulas are read by math-core (LaTeX to MathML Core, written in Rust, MIT). What it cannot read, what is too long and what
would reach out of its line stays as its source. Everything here is hostile: text is escaped, and the reader's own output
is markup only if it holds nothing but MathML.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from markupsafe import Markup, escape

from factory.redaction import printable

LONGEST, MOST, DEEPEST = 2_000, 300, 60
"""Characters of a formula, formulas of a text, elements inside one another."""
LONGEST_WORD = 80
"""Characters in which a space is looked for when a text is cut."""
LARGEST = 20.0
"""The largest length in a formula, in em, rem or percent of a cell: more would cover other text."""
_ENVIRONMENTS = r"(?:align|aligned|equation|gather|gathered|multline|cases|array|[bBpvV]?matrix)"
STRETCH = re.compile(
    r"```[\w+-]*\n(?P<block>.*?)\n?```|`(?P<code>[^`\n]{1,200})`"
    r"|\$\$(?P<dollars>.{1,2000}?)\$\$|\\\[(?P<square>.{1,2000}?)\\\]|\\\((?P<round>.{1,2000}?)\\\)"
    rf"|(?P<environment>\\begin\{{(?P<name>{_ENVIRONMENTS}\*?)\}}.{{1,2000}}?\\end\{{(?P=name)\}})"
    r"|(?<![\\$\w])\$(?![\s$])(?P<dollar>(?:\\.|[^$\\\n]){1,2000}?)(?<![\s\\])\$(?![\d$])"
    r"|(?P<box>\\boxed\{(?=[^}\s])(?:[^{}]|\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\})*\})",
    re.DOTALL,
)
"""Code between backticks; formulas between dollars or backslashed brackets, environments, boxes that stand alone. A price is none."""
_MACROS = {"mbox": r"\text{#1}", "textnormal": r"\text{#1}", "dotsm": r"\cdots", "dotsb": r"\cdots"}
_LEFT_OUT = re.compile(r"\\(?:tag\*?\{[^{}]*\}|label\{[^{}]*\}|allowbreak|nonumber|notag)(?![a-zA-Z])")
_BOLD = re.compile(r"\*\*(?=\S)([^*\n]{1,200}?)(?<=\S)\*\*")
_TAG = re.compile(r"<(/?)([a-z]+)((?: [a-z]+=\"[^\"<>]*\")*)(/?)>")
_TAGS = re.compile(
    "math|m[on]|mi|mrow|m(?:sup|sub|frac|space|td|tr|table|sqrt|root|text|over|under|padded|phantom|enclose|error|style)"
    "|msubsup|munderover|mmultiscripts|mprescripts|none|span|b|em|i"
)
_NAMES = re.compile(
    "display|stretchy|[lr]space|notation|width|height|depth|voffset|displaystyle|scriptlevel|style|form|accent|accentunder"
    "|linethickness|mathvariant|class|m(?:in|ax)size|symmetric|movablelimits|separator|fence|largeop"
)
_NUMBER = re.compile(r"\d+(?:\.\d*)?|\.\d+")
_COLOUR = re.compile(r"color:#[0-9A-Fa-f]{3,8};?")


def typeset(text: str) -> Markup:
    """A text as HTML: formulas as MathML, **bold** as bold, everything else as it is."""
    return split(text, len(text))[0]


def split(text: str, at: int) -> tuple[Markup, Markup]:
    """The text in two halves, cut at the first space behind `at` characters (or there, if none is near), in no formula."""
    halves: tuple[list[Markup], list[Markup]] = ([], [])
    place = 0
    for number, (piece, found) in enumerate(_pieces(text)):
        if found:
            halves[place > at].append(_drawn(found, drawing=number < 2 * MOST))
        elif place <= at < place + len(piece):
            near = re.search(r"\s|(?<=[。，；！？])", piece[at - place : at - place + LONGEST_WORD])
            end = at - place + (near.start() if near else 0)
            halves[0].append(_plain(piece[:end]))
            halves[1].append(_plain(piece[end:]))
        else:
            halves[place > at].append(_plain(piece))
        place += len(piece)
    first, second = (Markup("").join(half) for half in halves)
    return first, second


def formula(tex: str, *, display: bool = False) -> Markup | None:
    """MathML of a formula; None for what cannot be read or would not stay in its place."""
    reader = _reader()
    if reader is None or len(tex) > LONGEST:
        return None
    try:
        drawn = reader.convert_with_local_state(_LEFT_OUT.sub("", tex).strip(), displaystyle=display)
    except Exception:  # LatexError, or whatever else a library says of a hostile formula: it stays as it is
        return None
    return Markup(_COLOUR.sub("", drawn)) if _harmless(drawn) else None


def answer(text: str) -> Markup:
    """A short answer as mathematics where it is LaTeX without dollars and without words, else as text."""
    bare = re.search(r"\\[a-zA-Z]|\^|_\{", text) and not re.search(
        r"[$`]|[^\W\d_]{3}", re.sub(r"\\[a-zA-Z]+", "", text)
    )
    drawn = formula(text) if bare else None
    return typeset(text) if drawn is None else drawn


def _pieces(text: str) -> Iterator[tuple[str, re.Match[str] | None]]:
    """Stretches of the text in order, with the match for code and formulas."""
    last = 0
    for found in STRETCH.finditer(text):
        if found.start() > last:
            yield text[last : found.start()], None
        yield found[0], found
        last = found.end()
    if last < len(text):
        yield text[last:], None


def _drawn(found: re.Match[str], *, drawing: bool) -> Markup:
    """Code in a fixed-width font; a formula drawn, or its source where that cannot be."""
    groups = found.groupdict()
    if (block := groups["block"]) is not None:
        return Markup('<code class="block">{}</code>').format(_lines(block))
    if (code := groups["code"]) is not None:
        return Markup("<code>{}</code>").format(_lines(code))
    tex = next(
        groups[name]
        for name in ("dollars", "square", "environment", "round", "dollar", "box")
        if groups[name]
    )
    display = any(groups[name] for name in ("dollars", "square", "environment"))
    made = formula(tex, display=display) if drawing else None
    return Markup('<code class="tex">{}</code>').format(_lines(found[0])) if made is None else made


def _plain(text: str) -> Markup:
    return Markup(_BOLD.sub(r"<b>\1</b>", str(escape(_lines(text)))))


def _lines(text: str) -> str:
    """Control characters shown, but for line ends and tabs."""
    return "\n".join(map(printable, text.replace("\r\n", "\n").replace("\t", "    ").split("\n")))


def _harmless(drawn: str) -> bool:
    """Whether the markup holds only MathML elements, none too deep and no length that would reach far."""
    if "<" in _TAG.sub("", drawn):
        return False
    depth = 0
    for close, tag, attributes, empty in _TAG.findall(drawn):
        depth += 0 if empty else -1 if close else 1
        if not _TAGS.fullmatch(tag) or depth > DEEPEST or not _modest(attributes):
            return False
    return depth == 0


def _modest(attributes: str) -> bool:
    for name, value in re.findall(r' ([a-z]+)="([^"]*)"', attributes):
        if not _NAMES.fullmatch(name) or "url" in value or "position" in value:
            return False
        sizes = [float(each) for each in _NUMBER.findall(_COLOUR.sub("", value).replace("100%", ""))]
        if any(size > LARGEST and f"{size:g}%" not in value for size in sizes):
            return False
    return True


@cache
def _reader() -> Any:
    """math-core (extra `plots`), or None where it is not installed."""
    try:
        from math_core import LatexToMathML
    except ImportError:
        return None
    return LatexToMathML(macros=_MACROS)
