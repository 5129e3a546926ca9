"""Pairs of a problem: which rejected response goes with which chosen one."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NEAR_IDENTICAL = 0.95
"""Similarity from which two sides say the same: such a pair teaches nothing but noise."""

Response = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Pair:
    """One chosen and one rejected response of a problem, and how alike they are (0 to 1)."""

    chosen: Response
    rejected: Response
    similarity: float


def similarity(one: Response, other: Response, words: int = 3) -> float:
    """Jaccard similarity of the word n-gram multisets of two responses, 0 to 1."""
    a, b = _ngrams(one, words), _ngrams(other, words)
    whole = (a | b).total()
    return (a & b).total() / whole if whole else 1.0


def length(response: Response) -> int:
    """Tokens as its sampler counted them, else characters."""
    tokens = response["completion_tokens"]
    return int(tokens) if tokens else len(response["reasoning"] or "") + len(response["content"] or "")


def pair_up(chosen: Sequence[Response], rejected: Sequence[Response], rule: str, count: int) -> list[Pair]:
    """At most `count` pairs of one problem, best first by the rule, no response used twice.

    Args:
        chosen: correct responses.
        rejected: incorrect responses.
        rule: `nearest_length` (smallest ratio of lengths), `hardest_negative` (the wrong answer that is given most
            often, then the most similar text) or `most_different` (the least similar text).
        count: pairs wanted.
    """
    alike = {(i, j): similarity(c, r) for i, c in enumerate(chosen) for j, r in enumerate(rejected)}
    given = Counter(r["extracted"] for r in rejected)

    def rank(key: tuple[int, int]) -> tuple[float, ...]:
        i, j = key
        ratio = abs(math.log(max(length(chosen[i]), 1) / max(length(rejected[j]), 1)))
        if rule == "nearest_length":
            return (ratio,)
        if rule == "hardest_negative":
            return (-given[rejected[j]["extracted"]], -alike[key])
        return (alike[key], ratio)

    pairs: list[Pair] = []
    used_chosen: set[int] = set()
    used_rejected: set[int] = set()
    for i, j in sorted(alike, key=lambda key: (*rank(key), key)):
        if len(pairs) == count:
            break
        if i in used_chosen or j in used_rejected or alike[i, j] >= NEAR_IDENTICAL:
            continue
        used_chosen.add(i)
        used_rejected.add(j)
        pairs.append(Pair(chosen[i], rejected[j], alike[i, j]))
    return pairs


def _ngrams(response: Response, words: int) -> Counter[tuple[str, ...]]:
    text = f"{response['reasoning'] or ''} {response['content'] or ''}".split()
    return Counter(zip(*(text[k:] for k in range(words)), strict=False))
