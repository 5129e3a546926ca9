"""Kernels of signatures: MinHash and guards straight from the bytes of a text (`signatures` says what they mean)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from factory.deduplication import marks
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
_0, _1, _8, _32 = U(0), U(1), U(8), U(32)
_MOST = np.uint32(2**32 - 1)
_NUMBER = 2
_SQRT, _FOUR_BYTES = U(int.from_bytes(b"sqrt", "little")), U(2**32 - 1)
_MAY_MARK = np.zeros(256, dtype=np.uint8)
_MAY_MARK[[*b"'%^_\\", 0xE2]] = 1
_is_prime, _sign_mark = inlined(marks.is_prime), inlined(marks.sign_mark)
_group_of_root, _operators_of_group = inlined(marks.group_of_root), inlined(marks.operators_of_group)


@kernel
def marks_hash(text: Bytes, words: U64, first: int, last: int) -> U:
    """`marks.marks_hash` of a part of a buffer that has `tokens.PADDING` bytes more behind it."""
    value, prime = _0, -1
    for at in range(first, last):
        byte = text[at]
        if not _MAY_MARK[byte]:
            continue
        mark = 0
        if byte == marks.QUOTE:
            if _is_prime(text, at, first, last, prime):
                mark, prime = marks.PRIME, at + 1
        elif byte == marks.SIGN:
            mark = marks.PERCENT
        elif byte == 0xE2:
            if at + 2 < last:
                mark = _sign_mark(int(text[at + 1]), int(text[at + 2]))
        else:
            begin = at + 1
            if byte == marks.BACKSLASH:
                if at + 5 > last or words[at + 1] & _FOUR_BYTES != _SQRT:
                    continue
                begin = _group_of_root(text, at + 5, last)
            operators = _operators_of_group(text, begin, last)
            mark = marks.GROUP + (operators << 32) if operators > 0 else 0
        if mark != 0:
            value = mix((value + U(mark)) * _BASE)
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
def _opens(text: Bytes, start: U, first: U) -> bool:
    """Whether a sentence begins at `start`: behind one of `signatures.BOUNDARIES`, one blank between them at most."""
    if start <= first:
        return True
    before = text[start - _1]
    if before == 32 and start > first + _1:
        before = text[start - U(2)]
    return before == 46 or before == 63 or before == 33 or before == 58 or before == 59 or before == 10


@inlined
def _telling_hash(
    text: Bytes,
    first: U,
    starts: U64,
    hashes: U64,
    kinds: Bytes,
    count: U,
    telling: U64,
    asking: U64,
    questions: U64,
    beginning: U64,
    letters: U64,
    minus: U,
    salt: U,
    found: U64,
) -> U:
    """One hash of a text's numbers, telling words and what is asked for in order, with the minus signs before them."""
    many, asked, behind = _0, False, False
    for place in range(count):
        i = U(place)
        asked = bool(asked and look_up(letters, hashes[i]) >= 0)
        question = bool(look_up(questions, hashes[i]) >= 0)
        if not question and look_up(beginning, hashes[i]) >= 0:
            question = place == 0 or _opens(text, starts[i], first)
        if kinds[i] == _NUMBER or asked or behind or question or look_up(telling, hashes[i]) >= 0:
            found[many] = hashes[i]
            if place > 0 and hashes[i - _1] == minus:
                found[many] += _1
            many += _1
        asked = bool(look_up(asking, hashes[i]) >= 0)
        behind = question
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
    questions: U64,
    beginning: U64,
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
    kinds, starts = np.empty(most, np.uint8), np.empty(most + 1, np.uint64)
    hashes, grams = np.empty(most, np.uint64), np.empty(most, np.uint64)
    high, least = np.empty(most + 7, np.uint32), np.empty(factors.size, np.uint32)
    key_names, meanings, none = names[0], names[1], hashes[:0]
    for row in range(bounds.size - 1):
        first, last = U(bounds[row]), U(bounds[row + 1])
        count = find_tokens(text, words, first, last, table, key_names, meanings, hashes, kinds, starts, none)
        if count > _0:
            exact[row] = sequence_hash(hashes, _0, count, _0)
        else:
            exact[row] = _bytes_hash(words, first, last - first, grams)
        if telling.size:
            guard[row] = _telling_hash(
                text,
                first,
                starts,
                hashes,
                kinds,
                count,
                telling,
                asking,
                questions,
                beginning,
                letters,
                minus,
                salt,
                grams,
            ) ^ marks_hash(text, words, bounds[row], bounds[row + 1])
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
