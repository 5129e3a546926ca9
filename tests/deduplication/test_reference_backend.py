"""datasketch as the backend: the same clusters, in memory and as a step."""

import random

import polars as pl
import pytest
from pydantic import ValidationError

from factory.config.deduplication import DeduplicationSection
from factory.deduplication import deduplicate


def corpus():
    rng = random.Random(5)
    words = [f"w{rng.randrange(10**6)}x" for _ in range(900)]
    texts = ["", "", "one two"]
    for _ in range(150):
        base = rng.choices(words, k=60)
        texts += [" ".join(base), " ".join([*base[:-1], rng.choice(words)])]
    return pl.DataFrame({"problem": texts})


def test_clusters_are_the_same():
    rows = corpus()
    settings = dict(threshold=0.8, numbers_differ=False)
    ours = deduplicate(rows, DeduplicationSection(**settings), field="problem")
    theirs = deduplicate(rows, DeduplicationSection(**settings, backend="datasketch"), field="problem")
    assert ours.kept["cluster_id"].to_list() == theirs.kept["cluster_id"].to_list()
    assert ours.dropped.height == 151
    assert theirs.dropped.equals(ours.dropped)


def test_numbers_still_part_texts():
    rows = pl.DataFrame({"problem": ["a b c d e f g h i 1", "a b c d e f g h i 2"]})
    result = deduplicate(rows, DeduplicationSection(threshold=0.5, backend="datasketch"), field="problem")
    assert result.kept.height == 2


def test_unknown_backend():
    with pytest.raises(ValidationError):
        DeduplicationSection(backend="rensa")
