r"""Marks that tokens leave out and that change the meaning of a formula.

Splitting a text into tokens ignores layout, so `f'(2)` and `f(2)`, `5\%` and `5`, `2^{n+1}` and `2^n+1` have the same
tokens. That is right for finding similar texts, and wrong for saying that two texts are the same.
"""

from __future__ import annotations

import re

from factory.text.hashing import BASE

PRIME, PERCENT, GROUP = 1, 2, 3
"""Marks; a sign beyond ASCII is marked by its last two bytes, which are larger."""
REACH = 256
"""Bytes of a group, or of a root's degree, that are read."""
OPERATORS = b"+-*/=<>"
_MARK = re.compile(rb"['%^_]|\\sqrt|\xe2(..)", re.DOTALL)
_GROUP_BEGIN = re.compile(rb" *\{")
_64_BITS = 2**64 - 1


def marks_hash(text: bytes) -> int:
    r"""One hash of a folded text's marks in order, 0 if it has none.

    Marks are primes, percent signs, mathematical signs that folding does not know, and groups behind `^`, `_` or
    `\sqrt` that hold an operator, with the number of these.
    """
    value, prime = 0, -1
    for match in _MARK.finditer(text):
        at, mark = match.start(), 0
        byte = text[at]
        if byte == 0x27:
            if _is_prime(text, at, prime):
                mark, prime = PRIME, at + 1
        elif byte == 0x25:
            mark = PERCENT
        elif byte == 0xE2:
            mark = _sign(*match[1])
        else:
            begin = _root_end(text, match.end()) if byte == 0x5C else at + 1
            operators = _operators_of_group(text, begin)
            mark = GROUP + (operators << 32) if operators else 0
        if mark:
            value = _mix((value + mark) * BASE & _64_BITS)
    return value


def _is_prime(text: bytes, at: int, prime: int) -> bool:
    """Whether the quote at `at` is a prime: behind one letter alone, a bracket or a prime, and not within a word.

    `prime`: the place behind the last prime.
    """
    if at == 0 or text[at + 1 : at + 2].islower():
        return False
    if text[at - 1] in b")]}" or at == prime:
        return True
    return text[at - 1 : at].isalpha() and (at == 1 or not text[at - 2 : at - 1].isalpha())


def _sign(one: int, two: int) -> int:
    """A mathematical sign of three bytes as a number; 0 for other characters, a prime for one."""
    if (one, two) == (0x80, 0xB2):
        return PRIME
    arrows_and_operators = 0x86 <= one <= 0x8B or 0xA8 <= one <= 0xAB
    return one << 8 | two if arrows_and_operators or (one == 0x8C and 0x88 <= two <= 0x8B) else 0


def _root_end(text: bytes, at: int) -> int:
    """Where the group of a root begins, behind its degree."""
    if text[at : at + 1] != b"[":
        return at
    end = text.find(b"]", at, at + REACH)
    return (at + REACH if end < 0 else end) + 1


def _operators_of_group(text: bytes, at: int) -> int:
    """Operators of the group in braces that begins at `at` (blanks before it do not matter), all but a leading sign."""
    begin = _GROUP_BEGIN.match(text, at)
    if begin is None:
        return 0
    found, depth, leading = 0, 0, True
    for byte in text[begin.end() - 1 : begin.end() - 1 + REACH]:
        if byte == 0x7B:
            depth += 1
        elif byte == 0x7D:
            depth -= 1
            if depth == 0:
                break
        elif byte != 0x20:
            found += byte in OPERATORS and not leading
            leading = False
    return found


def _mix(value: int) -> int:
    """`hashing.mix` of one number."""
    value ^= value >> 30
    value = value * 0xBF58476D1CE4E5B9 & _64_BITS
    value ^= value >> 27
    value = value * 0x94D049BB133111EB & _64_BITS
    return value ^ value >> 31
