"""Which texts are signed at all, and brute force, against sets in plain Python."""

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.deduplication.audit import brute_force
from factory.deduplication.shingles import Shingles, may_have_a_twin
from factory.deduplication.signatures import read
from factory.deduplication.similarity import jaccard
from factory.text.hashing import mix

texts_of_grams = st.lists(st.lists(st.integers(0, 12), max_size=12), min_size=1, max_size=9)


def shingles(texts):
    values = np.array([v for text in texts for v in text], dtype=np.uint64)
    offsets = np.cumsum([0] + [len(text) for text in texts]).astype(np.int64)
    return Shingles(mix(values), offsets)


def similarity(one, other):
    union = set(one) | set(other)
    return len(set(one) & set(other)) / len(union) if union else 0.0


@settings(max_examples=300, deadline=None)
@given(texts_of_grams, st.sampled_from([0.3, 0.5, 0.8, 1.0]))
def test_no_text_with_a_twin_is_turned_away(texts, threshold):
    guard = np.array([len(text) % 2 for text in texts], dtype=np.uint64)
    may = may_have_a_twin(shingles(texts), guard, threshold)
    for i, text in enumerate(texts):
        for j, other in enumerate(texts):
            if i != j and guard[i] == guard[j] and text and similarity(text, other) >= threshold:
                assert may[i]


def test_texts_without_a_twin_are_turned_away():
    strangers = [[100 * i + j for j in range(30)] for i in range(20)]
    twins = [list(range(9000, 9030)), list(range(9001, 9031))]
    may = may_have_a_twin(shingles([*strangers, *twins]), np.zeros(22, dtype=np.uint64), 0.8)
    assert may.tolist() == [False] * 20 + [True] * 2


@settings(max_examples=300, deadline=None)
@given(texts_of_grams, st.sampled_from([0.3, 0.5, 0.8, 1.0]))
def test_brute_force_and_jaccard_agree_with_sets(texts, threshold):
    together = shingles(texts)
    queries = np.arange(0, len(texts), 2)
    pairs, found = brute_force(together, queries, threshold)
    expected = {
        (i, j): similarity(texts[i], texts[j])
        for i in queries.tolist()
        for j in range(len(texts))
        if i != j and similarity(texts[i], texts[j]) >= threshold
    }
    assert {tuple(p): s for p, s in zip(pairs.tolist(), found.tolist(), strict=True)} == expected
    if len(texts) > 1:
        every = np.array([[0, j] for j in range(1, len(texts))])
        exact = jaccard(every, together.take, np.diff(together.offsets))
        assert exact.tolist() == [similarity(texts[0], texts[j]) for j in range(1, len(texts))]


def test_texts_beyond_the_memory_bound_are_read_alike():
    texts = pl.Series(["one two three four five six", None, "", "one two three four five seven", "x"] * 3)
    kept = read(texts, ngram=3, permutations=32, numbers_differ=True)
    signed = read(texts, ngram=3, permutations=32, numbers_differ=True, keep_bytes=0)
    assert kept.minhash is None
    assert signed.minhash.shape == (15, 32)
    rows = np.array([3, 0, 2, 4])
    for name in ("exact", "guard", "counts"):
        assert np.array_equal(getattr(kept, name), getattr(signed, name))
    assert np.array_equal(kept.grams(rows).values, signed.grams(rows).values)
    assert np.array_equal(kept.grams(rows).offsets, signed.grams(rows).offsets)
