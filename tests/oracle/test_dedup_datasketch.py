"""Against datasketch: another MinHash and another LSH index with the same bands, over the same n-grams."""

import random

import numpy as np
import polars as pl
import pytest
from datasketch import MinHash, MinHashLSH

from factory.config.deduplication import DeduplicationSection
from factory.deduplication import deduplicate
from factory.deduplication.bands import optimal_bands
from factory.deduplication.clusters import components
from factory.deduplication.similarity import gram_sets, similarities

WORDS = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in "nrstlm"]


def corpus(count, seed):
    rng = random.Random(seed)
    texts = []
    while len(texts) < count:
        base = [rng.choice(WORDS) for _ in range(rng.randint(15, 120))]
        for _ in range(rng.choice([1, 1, 2, 3])):
            share = rng.choice([0, 0.005, 0.02, 0.05])
            texts.append(" ".join(rng.choice(WORDS) if rng.random() < share else w for w in base))
    rng.shuffle(texts)
    return pl.Series(texts[:count])


def datasketch_pairs(sets, threshold, section):
    """Pairs that datasketch proposes, kept if their exact similarity reaches the threshold."""
    bands = optimal_bands(threshold, section.permutations, section.false_negative_weight)
    index = MinHashLSH(num_perm=section.permutations, params=bands)
    proposed = []
    for i in range(sets.offsets.size - 1):
        signature = MinHash(num_perm=section.permutations)
        grams = sets.grams[sets.offsets[i] : sets.offsets[i + 1]]
        signature.update_batch([gram.tobytes() for gram in grams])
        proposed += [(j, i) for j in index.query(signature)]
        index.insert(i, signature)
    pairs = np.array(sorted(proposed), dtype=np.int64).reshape(-1, 2)
    return pairs[similarities(pairs, sets) >= threshold]


@pytest.mark.parametrize("threshold", [0.7, 0.8, 0.9])
def test_clusters_are_those_of_datasketch(threshold):
    texts = corpus(800, seed=int(threshold * 100))
    section = DeduplicationSection(threshold=threshold, numbers_differ=False)
    theirs = datasketch_pairs(gram_sets(texts, section.ngram), threshold, section)
    ours = deduplicate(pl.DataFrame({"problem": texts}), section, field="problem").pairs
    one = components(800, theirs)
    other = components(800, ours.select("left", "right").to_numpy())
    assert len(theirs) > 100
    assert (one[theirs[:, 0]] == one[theirs[:, 1]]).all()
    # Each misses a pair at the threshold now and then, not the same ones.
    assert (other[theirs[:, 0]] == other[theirs[:, 1]]).mean() >= 0.98
    assert (one == other).mean() >= 0.98
