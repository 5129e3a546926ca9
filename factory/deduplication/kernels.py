"""Kernels of signatures: MinHash straight from the bytes of a text."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from factory.deduplication.mark_kernels import marks_hash
from factory.text.hashing import BASE, U64, Bytes, Places
from factory.text.jit import kernel, load_word
from factory.text.kernels import U, longest, look_up, mix, run_hashes, sequence_hash
from factory.text.token_kernels import hash_tokens

U32 = npt.NDArray[np.uint32]
_BASE = U(BASE)
_0, _1, _8, _32 = U(0), U(1), U(8), U(32)
_MOST = np.uint32(2**32 - 1)
_NUMBER = 2
_GUARD = U(0x6755617264)
"""Salt of the guard: without it a text of numbers alone would have the same hash as its guard."""


@kernel
def _bytes_hash(data: Bytes, size: U, words: U64) -> U:
    """`ngrams.text_hashes` of one text; `data` has seven bytes more, `words` room for a number for every eight bytes."""
    count = (size + U(7)) // _8
    for place in range(count):
        at = U(place) * _8
        word = load_word(data, at)
        left = min(size - at, _8)
        words[place] = mix(word & (U(2**64 - 1) >> (U(64) - _8 * left)))
    return sequence_hash(words, _0, count, _0) ^ mix(size)


@kernel
def _telling_hash(hashes: U64, kinds: Bytes, count: U, words: U64, minus: U, found: U64) -> U:
    """One hash of a text's numbers and the words of table `words` in order, with the minus signs before them."""
    telling = _0
    for place in range(count):
        i = U(place)
        if kinds[i] == _NUMBER or look_up(words, hashes[i]) >= 0:
            found[telling] = hashes[i]
            if place > 0 and hashes[i - _1] == minus:
                found[telling] += _1
            telling += _1
    return sequence_hash(found, _0, telling, _GUARD)


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
    bounds: Places,
    table: Bytes,
    lower: Bytes,
    names: U64,
    words: U64,
    minus: U,
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

    `words` is a table of words that tell texts apart; an empty one when neither they nor numbers and marks do. `guard` comes with what must be equal besides. `keys`:
    shape (bands, texts); every band takes `width` permutations, and `draw` the one after them.
    """
    most = longest(bounds)
    scratch, kinds = np.empty(most + 8, np.uint8), np.empty(most, np.uint8)
    hashes, grams = np.empty(most, np.uint64), np.empty(most, np.uint64)
    high, least = np.empty(most + 7, np.uint32), np.empty(factors.size, np.uint32)
    for row in range(bounds.size - 1):
        first, last = U(bounds[row]), U(bounds[row + 1])
        count = hash_tokens(text, first, last, table, lower, names, scratch, hashes, kinds)
        if count > _0:
            exact[row] = sequence_hash(hashes, _0, count, _0)
        else:
            for i in range(first, last):
                scratch[U(i) - first] = lower[text[U(i)]]
            exact[row] = _bytes_hash(scratch, last - first, grams)
        if words.size:
            guard[row] ^= _telling_hash(hashes, kinds, count, words, minus, grams) ^ marks_hash(
                text, first, last
            )
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
