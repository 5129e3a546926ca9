"""Kernels of the text room: from folded bytes to tokens and hashes of n-grams, in one pass each.

What they compute is defined in `tokens`, `hashing` and `ngrams`; `tests/oracle` keeps a reading in whole arrays
that they are compared with. Places are unsigned, so that no index is tested for counting from the end.
"""

from __future__ import annotations

import numpy as np

from factory.text.hashing import BASE, U64, Bytes, Places
from factory.text.jit import inlined, kernel, load_word, trailing_zeros

U = np.uint64
_BASE, _INVERSE = U(BASE), U(pow(BASE, -1, 2**64))
_0, _1, _2, _3, _4, _8 = U(0), U(1), U(2), U(3), U(4), U(8)
_EVERY_BYTE = U(0x0101010101010101)
_MASKS: U64 = np.array([(1 << (8 * n)) - 1 for n in range(9)], dtype=np.uint64)
_WORD, _NUMBER, _OPERATOR, _CHARACTER, _COMMAND = 1, 2, 3, 4, 6
_CONTINUATION, _IS_COMMA, _IS_POINT = 64, 65, 66
"""Classes of bytes that need a look at their neighbours; see `tokens.byte_tables`."""
_BAR, _BACKSLASH = 124, 92


@inlined
def mix(value: U) -> U:
    """`hashing.mix` of one number."""
    value ^= value >> U(30)
    value *= U(0xBF58476D1CE4E5B9)
    value ^= value >> U(27)
    value *= U(0x94D049BB133111EB)
    return value ^ (value >> U(31))


@inlined
def is_digit(byte: int) -> bool:
    """Whether a byte is an ASCII digit."""
    return 48 <= byte <= 57


@kernel
def is_thousands_comma(text: Bytes, at: U, first: U, last: U) -> bool:
    """A digit before it, exactly three behind it."""
    if at == first or at + _3 >= last or not is_digit(text[at - _1]):
        return False
    if not (is_digit(text[at + _1]) and is_digit(text[at + _2]) and is_digit(text[at + _3])):
        return False
    return bool(at + _4 >= last) or not is_digit(text[at + _4])


@kernel
def classify(
    text: Bytes, first: U, last: U, kinds: Bytes, lower: Bytes, raw: Bytes, data: Bytes, classes: Bytes, to: U
) -> U:
    """Write one folded text from `to` on, thousands commas out: as it is, in lower case, and as classes of its bytes.

    Returns where it ends. An empty `raw` is not written.
    """
    keep_raw = raw.size > 0
    for place in range(first, last):
        i = U(place)
        byte = text[i]
        kind = kinds[byte]
        if kind >= _CONTINUATION:
            if kind == _CONTINUATION:
                kind = classes[to - _1] if i > first else np.uint8(0)
            elif kind == _IS_COMMA:
                if is_thousands_comma(text, i, first, last):
                    continue
                kind = np.uint8(0)
            elif i > first and i + _1 < last and is_digit(text[i - _1]) and is_digit(text[i + _1]):
                kind = np.uint8(_NUMBER)
            else:
                kind = np.uint8(0)
        if keep_raw:
            raw[to] = byte
        data[to] = lower[byte]
        classes[to] = kind
        to += _1
    return to


@inlined
def range_hash(data: Bytes, start: U, length: U) -> U:
    """`hashing.range_hashes` of one range."""
    value = length * _BASE
    if length <= _8:
        return mix(value + (load_word(data, start) & _MASKS[length]))
    value += load_word(data, start)
    done = _8
    while done < length:
        value = mix(value) * _BASE + (load_word(data, start + done) & _MASKS[min(length - done, _8)])
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


@kernel
def split(
    data: Bytes,
    classes: Bytes,
    first: U,
    last: U,
    names: U64,
    hashes: U64,
    kinds: Bytes,
    starts: Places,
    lengths: Places,
    count: U,
) -> U:
    """Write the tokens of one classified text from `count` on; escaped operators get class 0. Returns their number.

    `data` and `classes` are what `classify` wrote, with seven bytes more behind it. `names`: shape (2, slots), hashes of
    command names, and of what they mean, 0 for those that say nothing. Empty `starts` and `lengths` are not written.
    """
    keep_places = starts.size > 0
    at = first
    while at < last:
        kind = classes[at]
        start = at
        at += _1
        if kind == 0:
            continue
        if kind <= _NUMBER:
            same = _8
            at = start
            while same == _8 and at < last:
                same = trailing_zeros(load_word(classes, at) ^ (U(kind) * _EVERY_BYTE)) >> _3
                at += same
            at = min(at, last)
        elif kind == _CHARACTER:
            while at < last and data[at] >= 0x80 and data[at] < 0xC0:
                at += _1
        elif start > first and data[start - _1] == _BACKSLASH and data[start] != _BAR:
            classes[start] = 0
            continue
        value = range_hash(data, start, at - start)
        if kind == _WORD and start > first and data[start - _1] == _BACKSLASH:
            kind = np.uint8(_COMMAND)
            slot = look_up(names[0], value)
            if slot >= 0:
                value = names[1, slot]
                if value == _0:
                    continue
        hashes[count] = value
        kinds[count] = kind
        if keep_places:
            starts[count] = start
            lengths[count] = at - start
        count += _1
    return count


@kernel
def longest(bounds: Places) -> int:
    """Bytes of the longest text, or entries of the largest set."""
    most = 0
    for row in range(bounds.size - 1):
        most = max(most, int(bounds[row + 1] - bounds[row]))
    return most


@kernel
def tokenize_texts(
    text: Bytes,
    bounds: Places,
    table: Bytes,
    lower: Bytes,
    names: U64,
    raw: Bytes,
    data: Bytes,
    classes: Bytes,
    hashes: U64,
    kinds: Bytes,
    starts: Places,
    lengths: Places,
    new_bounds: Places,
    offsets: Places,
) -> None:
    """Tokens of all texts of a buffer; everything from `raw` on is written, see `tokens.Tokens`."""
    to = count = _0
    new_bounds[0] = offsets[0] = 0
    for row in range(bounds.size - 1):
        begin = to
        to = classify(text, U(bounds[row]), U(bounds[row + 1]), table, lower, raw, data, classes, to)
        count = split(data, classes, begin, to, names, hashes, kinds, starts, lengths, count)
        new_bounds[row + 1] = to
        offsets[row + 1] = count


@kernel
def run_hashes(values: U64, first: U, last: U, n: U, salt: U, hashes: U64, count: U) -> U:
    """Write the hashes of all runs of `n` of `values[first:last]` from `count` on; returns the number of hashes then.

    A run of v0, v1, ... hashes to v0 * B + v1 * B**2 + ..., mixed. Fewer than `n` values give one hash of all.
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


@kernel
def run_hashes_of_texts(values: U64, offsets: Places, n: U, salt: U, hashes: U64, places: Places) -> None:
    """`run_hashes` of every text; `places` gets the offsets of the texts in `hashes`."""
    count = _0
    places[0] = 0
    for row in range(offsets.size - 1):
        count = run_hashes(values, U(offsets[row]), U(offsets[row + 1]), n, salt, hashes, count)
        places[row + 1] = count


@kernel
def sequence_hash(values: U64, first: U, last: U, salt: U) -> U:
    """`ngrams.sequence_hashes` of one sequence."""
    value, power = _0, _1
    for i in range(first, last):
        value += values[i] * power
        power *= _BASE
    return mix(value ^ ((last - first + _1) * _BASE ^ salt))
