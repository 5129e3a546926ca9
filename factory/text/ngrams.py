"""Hashes of word n-grams (shingles) of many texts, without a Python loop over them."""

from __future__ import annotations

import numpy as np
import polars as pl

from factory.text import compiled
from factory.text.hashing import BASE, U64, Bytes, Places, byte_words, mix, powers
from factory.text.tokens import CLASSES, NAMES, flat, pieces, tokenize_bytes

NO_SALT = np.uint64(0)
_STEP = np.uint64(BASE)


def ngram_hashes(
    values: U64, offsets: Places, n: int, salt: np.uint64 = NO_SALT
) -> tuple[U64, Places, Places]:
    """Hashes of all runs of `n` token hashes. A text of fewer tokens, but at least one, gives one hash of all.

    A run of v0, v1, ... hashes to v0 * B + v1 * B**2 + ..., mixed; by Horner's rule over all texts at once, and runs
    that cross the end of a text are dropped.

    Args:
        values: token hashes of all texts.
        offsets: offsets of the texts in `values`.
        n: tokens per run.
        salt: part of every hash.

    Returns:
        The hashes, the offsets of the texts in them, and for each hash the token that it begins at.
    """
    lengths = np.diff(offsets)
    hashes = values * _STEP
    for i in range(1, min(n, values.size)):
        hashes = values[:-i] + hashes[1:]
        hashes *= _STEP
    keep = np.ones(values.size, dtype=bool)
    for i in range(1, n):
        keep[offsets[1:][lengths >= i] - i] = False
    short = np.flatnonzero((lengths > 0) & (lengths < n))
    begins = offsets[:-1][short]
    keep[begins] = True
    whole = np.append(hashes, values[hashes.size :])
    if short.size:
        whole[begins] = _short_runs(values, begins, lengths[short])
    places = np.concatenate([[0], np.cumsum(np.where(lengths >= n, lengths - n + 1, lengths > 0))])
    return mix(whole[keep] ^ salt), places, np.flatnonzero(keep)


def _short_runs(values: U64, starts: Places, lengths: Places) -> U64:
    hashes = np.zeros(starts.size, dtype=np.uint64)
    for i in range(int(lengths.max()) - 1, -1, -1):
        inside = np.flatnonzero(lengths > i)
        hashes[inside] = (hashes[inside] + values[starts[inside] + i]) * _STEP
    return hashes


def word_ngram_hashes(texts: pl.Series, n: int) -> tuple[U64, Places]:
    """Hashes of the word n-grams of every text's canonical tokens.

    Returns:
        All hashes one after another, and the offsets of the texts in them (one more than there are texts).
    """
    parts = [_piece_hashes(piece, n) for piece in pieces(texts)]
    lengths = [np.diff(offsets) for _, offsets in parts]
    offsets = np.concatenate([[0], np.cumsum(np.concatenate([[], *lengths]))]).astype(np.int64)
    return np.concatenate([np.zeros(0, np.uint64), *(hashes for hashes, _ in parts)]), offsets


def _piece_hashes(texts: pl.Series, n: int) -> tuple[U64, Places]:
    data, bounds = flat(texts)
    if not compiled.active():
        tokens = tokenize_bytes(data, bounds)
        return ngram_hashes(tokens.hashes, tokens.offsets, n)[:2]
    from factory.text import kernels

    hashes, offsets = np.empty(data.size, np.uint64), np.zeros_like(bounds)
    kernels.ngram_hashes(data, kernels.byte_view(data), bounds, CLASSES, NAMES, np.uint64(n), hashes, offsets)
    return hashes[: offsets[-1]], offsets


class SequenceHasher:
    """Hashes of runs of tokens of one flat array, in constant time each."""

    def __init__(self, values: U64, salt: np.uint64 = NO_SALT) -> None:
        """`values`: token hashes; `salt`: part of every hash."""
        forward, self._inverse = powers(values.size + 1)
        self._salt = salt
        self._sums = np.zeros(values.size + 1, dtype=np.uint64)
        np.cumsum(values * forward[: values.size], out=self._sums[1:])

    def __call__(self, starts: Places, lengths: Places | int) -> U64:
        """Hashes of the runs of `lengths[i]` tokens from `starts[i]`; equal runs have equal hashes."""
        hashes = self._sums[starts + lengths]
        hashes -= self._sums[starts]
        hashes *= self._inverse[starts]
        hashes ^= (
            np.atleast_1d(np.asarray(lengths, dtype=np.uint64) + np.uint64(1)) * np.uint64(BASE) ^ self._salt
        )
        return mix(hashes)


def sequence_hashes(values: U64, offsets: Places, salt: np.uint64 = NO_SALT) -> U64:
    """One hash a text, of its whole sequence of `values` (length included)."""
    return SequenceHasher(values, salt)(offsets[:-1], np.diff(offsets))


def text_hashes(data: Bytes, bounds: Places, salt: np.uint64 = NO_SALT) -> U64:
    """One hash a text, of its bytes; `bounds` are the offsets of the texts in `data`."""
    sizes = np.diff(bounds)
    counts = (sizes + 7) // 8
    offsets = np.concatenate([[0], np.cumsum(counts)])
    within = 8 * (np.arange(int(offsets[-1])) - np.repeat(offsets[:-1], counts))
    left = np.minimum(np.repeat(sizes, counts) - within, 8).astype(np.uint64)
    words = byte_words(data)[np.repeat(bounds[:-1], counts) + within]
    words &= np.uint64(2**64 - 1) >> (np.uint64(64) - np.uint64(8) * left)
    return sequence_hashes(mix(words), offsets, salt) ^ mix(sizes.astype(np.uint64))
