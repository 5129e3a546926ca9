r"""Marks that tokens leave out and that change the meaning of a formula.

Splitting a text into tokens ignores layout, so `f'(2)` and `f(2)`, `5\%` and `5`, `2^{n+1}` and `2^n+1` have the same
tokens. That is right for finding similar texts, and wrong for saying that two texts are the same.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from factory.text.hashing import BASE

PRIME, PERCENT, GROUP = 1, 2, 3
"""Marks; a sign beyond ASCII is marked by its last two bytes, which are larger."""
REACH = 256
"""Bytes of a group, or of a root's degree, that are read."""
QUOTE, SIGN, BACKSLASH, OPEN, CLOSE, BLANK = b"'%\\{} "
IS_OPERATOR = np.isin(np.arange(256), np.frombuffer(b"+-*/=<>", dtype=np.uint8))
_MARK = re.compile(rb"['%^_]|\\sqrt|\xe2(..)", re.DOTALL)
_64_BITS = 2**64 - 1


def marks_hash(text: bytes) -> int:
    r"""One hash of a folded text's marks in order, 0 if it has none.

    Marks are primes, percent signs, mathematical signs that folding does not know, and groups behind `^`, `_` or
    `\sqrt` that hold an operator, with the number of these. `kernels.marks_hash` compiles the functions below.
    """
    value, prime = 0, -1
    for match in _MARK.finditer(text):
        at, mark = match.start(), 0
        byte = text[at]
        if byte == QUOTE:
            if is_prime(text, at, 0, len(text), prime):
                mark, prime = PRIME, at + 1
        elif byte == SIGN:
            mark = PERCENT
        elif byte == 0xE2:
            mark = sign_mark(*match[1])
        else:
            begin = group_of_root(text, match.end(), len(text)) if byte == BACKSLASH else at + 1
            operators = operators_of_group(text, begin, len(text))
            mark = GROUP + (operators << 32) if operators else 0
        if mark:
            value = _mix((value + mark) * BASE & _64_BITS)
    return value


def is_prime(text: Any, at: int, first: int, last: int, prime: int) -> bool:
    """Whether the quote at `at` is a prime: behind one letter alone, a bracket or a prime, and not within a word.

    `prime`: the place behind the last prime.
    """
    if at == first or (at + 1 < last and 97 <= text[at + 1] <= 122):
        return False
    before = text[at - 1]
    if before == 41 or before == 93 or before == CLOSE or at == prime:
        return True
    if not 97 <= before | 32 <= 122:
        return False
    return at - 1 == first or not 97 <= text[at - 2] | 32 <= 122


def sign_mark(one: int, two: int) -> int:
    """A mathematical sign of three bytes as a number, by the last two; 0 for other characters, a prime for one."""
    if one == 0x80 and two == 0xB2:
        return PRIME
    arrows_and_operators = 0x86 <= one <= 0x8B or 0xA8 <= one <= 0xAB
    return one << 8 | two if arrows_and_operators or (one == 0x8C and 0x88 <= two <= 0x8B) else 0


def group_of_root(text: Any, at: int, last: int) -> int:
    """Where the group of a root begins, behind its degree; `at` is behind its name."""
    if at < last and text[at] == 91:
        reach = min(last, at + REACH)
        while at < reach and text[at] != 93:
            at += 1
        at += 1
    return min(at, last)


def operators_of_group(text: Any, at: int, last: int) -> int:
    """Operators of the group in braces that begins at `at` (blanks before it do not matter), all but a leading sign."""
    while at < last and text[at] == BLANK:
        at += 1
    found, depth, leading = 0, 0, True
    if at >= last or text[at] != OPEN:
        return found
    for place in range(at, min(last, at + REACH)):
        byte = text[place]
        if byte == OPEN:
            depth += 1
        elif byte == CLOSE:
            depth -= 1
            if depth == 0:
                break
        elif byte != BLANK:
            if IS_OPERATOR[byte] and not leading:
                found += 1
            leading = False
    return found


def _mix(value: int) -> int:
    """`hashing.mix` of one number."""
    value ^= value >> 30
    value = value * 0xBF58476D1CE4E5B9 & _64_BITS
    value ^= value >> 27
    value = value * 0x94D049BB133111EB & _64_BITS
    return value ^ value >> 31
