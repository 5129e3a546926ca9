r"""Finding the formulas in a text: `$...$`, `$$...$$`, `\(...\)`, `\[...\]`. One pass, linear in the text's length."""

from __future__ import annotations

import re
from dataclasses import dataclass

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
