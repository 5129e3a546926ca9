"""Two texts sentence by sentence: what both say, what only one says, and the first character where they part."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

MOST_PRODUCT = 250_000
"""Sentences of one side times sentences of the other above which only the common beginning and end are found."""
MOST_TEXT = 200_000
"""Characters of a side that are compared."""
LONGEST_SAME = 500
"""Characters of a passage on both sides above which its middle is left out."""
_SENTENCE = re.compile(r".+?(?:[.!?。！？]{1,8}[ \t]+|\n+|$)", re.DOTALL)

Kind = Literal["same", "changed", "omitted", "fork"]


@dataclass(frozen=True, slots=True)
class Piece:
    """A passage of one side. A `fork` has no text: from here on the sides differ. `omitted` names how much is left out."""

    kind: Kind
    text: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """Both sides in pieces. `fork` is the number of characters that both begin with; `equal` when nothing differs."""

    left: list[Piece]
    right: list[Piece]
    fork: int
    equal: bool
    cut: bool


def compare(left: str, right: str) -> Difference:
    """The difference of two texts of at most `MOST_TEXT` characters each; `cut` when more was there."""
    cut = max(len(left), len(right)) > MOST_TEXT
    left, right = left[:MOST_TEXT], right[:MOST_TEXT]
    if left == right:
        return Difference([Piece("same", left)], [Piece("same", right)], len(left), True, cut)
    fork = _common(left, right)
    word = re.search(r"\w*\Z", left[max(fork - 40, 0) : fork])  # a word that differs is shown as a whole
    fork -= len(word.group()) if word else 0
    one, other = _sentences(left[fork:]), _sentences(right[fork:])
    sides = _marked(one, other)
    first = _folded("same", left[:fork], first=True)
    return Difference(
        [*first, Piece("fork"), *sides[0]], [*first, Piece("fork"), *sides[1]], fork, False, cut
    )


def _common(one: str, other: str) -> int:
    """Characters that both begin with."""
    return next(
        (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


def _sentences(text: str) -> list[str]:
    return _SENTENCE.findall(text)


def _marked(one: Sequence[str], other: Sequence[str]) -> tuple[list[Piece], list[Piece]]:
    left: list[Piece] = []
    right: list[Piece] = []
    for tag, a, b, c, d in _operations(one, other):
        if tag == "equal":
            left += _folded("same", "".join(one[a:b]))
            right += _folded("same", "".join(other[c:d]))
        else:
            left += [Piece("changed", "".join(one[a:b]))] if b > a else []
            right += [Piece("changed", "".join(other[c:d]))] if d > c else []
    return left, right


def _operations(one: Sequence[str], other: Sequence[str]) -> list[tuple[str, int, int, int, int]]:
    tail = 0
    while tail < min(len(one), len(other)) and one[-1 - tail] == other[-1 - tail]:
        tail += 1
    a, c = len(one) - tail, len(other) - tail
    if a * c <= MOST_PRODUCT:
        found = SequenceMatcher(None, one[:a], other[:c], autojunk=False).get_opcodes()
        middle = [(str(tag), *places) for tag, *places in found]
    else:
        middle = [("replace", 0, a, 0, c)]
    return [*middle, ("equal", a, len(one), c, len(other))]  # type: ignore[list-item]


def _folded(kind: Kind, text: str, *, first: bool = False) -> list[Piece]:
    """A passage without its middle when it is long; of the common beginning only the end is kept."""
    if len(text) <= LONGEST_SAME:
        return [Piece(kind, text)] if text else []
    half = LONGEST_SAME // 2
    start = text[:80] if first else text[:half]
    left_out = len(text) - len(start) - half
    return [Piece(kind, start), Piece("omitted", f"{left_out:,}"), Piece(kind, text[-half:])]
