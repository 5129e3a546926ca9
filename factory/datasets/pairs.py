"""Pairs of a chosen and a rejected response: which goes with which, and the PREFERENCE table."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from factory.config.prompt import Given
from factory.datasets.pair_inputs import COLUMNS
from factory.datasets.render import completion_column, prompt_column
from factory.progress import watch

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
    """At most `count` pairs of one problem, best first; no text is used twice.

    Sides of the same format (both boxed or neither) come first, so that the box does not tell them apart; then:
    - `nearest_length`: the smallest ratio of lengths;
    - `hardest_negative`: the wrong answer that is given most often, then the most similar text;
    - `most_different`: the least similar text;
    - `longest_chosen`: the longest right answer with the shortest wrong one, which is what a careless set looks like.

    Args:
        chosen: correct responses.
        rejected: responses to be rejected.
        rule: one of the above.
        count: pairs per problem, at most.
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
        texts = [(side["reasoning"], side["content"]) for side in (chosen[key[0]], rejected[key[1]])]
        if texts[0] in used[0] or texts[1] in used[1] or alike[key] > max_similarity:
            continue
        used[0].add(texts[0])
        used[1].add(texts[1])
        pairs.append(Pair(chosen[key[0]], rejected[key[1]], alike[key]))
    return pairs


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


PROBLEM_COLUMNS = [
    "problem_id", "problem", "choices", "source", "licence", "domain", "level", "answer", "metadata",
]  # fmt: skip


def pair_problems(
    problems: Sequence[str],
    chosen: pl.DataFrame,
    rejected: pl.DataFrame,
    *,
    rule: str,
    per_problem: int,
    max_similarity: float,
) -> list[Pair]:
    """The pairs of every problem, in the order of `problems`."""
    right, wrong = _by_problem(chosen), _by_problem(rejected)
    pairs: list[Pair] = []
    with watch("pairs", len(problems), "problems") as task:
        for problem in problems:
            if problem in right and problem in wrong:
                pairs += pair_up(right[problem], wrong[problem], rule, per_problem, max_similarity)
            task.advance()
    return pairs


def pair_table(
    pairs: Sequence[Pair], problems: pl.DataFrame, *, rule: str, prompt: Given, system: str | None
) -> pl.DataFrame:
    """PREFERENCE rows, with the pair's `similarity` as a further column.

    Args:
        pairs: what was paired up.
        problems: `PROBLEM_COLUMNS`, one row per problem.
        rule: name of the rule, for `pair_rule`.
        prompt: text or messages.
        system: system message.
    """
    schema = {name: pl.Int64 if name == "completion_tokens" else pl.String for name in COLUMNS}
    sides = {
        side: pl.DataFrame([{k: getattr(pair, side)[k] for k in COLUMNS} for pair in pairs], schema=schema)
        for side in ("chosen", "rejected")
    }
    table = pl.DataFrame(
        {
            "problem_id": sides["chosen"]["problem_id"],
            **{side: completion_column(rows, side) for side, rows in sides.items()},
            **{f"{side}_response_id": rows["response_id"] for side, rows in sides.items()},
            **{f"{side}_sampler": rows["sampler"] for side, rows in sides.items()},
            **{f"{side}_tokens": rows["completion_tokens"].cast(pl.Int32) for side, rows in sides.items()},
            "pair_rule": pl.Series([rule] * len(pairs), dtype=pl.String),
            "similarity": pl.Series([pair.similarity for pair in pairs], dtype=pl.Float64),
        }
    )
    table = table.join(problems, on="problem_id", how="left", maintain_order="left")
    return table.with_columns(prompt_column(table, prompt, system)).drop(
        "problem", "choices", "metadata", strict=False
    )


def _by_problem(rows: pl.DataFrame) -> dict[str, list[dict[str, Any]]]:
    grouped: dict[str, list[dict[str, Any]]] = {}
    for row in rows.iter_rows(named=True):
        grouped.setdefault(row["problem_id"], []).append(row)
    return grouped
