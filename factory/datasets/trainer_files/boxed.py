r"""Grades an answer by its last \boxed{...}; written by `factory export`, needs math-verify."""

import re

from math_verify import parse, verify

OPEN = "\\boxed{"


def last_box(text: str) -> str | None:
    """What stands in the last complete box, or None."""
    start = text.rfind(OPEN)
    depth = 0
    for at in range(start + len(OPEN) - 1, len(text) if start >= 0 else 0):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if depth == 0:
            return text[start + len(OPEN) : at].strip()
    return None


def plain(text: str) -> str:
    r"""A short answer without its dress: `(B)`, `$B$.` and `\text{B}` are b."""
    return re.sub(r"[\s$]", "", re.sub(r"\\text\{(.*?)\}", r"\1", text)).strip("().").lower()


def grade(response: str, gold: str) -> float:
    """1.0 for the gold answer, else 0.0; only what stands after the reasoning counts."""
    box = last_box(response.split("</think>")[-1])
    if box is None:
        return 0.0
    if plain(box) == plain(gold):
        return 1.0
    return float(verify(parse(f"{OPEN}{gold}}}"), parse(f"{OPEN}{box}}}")))
