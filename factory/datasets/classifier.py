"""A small linear classifier over words, shipped as a table of weights.

`benchmarks/labels.py --fit` makes `weights.json` from labelled problem sets (MATH's training split, GSM8K's, Ape210K,
Big-Math; none of their text is in it) and measures it on others. No package beyond numpy is needed to use it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

READ = 4_000
"""Characters of a problem that are looked at."""
_WORD = re.compile(r"\\[a-zA-Z]+|[a-zA-Z]{2,}|[\u4e00-\u9fff]|\d+|[$%=^<>]")


@lru_cache(maxsize=1)  # domain and level are asked of the same problem, one after the other
def words_of(problem: str) -> frozenset[str]:
    """What stands in a problem: words, LaTeX commands, Chinese characters and pairs, number sizes, signs."""
    found = [match.group().lower() for match in _WORD.finditer(problem[:READ])]
    words = {_number(word) if word[0].isdigit() else word for word in found}
    pairs = {a + b for a, b in pairwise(found) if a >= "\u4e00" and b >= "\u4e00"}
    length = f"<length {min(len(found) // 20, 10)}>"
    return frozenset(words | pairs | {length, "<latex>" if "$" in problem or "\\" in problem else "<plain>"})


def _number(digits: str) -> str:
    return f"<{min(len(digits), 5)} digits>"


@dataclass(frozen=True, slots=True)
class Classifier:
    """Weights of one task: `weights[word]` has one number a class, `bias` the class offsets."""

    classes: tuple[str, ...]
    bias: NDArray[np.float32]
    vocabulary: dict[str, int]
    weights: NDArray[np.float32]

    def scores(self, problem: str) -> NDArray[np.float32]:
        """Log-probabilities of the classes, shape (classes,)."""
        rows = [self.vocabulary[word] for word in words_of(problem) if word in self.vocabulary]
        raw = self.bias + self.weights[rows].sum(axis=0)
        top = raw.max()
        return np.asarray(raw - top - np.log(np.exp(raw - top).sum()), np.float32)


def from_table(table: dict[str, Any]) -> Classifier:
    """A classifier from its part of `weights.json`: integers that `scale` makes real."""
    words = list(table["weights"])
    weights = np.array([table["weights"][word] for word in words], np.float32) * table["scale"]
    bias = np.array(table["bias"], np.float32)
    return Classifier(tuple(table["classes"]), bias, {w: i for i, w in enumerate(words)}, weights)


@cache
def shipped(task: str) -> Classifier:
    """The classifier that comes with the package: `domain` or `level`."""
    text = resources.files("factory.datasets").joinpath("weights.json").read_text("utf-8")
    return from_table(json.loads(text)[task])
