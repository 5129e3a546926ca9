"""Hashes of word n-grams (shingles) of many texts, without a Python loop over them."""

from __future__ import annotations

import numpy as np
import polars as pl

from factory.text.hashing import BASE, U64, mix, powers
from factory.text.tokens import Places, tokenize

_STEP = [np.uint64(pow(BASE, i + 1, 2**64)) for i in range(64)]


def ngram_hashes(values: U64, offsets: Places, n: int) -> tuple[U64, Places, Places]:
    """Hashes of all runs of `n` token hashes. A text of fewer tokens, but at least one, gives one hash of all.

    Args:
        values: token hashes of all texts.
        offsets: offsets of the texts in `values`.
        n: tokens a run.

    Returns:
        The hashes, the offsets of the texts in them, and for each hash the token that it begins at.
    """
    count = values.size
    lengths = np.diff(offsets)
    left = np.repeat(offsets[1:], lengths) - np.arange(count)
    hashes = values * _STEP[0]
    for i in range(1, min(n, count)):
        hashes[: count - i] += np.where(left[: count - i] > i, values[i:] * _STEP[i % 64], np.uint64(0))
    keep = left >= n
    firsts = offsets[:-1][(lengths > 0) & (lengths < n)]
    keep[firsts] = True
    counts = np.concatenate([[0], np.cumsum(keep)])
    return mix(hashes[keep]), counts[offsets], np.flatnonzero(keep)


def word_ngram_hashes(texts: pl.Series, n: int) -> tuple[U64, Places]:
    """Hashes of the word n-grams of every text's canonical tokens.

    Returns:
        All hashes one after another, and the offsets of the texts in them (one more than there are texts).
    """
    parts, lengths = [], []
    for tokens in tokenize(texts):
        hashes, offsets, _ = ngram_hashes(tokens.hashes, tokens.offsets, n)
        parts.append(hashes)
        lengths.append(np.diff(offsets))
    offsets = np.concatenate([[0], np.cumsum(np.concatenate(lengths) if lengths else [])]).astype(np.int64)
    return np.concatenate(parts) if parts else np.zeros(0, np.uint64), offsets


def sequence_hashes(values: U64, offsets: Places) -> U64:
    """One hash a text, of its whole sequence of `values` (length included)."""
    forward, inverse = powers(int(offsets[-1]) + 1)
    sums = np.zeros(values.size + 1, dtype=np.uint64)
    np.cumsum(values * forward[: values.size], out=sums[1:])
    whole = (sums[offsets[1:]] - sums[offsets[:-1]]) * inverse[offsets[:-1]]
    return mix(whole ^ mix(np.diff(offsets).astype(np.uint64)))
