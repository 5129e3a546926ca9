"""Clusters: connected components of the verified pairs, and which row of each stays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from factory.deduplication.bands import Pairs
from factory.recipe.deduplication import Keep
from factory.text.tokens import Places
from schemas import Verdict


def components(count: int, pairs: Pairs) -> Places:
    """The smallest row index of every row's connected component.

    Labels are lowered along the pairs and then along the labels themselves until nothing changes.
    """
    labels = np.arange(count)
    left, right = pairs[:, 0], pairs[:, 1]
    while True:
        low = np.minimum(labels[left], labels[right])
        before = labels.copy()
        np.minimum.at(labels, labels[left], low)
        np.minimum.at(labels, labels[right], low)
        labels = np.minimum(labels, labels[labels])
        labels = labels[labels]
        if np.array_equal(labels, before):
            return labels


def preference(
    rows: pl.DataFrame, texts: pl.Series, keep: Sequence[Keep], sources: Sequence[str] = ()
) -> Places:
    """Rank of every row, 0 for the one that is kept before all others. The order of the input decides ties."""
    keys = [key for rule in keep if (key := _key(rule, rows, texts, sources)) is not None]
    ranks = np.empty(rows.height, dtype=np.int64)
    ranks[np.lexsort((np.arange(rows.height), *reversed(keys)))] = np.arange(rows.height)
    return ranks


def survivors(labels: Places, ranks: Places) -> Places:
    """For every row the index of the best-ranked row of its cluster."""
    by_rank = np.argsort(ranks)
    _, first, inverse = np.unique(labels[by_rank], return_index=True, return_inverse=True)
    result = np.empty_like(labels)
    result[by_rank] = by_rank[first][inverse]
    return result


def _key(rule: Keep, rows: pl.DataFrame, texts: pl.Series, sources: Sequence[str]) -> Places | None:
    """Numbers by which rows are sorted, smaller first; None when the rows lack the column or order decides."""
    if rule is Keep.VERIFIED and "verdict" in rows.columns:
        return (rows["verdict"] != Verdict.CORRECT).fill_null(True).to_numpy().astype(np.int64)
    if rule is Keep.ANSWERED and "answer" in rows.columns:
        return (rows["answer"].cast(pl.String).fill_null("") == "").to_numpy().astype(np.int64)
    if rule is Keep.SOURCE and "source" in rows.columns and sources:
        places = {name: i for i, name in enumerate(sources)}
        return np.array([places.get(name, len(places)) for name in rows["source"]])
    lengths = texts.str.len_chars().fill_null(0).to_numpy().astype(np.int64)
    if rule is Keep.SHORTER:
        return lengths
    return -lengths if rule is Keep.LONGER else None
