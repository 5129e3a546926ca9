"""Pairs of a problem: which rejected response goes with which chosen one."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

BOX = "\\boxed"

Response = Mapping[str, Any]
Text = tuple[Any, Any]


@dataclass(frozen=True, slots=True)
class Pair:
    """One chosen and one rejected response of a problem, and how alike they are (0 to 1)."""

    chosen: Response
    rejected: Response
    similarity: float


def pair_up(
    chosen: Sequence[Response],
    rejected: Sequence[Response],
    rule: str,
    count: int,
    max_similarity: float = 0.95,
) -> list[Pair]:
    """At most `count` pairs of one problem, best first, no text used twice.

    Sides of the same format (both boxed or neither) come first, so that the box does not tell them apart; then:
    - `nearest_length`: the smallest ratio of lengths;
    - `hardest_negative`: the wrong answer that is given most often, then the most similar text;
    - `most_different`: the least similar text;
    - `longest_chosen`: the longest right answer with the shortest wrong one, which is what a careless set looks like.

    Args:
        chosen: correct responses.
        rejected: responses to be rejected.
        rule: one of the above.
        count: pairs wanted.
        max_similarity: pairs more alike than this are not made.
    """
    grams = [[word_ngrams(response) for response in side] for side in (chosen, rejected)]
    alike = {(i, j): jaccard(a, b) for i, a in enumerate(grams[0]) for j, b in enumerate(grams[1])}
    given = Counter(response["extracted"] for response in rejected)

    def rank(key: tuple[int, int]) -> tuple[float, ...]:
        one, other = chosen[key[0]], rejected[key[1]]
        format_differs = float(boxed(one) != boxed(other))
        ratio = abs(math.log(max(length(one), 1) / max(length(other), 1)))
        if rule == "nearest_length":
            return format_differs, ratio
        if rule == "longest_chosen":
            return format_differs, length(other) - length(one)
        if rule == "hardest_negative":
            return format_differs, -given[other["extracted"]], -alike[key]
        return format_differs, alike[key], ratio

    pairs: list[Pair] = []
    used: tuple[set[Text], set[Text]] = (set(), set())
    for key in sorted(alike, key=lambda key: (*rank(key), *key)):
        if len(pairs) == count:
            break
        texts = [text_of(chosen[key[0]]), text_of(rejected[key[1]])]
        if texts[0] in used[0] or texts[1] in used[1] or alike[key] > max_similarity:
            continue
        used[0].add(texts[0])
        used[1].add(texts[1])
        pairs.append(Pair(chosen[key[0]], rejected[key[1]], alike[key]))
    return pairs


def text_of(response: Response) -> Text:
    """What a response says: reasoning and answer."""
    return response["reasoning"], response["content"]


def length(response: Response) -> int:
    """Characters of reasoning and answer: the one unit that teacher and student share."""
    return len(response["reasoning"] or "") + len(response["content"] or "")


def boxed(response: Response) -> bool:
    """True when the answer part has a box."""
    return BOX in (response["content"] or "")


def word_ngrams(response: Response, words: int = 3) -> Counter[tuple[str, ...]]:
    """Multiset of the word n-grams of a response."""
    text = f"{response['reasoning'] or ''} {response['content'] or ''}".split()
    return Counter(zip(*(text[k:] for k in range(words)), strict=False))


def jaccard(one: Counter[Any], other: Counter[Any]) -> float:
    """Jaccard similarity of two multisets, 0 to 1; two empty ones are the same."""
    whole = (one | other).total()
    return (one & other).total() / whole if whole else 1.0
