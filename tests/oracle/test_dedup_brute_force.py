"""The clusters against brute force: every pair of texts compared by sets of Python tuples."""

import random

import polars as pl
import pytest

from factory.config.deduplication import DeduplicationSection
from factory.deduplication import deduplicate
from factory.deduplication.signatures import NUMBER_WORDS, OPPOSITES
from factory.text.canonical import canonical_text

TELLING = {*NUMBER_WORDS.split(), *OPPOSITES.split()}
WORDS = [
    f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in "nrstlm" if f"{a}{b}{c}" not in TELLING
]
"""None that is ten, or sin: texts that differ in such a word are no duplicates, however similar."""


def corpus(count, seed):
    """Texts in families: copies with some words replaced, so that every similarity occurs."""
    rng = random.Random(seed)
    texts = []
    while len(texts) < count:
        base = [rng.choice(WORDS) for _ in range(rng.randint(12, 90))]
        for _ in range(rng.choice([1, 1, 1, 2, 3, 6])):
            share = rng.choice([0, 0.005, 0.01, 0.02, 0.04])
            texts.append(" ".join(rng.choice(WORDS) if rng.random() < share else w for w in base))
    rng.shuffle(texts)
    return texts[:count]


def true_pairs(texts, threshold, n=5):
    sets = []
    for text in canonical_text(pl.Series(texts)):
        words = text.split()
        sets.append({tuple(words[i : i + n]) for i in range(max(len(words) - n + 1, 1))})
    found = set()
    for i, one in enumerate(sets):
        for j in range(i):
            if one & sets[j] and len(one & sets[j]) / len(one | sets[j]) >= threshold:
                found.add((j, i))
    return found


@pytest.mark.parametrize("threshold", [0.7, 0.8, 0.9])
def test_recall_and_precision_against_brute_force(threshold):
    texts = corpus(700, seed=int(threshold * 10))
    truth = true_pairs(texts, threshold)
    assert len(truth) > 100
    table = pl.DataFrame({"id": [str(i) for i in range(len(texts))], "problem": texts})
    result = deduplicate(table, DeduplicationSection(threshold=threshold), field="problem")
    merged = {tuple(sorted(pair)) for pair in result.pairs.select("left", "right").rows()}
    assert merged <= truth  # no false merge, ever
    assert len(connected(truth, texts) & connected(merged, texts)) / len(connected(truth, texts)) >= 0.98


def connected(pairs, texts):
    """All pairs of texts that the pairs join, directly or through others."""
    label = list(range(len(texts)))

    def root(i):
        while label[i] != i:
            i = label[i]
        return i

    for i, j in pairs:
        label[root(i)] = root(j)
    groups = {}
    for i in range(len(texts)):
        groups.setdefault(root(i), []).append(i)
    return {(a, b) for members in groups.values() for k, b in enumerate(members) for a in members[:k]}
