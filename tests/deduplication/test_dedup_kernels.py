"""MinHash, n-gram sets, exhaustive comparison and components, against sets in plain Python."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.config.deduplication import DeduplicationSection
from factory.deduplication import signatures
from factory.deduplication.audit import all_pairs, draw_sample, measure_recall
from factory.deduplication.clusters import components
from factory.deduplication.signatures import permutations, sign
from factory.deduplication.similarity import GramSets, gram_sets, similarities
from factory.text import compiled
from factory.text.canonical import canonical_text
from factory.text.hashing import mix
from factory.text.ngrams import text_hashes, word_ngram_hashes
from factory.text.tokens import flat

pytestmark = pytest.mark.usefixtures("both_codes")

SECTION = DeduplicationSection(ngram=1)


def sets_of(texts):
    unique = [sorted(set(text)) for text in texts]
    grams = mix(np.array([gram for text in unique for gram in text], dtype=np.uint64) + np.uint64(1))
    return GramSets(grams, np.cumsum([0] + [len(text) for text in unique]).astype(np.int64))


def similarity(one, other):
    union = set(one) | set(other)
    return len(set(one) & set(other)) / len(union) if union else 0.0


def letters(number):
    return "".join(chr(97 + int(digit)) for digit in str(number))


def pair_of_similarity(shared, alone, family=0):
    words = [f"{letters(family)}q{letters(i)}" for i in range(shared + 2 * alone)]
    return " ".join(words[: shared + alone]), " ".join(words[:shared] + words[shared + alone :])


def keys_of_single_permutations(texts, count):
    read = signatures._sign_compiled if compiled.active() else signatures._sign_arrays
    return read(pl.Series(texts), DeduplicationSection(ngram=1, numbers_differ=False), count, 1).keys


@pytest.mark.parametrize(("shared", "alone"), [(200, 300), (300, 60), (40, 10), (700, 20)])
def test_equal_minima_estimate_the_jaccard_similarity_without_bias(shared, alone):
    """Over 4,000 permutations the share of equal minima lies within four standard errors of the similarity."""
    truth = shared / (shared + 2 * alone)
    keys = keys_of_single_permutations(pair_of_similarity(shared, alone), 4000)
    assert abs((keys[:, 0] == keys[:, 1]).mean() - truth) < 4 * math.sqrt(truth * (1 - truth) / 4000)


def test_minima_of_different_permutations_are_independent():
    """Of 300 pairs of one similarity, the number of equal minima of 128 spreads as a binomial does."""
    truth = 80 / 120
    equal = []
    for i in range(300):
        keys = keys_of_single_permutations(pair_of_similarity(80, 20, family=i), 128)
        equal.append(int((keys[:, 0] == keys[:, 1]).sum()))
    assert abs(np.mean(equal) - 128 * truth) < 4 * math.sqrt(128 * truth * (1 - truth) / 300)
    assert 0.7 < np.var(equal) / (128 * truth * (1 - truth)) < 1.4


def test_permutations_are_bijections_and_all_different():
    factors, terms = permutations(1000)
    assert (factors % 2 == 1).all()
    assert len(set(zip(factors.tolist(), terms.tolist(), strict=True))) == 1000


texts_of_words = st.lists(
    st.lists(st.sampled_from(["a", "bc", "\\frac", "12", "-", "é", "日", "+", "x1", "two"]), max_size=14).map(
        " ".join
    ),
    max_size=8,
)


@settings(max_examples=200, deadline=None)
@given(texts_of_words, st.integers(1, 6))
def test_gram_sets_are_the_different_ngrams(texts, ngram):
    series = pl.Series(texts, dtype=pl.String)
    hashes, offsets = word_ngram_hashes(series, ngram)
    sets = gram_sets(series, ngram)
    for i in range(len(texts)):
        own = sets.grams[sets.offsets[i] : sets.offsets[i + 1]].tolist()
        assert own == list(dict.fromkeys(hashes[offsets[i] : offsets[i + 1]].tolist()))


@settings(max_examples=200, deadline=None)
@given(texts_of_words)
def test_signatures_know_equal_texts_and_equal_numbers(texts):
    """Also beside each other: what ends one text does not touch the next."""
    signed = sign(pl.Series(texts, dtype=pl.String), SECTION)
    canonical = canonical_text(pl.Series(texts, dtype=pl.String)).to_list()
    for i, text in enumerate(texts):
        alone = sign(pl.Series([text]), SECTION)
        for name in ("exact", "guard", "counts", "draw"):
            assert getattr(alone, name)[0] == getattr(signed, name)[i], name
        assert np.array_equal(alone.keys[:, 0], signed.keys[:, i])
        for j in range(i):
            if canonical[i] or canonical[j]:
                assert (signed.exact[i] == signed.exact[j]) == (canonical[i] == canonical[j])


def test_texts_without_words_are_known_by_their_bytes():
    texts = pl.Series(["???", "", "?;", "???", "~" * 30, "~" * 31, "", "~" * 30])
    exact = sign(texts, SECTION).exact
    assert exact.tolist() == (text_hashes(*flat(texts))).tolist()
    assert [exact[i] == exact[j] for i, j in ((0, 3), (1, 6), (4, 7), (0, 2), (4, 5))] == [True] * 3 + [
        False
    ] * 2


texts_of_grams = st.lists(st.lists(st.integers(0, 12), max_size=12), min_size=1, max_size=9)


@settings(max_examples=300, deadline=None)
@given(texts_of_grams, st.sampled_from([0.3, 0.5, 0.8, 1.0]))
def test_the_exhaustive_comparison_and_jaccard_agree_with_sets(texts, threshold):
    pairs, found = all_pairs(sets_of(texts), threshold)
    expected = {
        (i, j): similarity(texts[i], texts[j])
        for j in range(len(texts))
        for i in range(j)
        if similarity(texts[i], texts[j]) >= threshold
    }
    assert {tuple(p): s for p, s in zip(pairs.tolist(), found.tolist(), strict=True)} == expected
    every = np.array([[i, j] for j in range(len(texts)) for i in range(j)], dtype=np.int64).reshape(-1, 2)
    exact = similarities(every, sets_of(texts))
    assert exact.tolist() == [similarity(texts[i], texts[j]) for i, j in every.tolist()]


@settings(max_examples=200, deadline=None)
@given(
    st.integers(1, 12).flatmap(
        lambda n: st.tuples(st.just(n), st.lists(st.tuples(*[st.integers(0, n - 1)] * 2)))
    )
)
def test_components_are_the_smallest_row_that_can_be_reached(case):
    count, edges = case
    reached = {i: {i} for i in range(count)}
    for _ in range(count):
        for i, j in edges:
            joined = reached[i] | reached[j]
            for k in joined:
                reached[k] = joined
    labels = components(count, np.array(edges, dtype=np.int64).reshape(-1, 2))
    assert labels.tolist() == [min(reached[i]) for i in range(count)]


def corpus(pairs, shared, alone):
    texts = []
    for i in range(pairs):
        texts += pair_of_similarity(shared, alone, family=i)
    return pl.Series(texts)


def test_a_sample_of_few_rows_has_as_large_a_share_of_the_pairs(monkeypatch):
    monkeypatch.setattr("factory.deduplication.audit.LEAST_GRAMS", 0)
    monkeypatch.setattr("factory.deduplication.audit.SHARE", 0.1)
    texts = corpus(2000, 54, 3)
    signed = sign(texts, SECTION)
    sample, share = draw_sample(signed.draw, signed.counts)
    assert abs(share - 0.1) < 0.02
    assert abs(sample.size - 400) <= 4
    assert (np.diff(sample) > 0).all()
    chosen = set(sample.tolist())
    assert 150 < sum(2 * i in chosen and 2 * i + 1 in chosen for i in range(2000)) < 210


def test_recall_is_what_the_clusters_know(monkeypatch):
    monkeypatch.setattr("factory.deduplication.audit.SHARE", 0.2)
    monkeypatch.setattr("factory.deduplication.audit.LEAST_GRAMS", 0)
    texts = corpus(2000, 54, 3)
    signed = sign(texts, SECTION)
    labels = np.arange(4000) // 2
    labels[:1000] = np.arange(1000) + 5000  # a quarter of the pairs is not known
    sample, share = draw_sample(signed.draw, signed.counts)
    read = lambda rows: gram_sets(texts.gather(rows), 1)  # noqa: E731
    audit = measure_recall(sample, share, read, signed.guard, labels, 0.8)
    assert audit["audit_pairs"] > 300
    assert 0.65 < audit["recall"] < 0.85
    everything = measure_recall(np.arange(4000), 1.0, read, signed.guard, labels, 0.8)
    assert everything == {"audit_rows": 4000, "audit_pairs": 2000, "audit_found": 1500, "recall": 0.75}
