"""The sets of word n-grams of some texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import polars as pl

from factory.text.hashing import BASE, U64, mix
from factory.text.ngrams import word_ngram_hashes
from factory.text.tokens import Places

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class GramSets:
    """Different n-gram hashes of texts, one after another; those of text i are `grams[offsets[i]:offsets[i + 1]]`."""

    grams: U64
    offsets: Places


Reader = Callable[[Places], GramSets]
"""Gives the sets of the rows with these indices, in this order."""


def gram_sets(texts: pl.Series, ngram: int) -> GramSets:
    """The sets of texts; nulls count as empty."""
    grams, offsets = word_ngram_hashes(texts, ngram)
    rows = np.repeat(np.arange(len(texts), dtype=np.uint64), np.diff(offsets))
    names = pl.Series(mix(grams + rows * np.uint64(BASE)))  # of n-gram and row together
    fresh = names.is_first_distinct().to_numpy()
    return GramSets(grams[fresh], np.concatenate([[0], np.cumsum(fresh)])[offsets])


def in_threads(work: Callable[[_Item], _Result], items: Sequence[_Item]) -> list[_Result]:
    """`work` on every item, in as many threads as polars has."""
    threads = pl.thread_pool_size()
    if len(items) < 2 or threads < 2:
        return [work(item) for item in items]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, items))
