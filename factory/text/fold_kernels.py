"""Kernels of folding: bytes of texts to folded bytes, by `fold_table`."""

from __future__ import annotations

import numpy as np

from factory.text.fold_table import COPY, HARD, LENGTH_BITS, FoldTable
from factory.text.hashing import Bytes, Places
from factory.text.jit import kernel, load_word, store_word

U = np.uint64
_0, _1, _2, _3, _4, _8 = U(0), U(1), U(2), U(3), U(4), U(8)
_EVERY_BYTE, _HIGH_BITS, _LOW_SEVEN = U(0x0101010101010101), U(0x8080808080808080), U(0x7F7F7F7F7F7F7F7F)
_COMMA, _BACKSLASH, _OPEN, _CLOSE, _BLANK = 44, 92, 123, 125, 32


@kernel
def _code_point(text: Bytes, at: U) -> tuple[U, U]:
    """The character that begins at `at`, and its bytes."""
    lead = U(text[at])
    one = U(text[at + _1]) & U(63)
    if lead < U(0xE0):
        return (lead & U(31)) << U(6) | one, _2
    two = U(text[at + _2]) & U(63)
    if lead < U(0xF0):
        return (lead & U(15)) << U(12) | one << U(6) | two, _3
    return (lead & U(7)) << U(18) | one << U(12) | two << U(6) | U(text[at + _3]) & U(63), _4


@kernel
def hard_texts(text: Bytes, bounds: Places, places: FoldTable, pool: Bytes, found: Bytes) -> U:
    """Mark the texts that have a character which cannot be folded by itself; returns the bytes of long characters.

    Those of marked texts are counted up to that character only.
    """
    long = _0
    for row in range(bounds.size - 1):
        at, last = U(bounds[row]), U(bounds[row + 1])
        while at < last:
            if at + _8 <= last and load_word(text, at) & _HIGH_BITS == _0:
                at += _8
                continue
            if text[at] < 0x80:
                at += _1
                continue
            code, size = _code_point(text, at)
            place = places[code] if code < U(places.size) else HARD
            hard = place == HARD
            if place >= 0 and at > U(bounds[row]) and text[at - _1] == _OPEN:
                # A comma of another script between braces becomes {,} by folding, which is folded again.
                hard = pool[place >> LENGTH_BITS] == _COMMA
            if hard:
                found[row] = 1
                break
            at += size
            long += size
    return long


@kernel
def _zero_bytes(word: U) -> U:
    """The high bit of every byte that is zero."""
    return ~(((word & _LOW_SEVEN) + _LOW_SEVEN) | word) & _HIGH_BITS


@kernel
def _plain_bytes(word: U) -> U:
    """How many of eight bytes, from the lowest on, may be copied as they are: none, seven or all.

    None if there is a part of a longer character, two backslashes, or an opening brace and a comma, next to each other.
    Seven if that depends on the byte that follows.
    """
    slash, brace = (
        _zero_bytes(word ^ (U(_BACKSLASH) * _EVERY_BYTE)),
        _zero_bytes(word ^ (U(_OPEN) * _EVERY_BYTE)),
    )
    if word & _HIGH_BITS == _0 and slash | brace == _0:
        return _8
    comma = _zero_bytes(word ^ (U(_COMMA) * _EVERY_BYTE))
    if (word & _HIGH_BITS) | (slash & slash >> _8) | (brace & comma >> _8) != _0:
        return _0
    return U(7) if (slash | brace) >> U(63) != _0 else _8


@kernel
def fold_texts(
    text: Bytes, bounds: Places, places: FoldTable, pool: Bytes, done: Bytes, out: Bytes, new_bounds: Places
) -> None:
    """Write the folded texts one after another; texts that are `done` are copied."""
    to = _0
    new_bounds[0] = 0
    for row in range(bounds.size - 1):
        at, last = U(bounds[row]), U(bounds[row + 1])
        verbatim = done[row] != 0
        while at < last:
            if at + _8 <= last:
                word = load_word(text, at)
                plain = _8 if verbatim else _plain_bytes(word)
                if plain != _0:
                    store_word(out, to, word)
                    at += plain
                    to += plain
                    continue
            byte = text[at]
            if byte < 0x80 or verbatim:
                if byte == _BACKSLASH and not verbatim and at + _1 < last and text[at + _1] == _BACKSLASH:
                    out[to] = _BLANK
                    at += _2
                elif (
                    byte == _OPEN
                    and not verbatim
                    and at + _2 < last
                    and text[at + _1] == _COMMA
                    and text[at + _2] == _CLOSE
                ):
                    out[to] = _COMMA
                    at += _3
                else:
                    out[to] = byte
                    at += _1
                to += _1
                continue
            code, size = _code_point(text, at)
            place = places[code]
            if place == COPY:
                for i in range(_0, size):
                    out[to + i] = text[at + i]
                to += size
            else:
                start = U(place >> LENGTH_BITS)
                length = U(place & ((1 << LENGTH_BITS) - 1))
                for i in range(_0, length):
                    out[to + i] = pool[start + i]
                to += length
            at += size
        new_bounds[row + 1] = to
