"""Clusters: connected components of the verified pairs, and which row of each stays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from factory.config.deduplication import Keep
from factory.deduplication.bands import Pairs
from factory.deduplication.golds import gold_keys
from factory.text.tokens import Places
from schemas import Verdict


def components(count: int, pairs: Pairs) -> Places:
    """The smallest row index of every row's connected component."""
    labels = np.arange(count, dtype=np.int64)
    left, right = pairs[:, 0], pairs[:, 1]
    while left.size:
        one, other = labels[left], labels[right]
        apart = one != other
        left, right, one, other = left[apart], right[apart], one[apart], other[apart]
        np.minimum.at(labels, np.maximum(one, other), np.minimum(one, other))
        while (labels[labels] != labels).any():
            labels = labels[labels]
    return labels


def traits(rows: pl.DataFrame, texts: pl.Series, sources: Sequence[str] = ()) -> pl.DataFrame:
    """What the rules look at, one row each: numbers by which rows are sorted, smaller first, and the key of the gold.

    0 for absent columns.
    """
    places = {name: i for i, name in enumerate(sources)}
    none = pl.repeat(0, rows.height, dtype=pl.Int32, eager=True)
    verified = answered = source = none
    if "verdict" in rows.columns:
        verified = (rows["verdict"] != Verdict.CORRECT).fill_null(True).cast(pl.Int32)
    if "answer" in rows.columns:
        answered = (rows["answer"].cast(pl.String).fill_null("") == "").cast(pl.Int32)
    if "source" in rows.columns and sources:
        named = rows["source"].cast(pl.String)
        source = named.replace_strict(places, default=len(places), return_dtype=pl.Int32)
    length = texts.str.len_chars().fill_null(0).cast(pl.Int32)
    gold = gold_keys(rows["answer"]) if "answer" in rows.columns else np.zeros(rows.height, np.uint64)
    return pl.DataFrame(
        {"verified": verified, "answered": answered, "source": source, "length": length, "gold": gold}
    )


def preference(found: pl.DataFrame, keep: Sequence[Keep]) -> Places:
    """Rank of every row, 0 for the one that is kept before all others, from `traits`. Ties: the order of the input."""
    names = {Keep.SHORTER: "length", Keep.LONGER: "length", Keep.FIRST: None}
    keys = []
    for rule in keep:
        if (name := names.get(rule, rule.value)) is not None:
            key = found[name].to_numpy()
            keys.append(-key if rule is Keep.LONGER else key)
    ranks = np.empty(found.height, dtype=np.int64)
    ranks[np.lexsort((np.arange(found.height), *reversed(keys)))] = np.arange(found.height)
    return ranks


def survivors(labels: Places, ranks: Places) -> Places:
    """For every row the index of the best-ranked row of its cluster."""
    best, by_rank = np.full(labels.size, labels.size), np.empty_like(labels)
    np.minimum.at(best, labels, ranks)
    by_rank[ranks] = np.arange(labels.size)
    return by_rank[best[labels]]
