r"""A kernel over the marks that tokens leave out and that turn the meaning of a formula round.

Splitting a text into tokens ignores layout, so `f'(2)` and `f(2)`, `5\%` and `5`, `2^{n+1}` and `2^n+1` have the same
tokens. For finding similar texts that is right; for saying that two texts are the same it is not.
"""

from __future__ import annotations

import numpy as np

from factory.text.hashing import BASE, Bytes
from factory.text.jit import bytes_between, inlined, kernel, load_word, trailing_zeros
from factory.text.kernels import mix

U = np.uint64
B = np.uint8
_BASE = U(BASE)
_0, _1, _2, _5, _64 = U(0), U(1), U(2), U(5), U(64)
_PRIME, _PERCENT, _GROUP = U(1), U(2), U(3)
"""Marks; a sign beyond ASCII is marked by its last two bytes, which are larger."""
_REACH = 256
"""Bytes of a group, or of a root's degree, that are looked at."""
_SQRT, _FOUR_BYTES = U(int.from_bytes(b"sqrt", "little")), U(2**32 - 1)
_QUOTE, _SIGN, _BACKSLASH, _OPEN, _CLOSE, _BLANK = 39, 37, 92, 123, 125, 32
_OPERATORS = np.zeros(256, dtype=np.uint8)
_OPERATORS[np.frombuffer(b"+-*/=<>", dtype=np.uint8)] = 1


@inlined
def _is_letter(byte: int) -> bool:
    return 97 <= byte | 32 <= 122


@kernel
def _is_prime(text: Bytes, at: U, first: U, last: U, prime: U) -> bool:
    """Whether the quote at `at` is a prime: behind one letter alone, a bracket or a prime, and not within a word.

    `prime`: the place behind the last prime.
    """
    if at == first or (at + _1 < last and 97 <= text[at + _1] <= 122):
        return False
    before = text[at - _1]
    if before == 41 or before == 93 or before == _CLOSE or at == prime:
        return True
    return _is_letter(before) and (at - _1 == first or not _is_letter(text[at - _2]))


@kernel
def _operators_of_group(text: Bytes, at: U, last: U) -> U:
    """Operators of the group in braces that begins at `at` (blanks before it do not matter), all but a leading sign."""
    while at < last and text[at] == _BLANK:
        at += _1
    if at >= last or text[at] != _OPEN:
        return _0
    found, depth, leading = _0, 0, True
    for place in range(at, min(last, at + U(_REACH))):
        byte = text[U(place)]
        if byte == _OPEN:
            depth += 1
        elif byte == _CLOSE:
            depth -= 1
            if depth == 0:
                break
        elif byte != _BLANK:
            if _OPERATORS[byte] and not leading:
                found += _1
            leading = False
    return found


@kernel
def _root(text: Bytes, at: U, last: U) -> U:
    r"""Where the group of a `\sqrt` at `at` begins, behind its degree; `last` if there is no root."""
    if at + _5 > last or load_word(text, at + _1) & _FOUR_BYTES != _SQRT:
        return last
    at += _5
    if at < last and text[at] == 91:
        reach = min(last, at + U(_REACH))
        while at < reach and text[at] != 93:
            at += _1
        at += _1
    return min(at, last)


@kernel
def marks_hash(text: Bytes, first: U, last: U) -> U:
    r"""One hash of a folded text's marks in order, 0 if it has none.

    Marks are primes, percent signs, mathematical signs that folding does not know, and groups behind `^`, `_` or
    `\sqrt` that hold an operator, with the number of these. `text` has `tokens.PADDING` bytes more behind it.
    """
    value, block, prime = _0, first, last
    while block < last:
        found = bytes_between(text, block, B(0), B(_SIGN), B(_QUOTE)) | bytes_between(
            text, block, B(0), B(92), B(95)
        )
        found |= bytes_between(text, block, B(0), B(0xE2), B(0xE2))
        if last - block < _64:
            found &= (_1 << (last - block)) - _1
        while found != _0:
            at = block + trailing_zeros(found)
            found &= found - _1
            byte, mark = text[at], _0
            if byte == _QUOTE:
                if _is_prime(text, at, first, last, prime):
                    mark, prime = _PRIME, at + _1
            elif byte == _SIGN:
                mark = _PERCENT
            elif byte == 0xE2:
                mark = _sign(text, at, last)
            else:
                begin = _root(text, at, last) if byte == _BACKSLASH else at + _1
                operators = _0 if byte == 93 else _operators_of_group(text, begin, last)
                mark = _GROUP + (operators << U(32)) if operators > _0 else _0
            if mark != _0:
                value = mix((value + mark) * _BASE)
        block += _64
    return value


@kernel
def _sign(text: Bytes, at: U, last: U) -> U:
    """A mathematical sign of three bytes as a number; 0 for other characters, a prime for one."""
    if at + _2 >= last:
        return _0
    one, two = text[at + _1], text[at + _2]
    if one == 0x80 and two == 0xB2:
        return _PRIME
    arrows_and_operators = 0x86 <= one <= 0x8B or 0xA8 <= one <= 0xAB
    return U(one) << U(8) | U(two) if arrows_and_operators or (one == 0x8C and 0x88 <= two <= 0x8B) else _0
