"""Kernels of signatures: MinHash and guards straight from the bytes of a text (`signatures` says what they mean)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from factory.deduplication.marks import GROUP, OPERATORS, PERCENT, PRIME, REACH
from factory.text.compiled import inlined, kernel
from factory.text.hashing import BASE, U64, Bytes, Places
from factory.text.kernels import (
    MASKS,
    U,
    find_tokens,
    longest,
    look_up,
    lowered,
    mix,
    run_hashes,
    sequence_hash,
)

U32 = npt.NDArray[np.uint32]
_BASE = U(BASE)
_0, _1, _2, _5, _8, _32 = U(0), U(1), U(2), U(5), U(8), U(32)
_MOST = np.uint32(2**32 - 1)
_NUMBER = 2
_QUOTE, _SIGN, _BACKSLASH, _OPEN, _CLOSE, _BLANK = 39, 37, 92, 123, 125, 32
_SQRT, _FOUR_BYTES = U(int.from_bytes(b"sqrt", "little")), U(2**32 - 1)
_IS_OPERATOR, _MAY_MARK = np.zeros(256, dtype=np.uint8), np.zeros(256, dtype=np.uint8)
_IS_OPERATOR[np.frombuffer(OPERATORS, dtype=np.uint8)] = 1
_MAY_MARK[[*b"'%^_\\", 0xE2]] = 1


@inlined
def _is_letter(byte: int) -> bool:
    return 97 <= byte | 32 <= 122


@inlined
def _is_prime(text: Bytes, at: U, first: U, last: U, prime: U) -> bool:
    if at == first or (at + _1 < last and 97 <= text[at + _1] <= 122):
        return False
    before = text[at - _1]
    if before == 41 or before == 93 or before == _CLOSE or at == prime:
        return True
    return _is_letter(before) and (at - _1 == first or not _is_letter(text[at - _2]))


@inlined
def _operators_of_group(text: Bytes, at: U, last: U) -> U:
    while at < last and text[at] == _BLANK:
        at += _1
    found, depth, leading = _0, 0, True
    if at >= last or text[at] != _OPEN:
        return found
    for place in range(at, min(last, at + U(REACH))):
        byte = text[U(place)]
        if byte == _OPEN:
            depth += 1
        elif byte == _CLOSE:
            depth -= 1
            if depth == 0:
                break
        elif byte != _BLANK:
            if _IS_OPERATOR[byte] and not leading:
                found += _1
            leading = False
    return found


@inlined
def _root_end(text: Bytes, words: U64, at: U, last: U) -> U:
    """Where the group of a root at `at` begins, behind its degree; `last` if there is no root."""
    if at + _5 > last or words[at + _1] & _FOUR_BYTES != _SQRT:
        return last
    at += _5
    if at < last and text[at] == 91:
        reach = min(last, at + U(REACH))
        while at < reach and text[at] != 93:
            at += _1
        at += _1
    return min(at, last)


@inlined
def _sign(text: Bytes, at: U, last: U) -> U:
    if at + _2 >= last:
        return _0
    one, two = text[at + _1], text[at + _2]
    if one == 0x80 and two == 0xB2:
        return U(PRIME)
    arrows_and_operators = 0x86 <= one <= 0x8B or 0xA8 <= one <= 0xAB
    return U(one) << _8 | U(two) if arrows_and_operators or (one == 0x8C and 0x88 <= two <= 0x8B) else _0


@kernel
def marks_hash(text: Bytes, words: U64, first: U, last: U) -> U:
    """`marks.marks_hash` of a part of a buffer that has `tokens.PADDING` bytes more behind it."""
    value, prime = _0, last
    for place in range(first, last):
        at = U(place)
        byte = text[at]
        if not _MAY_MARK[byte]:
            continue
        mark = _0
        if byte == _QUOTE:
            if _is_prime(text, at, first, last, prime):
                mark, prime = U(PRIME), at + _1
        elif byte == _SIGN:
            mark = U(PERCENT)
        elif byte == 0xE2:
            mark = _sign(text, at, last)
        else:
            begin = _root_end(text, words, at, last) if byte == _BACKSLASH else at + _1
            operators = _operators_of_group(text, begin, last)
            mark = U(GROUP) + (operators << _32) if operators > _0 else _0
        if mark != _0:
            value = mix((value + mark) * _BASE)
    return value


@inlined
def _bytes_hash(words: U64, first: U, size: U, values: U64) -> U:
    """`ngrams.text_hashes` of one text in lower case."""
    count = (size + U(7)) // _8
    for place in range(count):
        at = U(place) * _8
        values[place] = mix(lowered(words[first + at]) & MASKS[min(size - at, _8)])
    return sequence_hash(values, _0, count, _0) ^ mix(size)


@inlined
def _telling_hash(
    hashes: U64,
    kinds: Bytes,
    count: U,
    telling: U64,
    asking: U64,
    letters: U64,
    minus: U,
    salt: U,
    found: U64,
) -> U:
    """One hash of a text's numbers, telling words and asked letters in order, with the minus signs before them."""
    many, asked = _0, False
    for place in range(count):
        i = U(place)
        asked = bool(asked and look_up(letters, hashes[i]) >= 0)
        if kinds[i] == _NUMBER or asked or look_up(telling, hashes[i]) >= 0:
            found[many] = hashes[i]
            if place > 0 and hashes[i - _1] == minus:
                found[many] += _1
            many += _1
        asked = bool(look_up(asking, hashes[i]) >= 0)
    return sequence_hash(found, _0, many, salt)


@kernel
def _lower(least: U32, factors: U32, terms: U32, grams: U32, at: int) -> None:
    """Lower the minimum of every permutation to the least of eight n-grams: one loop of whole vectors."""
    g0, g1, g2, g3 = grams[at], grams[at + 1], grams[at + 2], grams[at + 3]
    g4, g5, g6, g7 = grams[at + 4], grams[at + 5], grams[at + 6], grams[at + 7]
    for k in range(least.size):
        factor, term = factors[k], terms[k]
        one = min(np.uint32(factor * g0 + term), np.uint32(factor * g1 + term))
        two = min(np.uint32(factor * g2 + term), np.uint32(factor * g3 + term))
        three = min(np.uint32(factor * g4 + term), np.uint32(factor * g5 + term))
        four = min(np.uint32(factor * g6 + term), np.uint32(factor * g7 + term))
        least[k] = min(least[k], min(min(one, two), min(three, four)))


@kernel
def sign_texts(
    text: Bytes,
    words: U64,
    bounds: Places,
    table: Bytes,
    names: U64,
    telling: U64,
    asking: U64,
    letters: U64,
    minus: U,
    salt: U,
    n: U,
    factors: U32,
    terms: U32,
    width: int,
    exact: U64,
    guard: U64,
    counts: npt.NDArray[np.int32],
    draw: U32,
    keys: U64,
) -> None:
    """Read folded texts once and write what is kept of each; see `signatures.Signed`.

    `telling` is a table of words that distinguish texts; empty when neither they nor numbers and marks do. `keys`: shape
    (bands, texts); every band takes `width` permutations, and `draw` the one after them.
    """
    most = longest(bounds)
    kinds, none = np.empty(most, np.uint8), np.empty(0, np.uint64)
    hashes, grams = np.empty(most, np.uint64), np.empty(most, np.uint64)
    high, least = np.empty(most + 7, np.uint32), np.empty(factors.size, np.uint32)
    key_names, meanings = names[0], names[1]
    for row in range(bounds.size - 1):
        first, last = U(bounds[row]), U(bounds[row + 1])
        count = find_tokens(text, words, first, last, table, key_names, meanings, hashes, kinds, none, none)
        if count > _0:
            exact[row] = sequence_hash(hashes, _0, count, _0)
        else:
            exact[row] = _bytes_hash(words, first, last - first, grams)
        if telling.size:
            guard[row] = _telling_hash(
                hashes, kinds, count, telling, asking, letters, minus, salt, grams
            ) ^ marks_hash(text, words, first, last)
        found = np.int64(run_hashes(hashes, _0, count, n, _0, grams, _0))
        counts[row] = found
        if found == 0:
            continue
        for i in range(found):
            high[i] = np.uint32(grams[i] >> _32)
        for i in range(found, found + 7):
            high[i] = high[0]
        least[:] = _MOST
        for i in range(0, found, 8):
            _lower(least, factors, terms, high, i)
        for band in range(keys.shape[0]):
            key = guard[row] ^ U(band + 1)
            for k in range(band * width, (band + 1) * width):
                key = key * _BASE + U(least[k])
            keys[band, row] = mix(key)
        draw[row] = np.uint32(mix(U(least[keys.shape[0] * width])) >> _32)
