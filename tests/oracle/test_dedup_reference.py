"""datasketch's MinHash in place of ours: the same clusters."""

import random
import sys

import numpy as np
import polars as pl
import pytest
from datasketch import MinHash
from pydantic import ValidationError

from factory.config.deduplication import DeduplicationSection
from factory.config.load import load_recipe
from factory.deduplication import deduplicate, signatures
from factory.deduplication.bands import optimal_bands
from factory.text.hashing import mix
from factory.text.ngrams import word_ngram_hashes


def datasketch_keys(texts, settings):
    """The bucket of every text in every LSH band, shape (bands, texts)."""
    bands, width = optimal_bands(settings.threshold, settings.permutations, settings.false_negative_weight)
    hashes, offsets = word_ngram_hashes(texts, settings.ngram)
    grams = np.split(hashes >> np.uint64(32), offsets[1:-1])
    found = MinHash.bulk([each.tolist() for each in grams], num_perm=bands * width, hashfunc=int)
    values = np.array([each.hashvalues for each in found], dtype=np.uint64)
    keys = np.zeros((len(texts), bands), dtype=np.uint64)
    for column in range(width):
        keys = mix(keys ^ mix(values[:, column::width] + np.uint64(1)))
    return keys.T


@pytest.fixture
def by_datasketch(monkeypatch):
    ours = signatures.sign

    def sign(texts, settings, within=None):
        signed = ours(texts, settings, within)
        signed.keys[:] = datasketch_keys(texts, settings) ^ signed.guard
        return signed

    return lambda: monkeypatch.setattr(sys.modules[deduplicate.__module__], "sign", sign)


def corpus():
    rng = random.Random(5)
    words = [f"w{rng.randrange(10**6)}x" for _ in range(900)]
    texts = ["", "", "one two"]
    for _ in range(150):
        base = rng.choices(words, k=60)
        texts += [" ".join(base), " ".join([*base[:-1], rng.choice(words)])]
    return pl.DataFrame({"problem": texts})


def test_clusters_are_the_same(by_datasketch):
    rows = corpus()
    section = DeduplicationSection(threshold=0.8, numbers_differ=False)
    ours = deduplicate(rows, section, field="problem")
    by_datasketch()
    theirs = deduplicate(rows, section, field="problem")
    assert ours.kept["cluster_id"].to_list() == theirs.kept["cluster_id"].to_list()
    assert ours.dropped.height == 151
    assert theirs.dropped.equals(ours.dropped)


def test_numbers_still_part_texts(by_datasketch):
    by_datasketch()
    rows = pl.DataFrame({"problem": ["a b c d e f g h i 1", "a b c d e f g h i 2"]})
    result = deduplicate(rows, DeduplicationSection(threshold=0.5), field="problem")
    assert result.kept.height == 2


def test_unknown_backend():
    with pytest.raises(ValidationError):
        DeduplicationSection(backend="rensa")


@pytest.mark.parametrize("backend", ["fast", "datasketch"])
def test_recipes_of_earlier_versions_still_read(backend):
    recipe = load_recipe("quickstart", [f"deduplication.backend={backend}"])
    assert recipe.deduplication == load_recipe("quickstart").deduplication
