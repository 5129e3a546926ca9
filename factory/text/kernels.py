"""Kernels of the text room: tokens and hashes of n-grams straight from folded bytes, for the kernels of other rooms.

They give what `tokens`, `hashing` and `ngrams` give in array code (`tests/oracle` compares them). Places are unsigned,
so that no index is tested for counting from the end. `words` is always the buffer as `byte_view` shows it.
"""

from __future__ import annotations

import numpy as np

from factory.text.compiled import inlined, kernel
from factory.text.hashing import BASE, U64, Bytes, Places

U = np.uint64
_BASE, _INVERSE = U(BASE), U(pow(BASE, -1, 2**64))
_0, _1, _3, _4, _8 = U(0), U(1), U(3), U(4), U(8)
MASKS: U64 = np.array([(1 << (8 * n)) - 1 for n in range(9)], dtype=np.uint64)
_WORD, _NUMBER, _OPERATOR, _CHARACTER, _COMMAND, _CONTINUATION = 1, 2, 3, 4, 6, 64
_BAR, _BACKSLASH, _COMMA, _POINT = 124, 92, 44, 46
_HIGH, _LOW_SEVEN = U(0x8080808080808080), U(0x7F7F7F7F7F7F7F7F)
_TO_A, _BEYOND_Z = U(0x3F3F3F3F3F3F3F3F), U(0x2525252525252525)
"""Added to a byte below 128, they set its high bit where it is at least "A", or beyond "Z"."""


def byte_view(data: Bytes) -> U64:
    """The eight bytes from every position of `data` on as one little-endian number; a view that ends seven earlier."""
    return np.ndarray((data.size - 7,), dtype="<u8", buffer=data, strides=(1,))


@inlined
def mix(value: U) -> U:
    """`hashing.mix` of one number."""
    value ^= value >> U(30)
    value *= U(0xBF58476D1CE4E5B9)
    value ^= value >> U(27)
    value *= U(0x94D049BB133111EB)
    return value ^ (value >> U(31))


@inlined
def lowered(word: U) -> U:
    """Eight bytes with ASCII capitals in lower case."""
    low = word & _LOW_SEVEN
    return word | ((low + _TO_A) & ~(low + _BEYOND_Z) & ~word & _HIGH) >> U(2)


@inlined
def is_digit(byte: int) -> bool:
    """Whether a byte is an ASCII digit."""
    return 48 <= byte <= 57


@inlined
def is_thousands_comma(text: Bytes, at: U, first: U, last: U) -> bool:
    """A digit before it, exactly three behind it."""
    if at == first or at + _3 >= last or not is_digit(text[at - _1]):
        return False
    if not (is_digit(text[at + _1]) and is_digit(text[at + U(2)]) and is_digit(text[at + _3])):
        return False
    return bool(at + _4 >= last) or not is_digit(text[at + _4])


@inlined
def range_hash(words: U64, start: U, length: U) -> U:
    """`hashing.range_hashes` of one range in lower case."""
    value = length * _BASE
    if length <= _8:
        return mix(value + (lowered(words[start]) & MASKS[length]))
    value += lowered(words[start])
    done = _8
    while done < length:
        value = mix(value) * _BASE + (lowered(words[start + done]) & MASKS[min(length - done, _8)])
        done += _8
    return mix(value)


@inlined
def look_up(keys: U64, key: U) -> np.int64:
    """The slot of `key` in an open table of `2**n` slots with some empty (0) ones, or -1."""
    mask = keys.size - 1
    slot = np.int64(key >> U(40)) & mask
    while keys[slot] != _0:
        if keys[slot] == key:
            return slot
        slot = np.int64((slot + 1) & mask)
    return np.int64(-1)


@inlined
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
def _number_hash(text: Bytes, words: U64, start: U, end: U, commas: U) -> U:
    """`hashing.range_hashes` of a number without its thousands commas."""
    length = end - start - commas
    if commas == _0:
        return range_hash(words, start, length)
    value, word, shift = length * _BASE, _0, _0
    for place in range(start, end):
        byte = text[U(place)]
        if byte == _COMMA:
            continue
        if shift == U(64):
            value, word, shift = mix(value + word) * _BASE, _0, _0
        word |= U(byte) << shift
        shift += _8
    return mix(value + word)


@inlined
def find_tokens(
    text: Bytes,
    words: U64,
    first: U,
    last: U,
    table: Bytes,
    keys: U64,
    meanings: U64,
    hashes: U64,
    kinds: Bytes,
    starts: U64,
    ends: U64,
) -> U:
    """Write the tokens of one folded text: hashes, kinds, and where in `text` they lie; returns their number.

    `text` has `tokens.PADDING` bytes more behind it. `table` is `tokens.CLASSES`; `keys` and `meanings` are the rows of
    `tokens.NAMES`. Empty `starts` and `ends` are not written.
    """
    keep_places = starts.size > 0
    count, at = _0, first
    while at < last:
        kind, start = table[text[at]], at
        at += _1
        if kind == 0 or kind == _CONTINUATION:
            continue
        if kind == _WORD:
            while at < last and (table[text[at]] == _WORD or table[text[at]] == _CONTINUATION):
                at += _1
            value = range_hash(words, start, at - start)
        elif kind == _NUMBER:
            at, commas = _number(text, first, start, last)
            value = _number_hash(text, words, start, at, commas)
        else:
            while kind == _CHARACTER and at < last and table[text[at]] == _CONTINUATION:
                at += _1
            value = range_hash(words, start, at - start)
        if start > first and text[start - _1] == _BACKSLASH:
            if kind == _WORD:
                kind = np.uint8(_COMMAND)
                slot = look_up(keys, value)
                value = meanings[slot] if slot >= 0 else value
                if slot >= 0 and value == _0:
                    continue
            elif kind == _OPERATOR and text[start] != _BAR:
                continue
        hashes[count], kinds[count] = value, kind
        if keep_places:
            starts[count], ends[count] = start, at
        count += _1
    return count


@inlined
def longest(bounds: Places) -> int:
    """Bytes of the longest text, or entries of the largest set."""
    most = 0
    for row in range(bounds.size - 1):
        most = max(most, int(bounds[row + 1] - bounds[row]))
    return most


@kernel
def run_hashes(values: U64, first: U, last: U, n: U, salt: U, hashes: U64, count: U) -> U:
    """Write the hashes of all runs of `n` of `values[first:last]` from `count` on; returns the number of hashes then.

    See `ngrams.ngram_hashes`. Fewer than `n` values give one hash of all.
    """
    if first == last:
        return count
    width = min(n, last - first)
    top, value = _1, _0
    for i in range(_0, width):
        top *= _BASE
        value += values[first + i] * top
    hashes[count] = mix(value ^ salt)
    count += _1
    for i in range(first + width, last):
        value = (value - values[i - width] * _BASE) * _INVERSE + values[i] * top
        hashes[count] = mix(value ^ salt)
        count += _1
    return count


@inlined
def sequence_hash(values: U64, first: U, last: U, salt: U) -> U:
    """`ngrams.sequence_hashes` of one sequence."""
    value, power = _0, _1
    for i in range(first, last):
        value += values[i] * power
        power *= _BASE
    return mix(value ^ ((last - first + _1) * _BASE ^ salt))
