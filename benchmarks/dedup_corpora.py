"""The corpora of the deduplication benchmark: generated families of near-duplicates, and the shared data."""

from __future__ import annotations

import json
import random
from pathlib import Path


def sentences(rng: random.Random, words: list[str], count: int) -> str:
    return " ".join(rng.choices(words, k=count))


def family(rng: random.Random, words: list[str], count: int) -> list[str]:
    """A text and, now and then, copies with a few words changed."""
    base = sentences(rng, words, count).split()
    copies = [" ".join(base)]
    while rng.random() < 0.25:
        share = rng.choice([0, 0.002, 0.005, 0.01, 0.02])
        copies.append(" ".join(rng.choice(words) if rng.random() < share else w for w in base))
    return copies


def generated(count: int, low: int, high: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 9))) for _ in range(5000)]
    texts: list[str] = []
    while len(texts) < count:
        texts += family(rng, words, rng.randint(low, high))
    return texts[:count]


def traces(count: int) -> list[str]:
    return generated(count, 800, 2200, 1)


def problems(count: int) -> list[str]:
    return generated(count, 20, 90, 2)


def shared(data: Path) -> list[str]:
    texts = []
    for name, column in (
        ("seeds/deepscaler_40k", "problem"),
        ("traces/mip_overthinking_long_cot", "response"),
    ):
        texts += [json.loads(line)[column] for line in (data / f"{name}.jsonl").open(encoding="utf-8")]
    return texts
