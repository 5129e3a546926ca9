"""One notation for many ways of writing: Unicode, LaTeX dressing, HTML, escapes that were eaten on the way.

`tidy` keeps the mathematics and drops the dress. It is used before every comparison, on bounded text, and every
regular expression here is linear in its input. `formulas` finds what stands between math delimiters.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

MAX_ANSWER = 4_000
"""Longest answer that is compared, in characters; longer ones are not answers but texts."""

_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿⁱ", "0123456789+-ni", strict=True))
_SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋", "0123456789+-", strict=True))

_SYMBOLS = {
    "−": "-", "–": "-", "—": "-", "‐": "-", "‑": "-", "－": "-", "﹣": "-",
    "×": r"\times ", "·": r"\cdot ", "⋅": r"\cdot ", "∙": r"\cdot ", "•": r"\cdot ", "÷": r"\div ",
    "≤": r"\le ", "⩽": r"\le ", "≦": r"\le ", "≥": r"\ge ", "⩾": r"\ge ", "≧": r"\ge ", "≠": r"\ne ",
    "≈": r"\approx ", "±": r"\pm ", "∓": r"\mp ", "∞": r"\infty ", "∪": r"\cup ", "∩": r"\cap ",
    "∈": r"\in ", "∉": r"\notin ", "∅": r"\emptyset ", "⊂": r"\subset ", "⊆": r"\subseteq ", "∖": r"\setminus ",
    "→": r"\to ", "∀": r"\forall ", "∃": r"\exists ", "∧": r"\wedge ", "∨": r"\vee ", "∠": r"\angle ",
    "△": r"\triangle ", "°": r"^{\circ}", "º": r"^{\circ}", "′": "'", "’": "'", "‘": "'", "“": '"', "”": '"',
    "√": r"\sqrt ", "∛": r"\sqrt[3] ", "π": r"\pi ", "α": r"\alpha ", "β": r"\beta ", "γ": r"\gamma ",
    "δ": r"\delta ", "θ": r"\theta ", "λ": r"\lambda ", "μ": r"\mu ", "φ": r"\phi ", "ϕ": r"\phi ",
    "ω": r"\omega ", "σ": r"\sigma ", "ρ": r"\rho ", "τ": r"\tau ", "ε": r"\epsilon ", "Δ": r"\Delta ",
    "Ω": r"\Omega ", "Σ": r"\Sigma ", "ℓ": r"\ell ", "ℝ": r"\mathbb{R}", "ℤ": r"\mathbb{Z}",
    "ℕ": r"\mathbb{N}", "ℚ": r"\mathbb{Q}", "ℂ": r"\mathbb{C}", "⌊": r"\lfloor ", "⌋": r"\rfloor ",
    "⌈": r"\lceil ", "⌉": r"\rceil ", "⟨": r"\langle ", "⟩": r"\rangle ", "…": r"\dots ", "⋯": r"\dots ",
    "，": ", ", "、": ", ", "；": "; ", "：": ":", "。": ". ", "（": "(", "）": ")", "【": "[", "】": "]",
    "｛": "{", "｝": "}", "％": r"%", "＝": "=", "＋": "+", "＜": "<", "＞": ">", "｜": "|", "∶": ":", "∣": "|",
    "\u00a0": " ", "\u2009": " ", "\u202f": " ", "\u200b": "", "\ufeff": "", "\u2061": "", "\u2062": "",
}  # fmt: skip
_TRANSLATE = str.maketrans(_SYMBOLS)

# A JSON or Python reader that took "\frac" for a form feed and "rac", and so on: put the command back.
_EATEN = (
    (re.compile(r"\x0c(?=rac|orall|loor)"), r"\\f"),
    (re.compile(r"\x08(?=oxed|inom|egin|eta|ar|mod|f\b|ig)"), r"\\b"),
    (re.compile(r"\t(?=ext|imes|heta|an\b|frac|au\b|o\b|riangle)"), r"\\t"),
    (re.compile(r"\r(?=ight|m\b|angle|floor|ceil|ho\b)"), r"\\r"),
    (re.compile(r"(?:(?<![A-Za-z\\])|\\)rac(?=\{)"), r"\\frac"),
    (re.compile(r"(?<![A-Za-z\\])sqrt(?=\{)"), r"\\sqrt"),
)
_DRESS = re.compile(
    r"\\q?quad|\\(?:left|right)\.|\\(?:displaystyle|textstyle|scriptstyle|limits|nolimits|bigl?|bigr|Bigl?|Bigr|biggl?|biggr|Biggl?|Biggr|left|right"
    r"|middle|hfill|hspace\*?\{[^{}]*\}|vspace\*?\{[^{}]*\}|phantom\{[^{}]*\}|small|large|Large|bf|rm|it)(?![A-Za-z])"
)
_COLOURS = re.compile(
    r"\\(?:textcolor|colorbox)\s?\{[^{}]{0,30}\}|\\fcolorbox\s?\{[^{}]{0,30}\}\s?\{[^{}]{0,30}\}|\\color\s?(?:\[[^\]]{0,9}\])?\{[^{}]{0,30}\}"
    r"|\\bbox\s?(?:\[[^\]]{0,40}\])?|\\(?:framebox|fbox|boxed|underline)\s?(?:\[[^\]]{0,20}\]){0,2}(?=\s?\{)"
)
_SPACES = re.compile(r"(?<!\\)\\(?:[,;:! >]|\s)|~")
_DOLLARS = re.compile(r"(?<!\\)\$+|\\[()\[\]]")
_ENTITY = re.compile(r"&(?:lt|gt|le|ge|ne|amp|nbsp|times|minus|pi|infin|radic|deg|#\d{2,5});")
_DEGREE_UNIT = re.compile(r"\\(?:text|mathrm)\s?\{\s?[°º]\s?([CFK]?)\s?\}")
_HTML = re.compile(r"<(sup|sub)>([^<>]{0,200})</\1>")
_FONTS = re.compile(
    r"\\(?:mathbf|mathit|mathsf|mathcal|boldsymbol|bm|mathop|mathord|ensuremath|displaylimits)(?=\s*\{)"
)
_BARE_FONT = re.compile(r"\\(?:mathrm|operatorname\*?)\s+(?=[A-Za-z]\b)")
_ORDINAL = re.compile(r"\^\s*\{?\s*(?:\\text\s*\{\s*)?(?:st|nd|rd|th)\b\s*\}{0,2}")
_GLUED = re.compile(r"(?<=[\d)}])\s?(or|and)(?=[A-Za-z(\d\\-])")
_FRACTIONS = re.compile(r"\\[dtc]frac(?![A-Za-z])")
_BINOMS = re.compile(r"\\[dt]binom(?![A-Za-z])")
_SPACE = re.compile(r"\s+")
_RADICAL = re.compile(r"√\s?(?:(\d+(?:\.\d+)?|[A-Za-zπ])|\(([^()]{1,60})\))")
_CIRCLED = re.compile(r"[①-⑳]")
_RUNS = (
    (re.compile(f"[{''.join(_SUPERSCRIPTS)}]+"), "^", _SUPERSCRIPTS),
    (re.compile(f"[{''.join(_SUBSCRIPTS)}]+"), "_", _SUBSCRIPTS),
)
_SYNONYMS = (
    (
        re.compile(r"\\in\s*\\(?:mathbf|mathrm|boldsymbol|text|textbf)\s*\{\s*([ZNQR])\s*\}"),
        r"\\in \\mathbb{\1}",
    ),
    (re.compile(r"\\in\s*([ZNQR])(?![A-Za-z_^\d])"), r"\\in \\mathbb{\1}"),
    (re.compile(r"\\colon(?![A-Za-z])"), ":"),
    (re.compile(r"\\(?:leqslant|leqq|leq)(?![A-Za-z])"), r"\\le "),
    (re.compile(r"\\(?:geqslant|geqq|geq)(?![A-Za-z])"), r"\\ge "),
    (re.compile(r"\\(?:neq|not\s*=)(?![A-Za-z])"), r"\\ne "),
    (re.compile(r"\\lt(?![A-Za-z])"), "<"),
    (re.compile(r"\\gt(?![A-Za-z])"), ">"),
    (re.compile(r"\\(?:lvert|rvert|vert|mid)(?![A-Za-z])"), "|"),
    (re.compile(r"\\(?:lbrace|\{)"), r"\\{"),
    (re.compile(r"\\(?:rbrace|\})"), r"\\}"),
    (re.compile(r"\\lbrack(?![A-Za-z])"), "["),
    (re.compile(r"\\rbrack(?![A-Za-z])"), "]"),
    (re.compile(r"\\(?:varnothing)(?![A-Za-z])"), r"\\emptyset "),
    (re.compile(r"\\cupdot(?![A-Za-z])"), r"\\cup "),
    (re.compile(r"\\(?:ldots|cdots|dotsc|dotsb)(?![A-Za-z])"), r"\\dots "),
    (
        re.compile(
            r"\^\s*\{\s*\\circ\s*\}|\^\s*\\circ(?![A-Za-z])|\\degree(?![A-Za-z])|\\degrees(?![A-Za-z])"
        ),
        r"^{\\circ}",
    ),
    (re.compile(r"\\%"), "%"),
    (re.compile(r"\\(?:varphi)(?![A-Za-z])"), r"\\phi "),
    (re.compile(r"\\(?:varepsilon)(?![A-Za-z])"), r"\\epsilon "),
    (re.compile(r"\\\$"), "$"),
    (re.compile(r"(?<=\d)\{,\}(?=\d{3})"), ""),
)


_CODE_POINT = re.compile(r"\\u([0-9a-fA-F]{4})(?![0-9a-fA-F])")
_PLAIN_NUMBER = re.compile(r"[-+]?\$?[0-9][0-9,]{0,40}(?:\.[0-9]{1,40})?%?")
_SINGLE_BACKSLASH = re.compile(r"(?<!\\)\\(?=[A-Za-z{}])")


def heal(text: str) -> str:
    """Put back LaTeX commands whose backslash a JSON or Python reader took for an escape."""
    for pattern, replacement in _EATEN:
        text = pattern.sub(replacement, text)
    return _CODE_POINT.sub(lambda match: chr(int(match[1], 16)), text)


def _script(sign: str, table: dict[str, str], match: re.Match[str]) -> str:
    return f"{sign}{{{''.join(table[char] for char in match[0])}}}"


def tidy(text: str) -> str:
    """`text` in one notation: LaTeX commands for symbols, no fonts, no spacing commands, no dollar signs around.

    Currency signs stay. Only the first `MAX_ANSWER` characters are looked at.
    """
    if _PLAIN_NUMBER.fullmatch(text):
        return text
    text = heal(text[:MAX_ANSWER]).replace("\x00", "").rstrip("\\")
    if "\\\\" in text and not _SINGLE_BACKSLASH.search(text):
        text = text.replace("\\\\", "\\")
    if "&" in text and ";" in text:
        text = _ENTITY.sub(lambda m: html.unescape(m[0]), text)
    if "°" in text:
        text = _DEGREE_UNIT.sub(r"°\1", text)
    text = _repaired(text)
    text = _HTML.sub(lambda m: ("^{" if m[1] == "sup" else "_{") + m[2] + "}", text)
    for pattern, sign, table in _RUNS:
        text = pattern.sub(partial(_script, sign, table), text)
    text = _CIRCLED.sub(lambda m: f" {ord(m[0]) - 0x245F}, ", text)
    text = _RADICAL.sub(lambda m: rf"\sqrt{{{m[1] or m[2]}}}", text)
    text = unicodedata.normalize("NFKC", text.translate(_TRANSLATE)).translate(_TRANSLATE).replace("⁄", "/")
    text = _ROW_SPACE.sub(r"\\\\ ", _thousands(_COLOURS.sub(" ", text)))
    text = _SPACES.sub(" ", text)
    text = _dollars(text)
    for pattern, replacement in _SYNONYMS:
        text = pattern.sub(replacement, text)
    text = _ORDINAL.sub("", text).rstrip("^ ")
    text = _GLUED.sub(r" \1 ", text)
    text = _FRACTIONS.sub(r"\\frac", text)
    text = _BINOMS.sub(r"\\binom", text)
    text = _BARE_FONT.sub("", _FONTS.sub("", text))
    text = _DRESS.sub(" ", text)
    return _SPACE.sub(" ", text).strip()


_TEXT_OPEN = re.compile(r"(\\(?:text[a-z]*|mathrm|mbox)\s?\{[^{}]*)$")
_TEXT_AROUND = re.compile(r"^\\text\s?\{([^A-Za-z]*\\[A-Za-z].*)\}$", re.S)
_TEXT_COMMAND = re.compile(r"\\text\s?\{\s*(\\[A-Za-z]+(?:\{[^{}]*\})*)\s*\}")
_BRACED_WORDS = re.compile(r"(?<![A-Za-z\\}\]^_])\s?\{([^\W\d_]{2,}(?: [^\W\d_]+)*)\}")
_GLUED_COMMAND = re.compile(r"\\(leq?|geq?|cdot|times|pi|neq?)([A-Za-pr-z])(?![A-Za-z])")
_WHOLE_COMMANDS = frozenset(("\\cdots", "\\neg", "\\let"))
_LINE_BEFORE_UNIT = re.compile(r"\\\\\s*(?=\\(?:text|mathrm)\b)")
_EMPTY_GROUP = re.compile(r"(?<=[\d,])\s*\{\}\s*(?=-?\d(?!\d\d(?!\d)))")
_NEXT_STATEMENT = re.compile(r"\\q?quad\s*(?=[A-Za-z]\w*(?:_\{?\w+\}?)?(?:\([a-z]\))?\s*=)")


def _repaired(text: str) -> str:
    r"""LaTeX that was cut or glued: `7\text{ hours`, `\text{$\frac12$}`, `5{cm}`, `\leqx`, `5\\ \text{cm}`."""
    text = _TEXT_OPEN.sub(r"\1}", text)
    if (inner := _TEXT_AROUND.match(text)) and inner[1].count("{") == inner[1].count("}"):
        text = inner[1]
    text = _EMPTY_GROUP.sub(",", _TEXT_COMMAND.sub(r"\1", text))
    if "\\begin" not in text:
        text = _LINE_BEFORE_UNIT.sub(" ", text)
    if "=" in text:
        text = _NEXT_STATEMENT.sub(", ", text)
    text = _GLUED_COMMAND.sub(lambda m: m[0] if m[0] in _WHOLE_COMMANDS else f"\\{m[1]} {m[2]}", text)
    return _BRACED_WORDS.sub(r"\\text{ \1 }", text)


_ROW_SPACE = re.compile(r"\\\\\s?\[-?\d+(?:\.\d+)?(?:pt|em|ex|mm|cm)\]")
_GROUPS = re.compile(r"(?<=\d)\\[,!](?=\d{3}(?!\d))")
_THOUSANDS = re.compile(r"(?<=\d),(?:\\[,!;: ])+\s?(?=\d{3}(?!\d))")


def _thousands(text: str) -> str:
    r"""`11,\! 111` is one number: LaTeX authors write the negative space to close the gap after the comma."""
    return _GROUPS.sub("", _THOUSANDS.sub("", text))


_MATH_DOLLARS = re.compile(r"(?<!\\)\$\$?([^$]{0,4000}?)(?<!\\)\$\$?")


def _dollars(text: str) -> str:
    """Drop math delimiters; keep a lone dollar sign in front of an amount."""
    text = re.sub(r"(?<!\\)\\[()\[\]]", " ", text)
    text = _MATH_DOLLARS.sub(r" \1 ", text)
    return text.replace(r"\$", "$")


def words(text: str) -> str:
    """Lower-case words and digits only, for comparing text answers."""
    text = untext(tidy(text)).casefold()
    return " ".join(re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", text)))


_END = re.compile(r"[\s.,;:。]+$")
_TEXT_BLOCK = re.compile(
    r"\\(?:textbf|textit|textrm|textsf|texttt|textnormal|emph|mbox|hbox|text|mathtext|underline|mathrm|operatorname\*?)"
    r"\s*\{([^{}]*)\}"
)


def untext(text: str) -> str:
    r"""Replace `\text{...}` and `\mathrm{...}` by their content."""
    return _unbox(text, lambda match: f" {match[1]} " if len(match[1]) > 1 else match[1])


def quote_text(text: str) -> str:
    r"""Replace `\text{...}` by its content in double quotes, so that a parser can tell `5\text{ m}` from `5m`.

    Single letters that are answers or constants of their own (`\text{E}`, `\mathrm{e}`) and function names stay bare.
    """
    return _unbox(text, _quoted)


def _unbox(text: str, replace: Callable[[re.Match[str]], str]) -> str:
    for _ in range(3):
        changed = _TEXT_BLOCK.sub(replace, text)
        if changed == text:
            break
        text = changed
    return text


_BARE = re.compile(
    r"\s*(?:[A-Zdei]|sin|cos|tan|cot|sec|csc|arc\w+|ln|log|lg|exp|lcm|gcd|max|min|and|or|[^A-Za-z]*)\s*"
)


def _quoted(match: re.Match[str]) -> str:
    inner = match[1].replace('"', " ")
    return f" {inner} " if _BARE.fullmatch(inner) else f' "{inner}" '


_BLANKS = re.compile(r"(?<!\d)\s+|\s+(?!\d)")


def literal(text: str) -> str:
    """The form in which two answers are literally equal: tidy, no text boxes, no blanks (but between digits: `1 2` is not 12)."""
    text = _END.sub("", untext(tidy(text)))
    return _BLANKS.sub("", text)


_DELIMITER = re.compile(r"\\\\|\\\$|\$\$|\$|\\[()\[\]]|\n\s*\n")
_CLOSES = {"\\[": "\\]", "\\(": "\\)", "$": "$", "$$": "$$"}


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula with its delimiters at `start:end` and without them in `inner`."""

    start: int
    end: int
    inner: str
    display: bool


def formulas(text: str) -> list[Formula]:
    """Formulas of `text` in order. A dollar sign before an amount that is never closed is not a formula."""
    found: list[Formula] = []
    opened: tuple[str, int, int] | None = None
    for match in _DELIMITER.finditer(text):
        sign = match[0]
        if sign == "$" and opened and opened[0] == "$" and not _closes(text, opened[2], match.start()):
            opened = ("$", match.start(), match.end())
            continue
        if sign.startswith("\n"):
            if opened and opened[0] in ("$", "\\("):
                opened = None
        elif opened and sign == _CLOSES[opened[0]]:
            inner = text[opened[2] : match.start()]
            if inner.strip():
                found.append(Formula(opened[1], match.end(), inner.strip(), opened[0] in ("$$", "\\[")))
            opened = None
        elif sign in _CLOSES and (opened is None or opened[0] == "$"):
            opened = (sign, match.start(), match.end())
    return found


def _closes(text: str, begin: int, end: int) -> bool:
    """Whether the dollar sign at `end` closes a formula and is not the next amount: "$9 a share, so $72"."""
    if end + 1 < len(text) and text[end + 1].isdigit():
        return False
    return not text[end - 1].isspace() or text[begin].isspace()


def outside(text: str, spans: list[Formula]) -> str:
    """`text` with its formulas blanked out, at the same length."""
    pieces, at = [], 0
    for span in spans:
        pieces += [text[at : span.start], " " * (span.end - span.start)]
        at = span.end
    return "".join([*pieces, text[at:]])
