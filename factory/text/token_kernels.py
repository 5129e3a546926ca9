"""A kernel that reads folded bytes once and gives the hashes of the tokens, and where they lie if that is asked for.

It comes to the hashes and kinds that `kernels.classify` and `kernels.split` give (`tests/oracle` compares them) without
a class for every byte: 64 bytes are compared at once, which gives the places where tokens may begin as bits of one
number, and text is only copied where a number has thousands commas or a word has letters beyond ASCII.
"""

from __future__ import annotations

import numpy as np

from factory.text.hashing import BASE, U64, Bytes
from factory.text.jit import bytes_between, inlined, kernel, load_word, trailing_zeros
from factory.text.kernels import is_digit, is_thousands_comma, look_up, mix, range_hash

U = np.uint64
_BASE = U(BASE)
B = np.uint8
_0, _1, _3, _8, _63, _64 = U(0), U(1), U(3), U(8), U(63), U(64)
_MASKS: U64 = np.array([(1 << (8 * n)) - 1 for n in range(9)], dtype=np.uint64)
_WORD, _NUMBER, _OPERATOR, _CHARACTER, _COMMAND, _CONTINUATION = 1, 2, 3, 4, 6, 64
_BAR, _BACKSLASH, _COMMA, _POINT = 124, 92, 44, 46
_HIGH, _LOW_SEVEN, _LOWER = U(0x8080808080808080), U(0x7F7F7F7F7F7F7F7F), U(0x2020202020202020)
_TO_A, _BEYOND_Z = U(0x1F1F1F1F1F1F1F1F), U(0x0505050505050505)
"""Added to a byte below 128, they set its high bit where it is at least "a", or beyond "z"."""


@inlined
def _letters(word: U) -> U:
    """How many of the eight bytes of a word, from the lowest on, are ASCII letters."""
    low = (word | _LOWER) & _LOW_SEVEN
    letters = (low + _TO_A) & ~(low + _BEYOND_Z) & ~word
    return trailing_zeros(~letters & _HIGH) >> _3


@kernel
def _end_of_letters(text: Bytes, at: U, last: U) -> U:
    """Where a run of ASCII letters ends that reaches to `at`; may be beyond `last`."""
    more = _8
    while more == _8 and at < last:
        more = _letters(load_word(text, at))
        at += more
    return at


@inlined
def _lower_hash(text: Bytes, start: U, length: U) -> U:
    """`kernels.range_hash` of the lower case of ASCII letters."""
    word = load_word(text, start) | _LOWER
    if length <= _8:
        return mix(length * _BASE + (word & _MASKS[length]))
    value = length * _BASE + word
    done = _8
    while done < length:
        word = (load_word(text, start + done) | _LOWER) & _MASKS[min(length - done, _8)]
        value = mix(value) * _BASE + word
        done += _8
    return mix(value)


@kernel
def _word_beyond_ascii(text: Bytes, at: U, last: U, table: Bytes) -> U:
    """Where a word ends that may have any letters; it began before `at`."""
    while at < last:
        kind = table[text[at]]
        if kind != _WORD and kind != _CONTINUATION:
            break
        at += _1
    return at


@kernel
def _number(text: Bytes, first: U, start: U, last: U) -> tuple[U, U]:
    """Where a number ends that begins with a digit at `start`, and how many thousands commas it has."""
    at, commas = start + _1, _0
    while at < last:
        byte = text[at]
        if is_digit(byte):
            at += _1
        elif byte == _POINT:
            if not is_digit(text[at - _1]) or at + _1 >= last or not is_digit(text[at + _1]):
                break
            at += _1
        elif byte == _COMMA and is_thousands_comma(text, at, first, last):
            commas += _1
            at += _1
        else:
            break
    return at, commas


@inlined
def _operators(text: Bytes, at: U) -> U:
    """Which of 64 bytes are in `tokens.OPERATORS`."""
    found = bytes_between(text, at, B(0), B(40), B(43)) | bytes_between(
        text, at, B(0), B(60), B(62)
    )  # ()*+ <=>
    found |= bytes_between(text, at, B(0), B(45), B(45)) | bytes_between(text, at, B(0), B(47), B(47))  # - /
    found |= bytes_between(text, at, B(0), B(94), B(94)) | bytes_between(
        text, at, B(0), B(124), B(124)
    )  # ^ |
    return found | bytes_between(text, at, B(0), B(33), B(33))  # !


@inlined
def _word_token(
    text: Bytes, start: U, end: U, last: U, table: Bytes, lower: Bytes, scratch: Bytes
) -> tuple[U, U]:
    """End and hash of a word whose ASCII letters end at `end`, which may be beyond `last`."""
    if end < last and text[end] >= 0x80 and table[text[end]] == _WORD:
        end = _word_beyond_ascii(text, end, last, table)
        for i in range(start, end):
            scratch[U(i) - start] = lower[text[U(i)]]
        return end, range_hash(scratch, _0, end - start)
    end = min(end, last)
    return end, _lower_hash(text, start, end - start)


@inlined
def _number_token(text: Bytes, first: U, start: U, last: U, scratch: Bytes) -> tuple[U, U]:
    """End and hash of a number."""
    end, commas = _number(text, first, start, last)
    if commas == _0:
        return end, range_hash(text, start, end - start)
    to = _0
    for i in range(start, end):
        scratch[to] = text[U(i)]
        to += U(text[U(i)] != _COMMA)
    return end, range_hash(scratch, _0, to)


@inlined
def _character_token(text: Bytes, start: U, last: U) -> tuple[U, U]:
    """End and hash of a character that is a token."""
    end = start + _1
    while end < last and text[end] >= 0x80 and text[end] < 0xC0:
        end += _1
    return end, range_hash(text, start, end - start)


@inlined
def _starts(text: Bytes, block: U, last: U, letters: U, digits: U, before: U) -> U:
    """Which of 64 bytes may begin a token; `before`: bit 0, a letter stands before them; bit 1, a digit."""
    starts = letters & ~(letters << _1 | before & _1) | digits & ~(digits << _1 | before >> _1)
    starts |= _operators(text, block) | bytes_between(text, block, B(0), B(128), B(255))
    return starts & ((_1 << (last - block)) - _1) if last - block < _64 else starts


@inlined
def _put_place(starts: U64, ends: U64, count: U, start: U, end: U) -> None:
    """Write where a token lies, if that is asked for."""
    if starts.size > 0:
        starts[count] = start
        ends[count] = end


@inlined
def find_tokens(
    text: Bytes,
    first: U,
    last: U,
    table: Bytes,
    lower: Bytes,
    keys: U64,
    meanings: U64,
    scratch: Bytes,
    hashes: U64,
    kinds: Bytes,
    starts: U64,
    ends: U64,
) -> U:
    """Write the tokens of one folded text: hashes, kinds, and where in `text` they lie; returns their number.

    `text` has `tokens.PADDING` bytes more behind it, `scratch` room for the text and eight bytes; `table` and `lower` as
    in `kernels`, `keys` and `meanings` are the rows of its `names`. Empty `starts` and `ends` are not written.
    """
    count, at, before = _0, first, _0
    block = first
    while block < last:
        letters = bytes_between(text, block, B(32), B(97), B(122))
        digits = bytes_between(text, block, B(0), B(48), B(57))
        begins = _starts(text, block, last, letters, digits, before)
        before = letters >> _63 | digits >> _63 << _1
        while begins != _0:
            place = trailing_zeros(begins)
            begins &= begins - _1
            start = block + place
            kind = table[text[start]]
            if start < at or kind == 0 or kind >= _CONTINUATION:
                continue  # in a token that went on, or layout beyond ASCII
            if kind == _WORD:
                at = start + trailing_zeros(~(letters >> place))
                if at == block + _64:
                    at = _end_of_letters(text, at, last)
                at, value = _word_token(text, start, at, last, table, lower, scratch)
            elif kind == _NUMBER:
                at, value = _number_token(text, first, start, last, scratch)
            elif kind == _CHARACTER:
                at, value = _character_token(text, start, last)
            else:
                at, value = start + _1, range_hash(text, start, _1)
            if start > first and text[start - _1] == _BACKSLASH:
                if kind == _WORD:
                    kind = np.uint8(_COMMAND)
                    slot = look_up(keys, value)
                    value = meanings[slot] if slot >= 0 else value
                    if slot >= 0 and value == _0:
                        continue
                elif kind == _OPERATOR and text[start] != _BAR:
                    continue
            hashes[count] = value
            kinds[count] = kind
            _put_place(starts, ends, count, start, at)
            count += _1
        block += _64
    return count


@kernel
def hash_tokens(
    text: Bytes,
    first: U,
    last: U,
    table: Bytes,
    lower: Bytes,
    names: U64,
    scratch: Bytes,
    hashes: U64,
    kinds: Bytes,
) -> U:
    """`find_tokens` without their places; `names` as in `kernels`."""
    none = hashes[:0]
    return find_tokens(
        text, first, last, table, lower, names[0], names[1], scratch, hashes, kinds, none, none
    )
