"""Tokens that open, close and relate, and how a list of tokens is split outside brackets."""

from __future__ import annotations

from factory.verification.syntax import NotMath

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
