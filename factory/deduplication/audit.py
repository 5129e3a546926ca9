"""Self-audit: on a random sample, what brute force finds is compared with what the clusters say."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from factory.deduplication.bands import Pairs
from factory.deduplication.signatures import Signatures
from factory.deduplication.similarity import Texts, shingle_sets
from factory.recipe.deduplication import DeduplicationSection
from factory.text.tokens import Places

QUERIES = 500
"""Rows that are compared by brute force ..."""
CORPUS = 5_000
"""... with this many rows ..."""
CORPUS_BYTES = 4 * 2**20
"""... or so much text, whichever is less: the audit must not cost more than the work."""


def measure_recall(
    signatures: Signatures,
    labels: Places,
    texts: Texts,
    sizes: Places,
    settings: DeduplicationSection,
    *,
    seed: int,
) -> dict[str, Any]:
    """Share of the true pairs of a random sample whose rows are in one cluster.

    Returns:
        `audit_pairs`: true pairs in the sample; `audit_found`: of them in one cluster; `recall`: None without pairs.
    """
    count = len(signatures)
    rng = np.random.default_rng(seed)
    affordable = int(CORPUS_BYTES / max(float(sizes.mean()), 1)) if count else 0
    corpus = np.sort(rng.choice(count, size=min(CORPUS, max(affordable, 200), count), replace=False))
    queries = np.sort(rng.choice(corpus.size, size=min(QUERIES, corpus.size), replace=False))
    pairs, similarities = brute_force(
        texts(corpus).str.len_bytes().to_numpy() > 0, queries, texts, corpus, settings.ngram
    )
    true = pairs[similarities >= settings.threshold]
    left, right = corpus[true[:, 0]], corpus[true[:, 1]]
    same = signatures.guard[left] == signatures.guard[right]
    found = int((labels[left[same]] == labels[right[same]]).sum())
    total = int(same.sum())
    return {"audit_pairs": total, "audit_found": found, "recall": found / total if total else None}


def brute_force(
    filled: npt.NDArray[np.bool_], queries: Places, texts: Texts, corpus: Places, ngram: int
) -> tuple[Pairs, npt.NDArray[np.float64]]:
    """All pairs of a query and another row of the corpus that share an n-gram, with their exact similarity."""
    keys, bounds = shingle_sets(texts(corpus), ngram)
    hashes, owner = keys & np.uint64(2**40 - 1), (keys >> np.uint64(40)).astype(np.int64)
    sizes = np.diff(bounds)
    asking = np.isin(owner, queries)
    order = np.argsort(hashes[asking], kind="stable")
    table, asker = hashes[asking][order], owner[asking][order]
    low, high = np.searchsorted(table, hashes, "left"), np.searchsorted(table, hashes, "right")
    counts = high - low
    place = (
        np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(low, counts)
    )
    met = asker[place] * corpus.size + np.repeat(owner, counts)
    codes, shared = np.unique(met, return_counts=True)
    left, right = codes // max(corpus.size, 1), codes % max(corpus.size, 1)
    other = (left != right) & filled[left]
    left, right, shared = left[other], right[other], shared[other]
    similarity = shared / (sizes[left] + sizes[right] - shared)
    return np.stack([left, right], axis=1), similarity
