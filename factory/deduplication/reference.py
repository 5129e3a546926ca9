"""Band keys by datasketch: the slow, well-known way, to compare with. Pairs are verified just the same."""

from __future__ import annotations

import numpy as np
import polars as pl

from factory.config.deduplication import DeduplicationSection
from factory.text.hashing import U64, mix
from factory.text.ngrams import word_ngram_hashes

AT_ONCE = 1_000
"""Texts whose n-grams are Python numbers at the same time."""


def datasketch_keys(texts: pl.Series, settings: DeduplicationSection, bands: int, width: int) -> U64:
    """The bucket of every text in every LSH band, shape (bands, texts), from datasketch's MinHash."""
    from datasketch import MinHash

    parts = []
    for piece in texts.to_frame().iter_slices(AT_ONCE):
        hashes, offsets = word_ngram_hashes(piece.to_series(), settings.ngram)
        grams = np.split(hashes >> np.uint64(32), offsets[1:-1])
        signatures = MinHash.bulk([each.tolist() for each in grams], num_perm=bands * width, hashfunc=int)
        values = np.array([each.hashvalues for each in signatures], dtype=np.uint64)
        keys = np.zeros((len(piece), bands), dtype=np.uint64)
        for column in range(width):
            keys = mix(keys ^ mix(values[:, column::width] + np.uint64(1)))
        parts.append(keys.T)
    return np.concatenate(parts, axis=1) if parts else np.zeros((bands, 0), np.uint64)
