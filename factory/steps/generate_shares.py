"""Several teachers: which of them is asked for which sample, and what they came to together."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Any

from factory.config.endpoint import Address
from factory.config.generate import GenerateSection
from factory.sampling.rows import FIRST, INDICES, MISSING

GOLDEN = 0.618033988749895
"""Multiples of the golden ratio's fraction lie evenly between 0 and 1, however many there are."""


def teachers_of(section: GenerateSection) -> list[GenerateSection]:
    """A section per teacher: the first one's, then those of the others."""
    first = section.model_copy(update={"others": []})
    return [
        first,
        *(
            first.model_copy(
                update={
                    "teacher": each.teacher,
                    **{name: getattr(each, name) for name in Address.model_fields},
                }
            )
            for each in section.others
        ),
    ]


def shared_out(
    problems: Callable[[], Iterator[dict[str, Any]]], section: GenerateSection, place: int
) -> Iterator[dict[str, Any]]:
    """The problems, each with the indices of the samples that the teacher at a place is asked for.

    Whose a sample is depends on the problem's id, its index and the shares alone: more samples or other problems move none.
    """
    bounds = list(accumulate(each.share for each in section.others))
    for problem in problems():
        first, count = problem.get(FIRST, 0), problem.get(MISSING, section.samples)
        digest = hashlib.blake2b(str(problem["id"]).encode(), digest_size=8).digest()
        start = int.from_bytes(digest, "big") / 2**64
        mine = [n for n in range(first, first + count) if _whose((start + n * GOLDEN) % 1, bounds) == place]
        yield problem | {INDICES: mine}


def _whose(point: float, bounds: Sequence[float]) -> int:
    """0 for the first teacher, whose part lies above the others' bounds."""
    return next((number for number, bound in enumerate(bounds, start=1) if point < bound), 0)


def summed(totals: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Totals of jobs together: numbers and counts are added, lists joined, names put beside each other."""
    if len(totals) == 1:
        return totals[0]
    return {
        name: _sum([each[name] for each in totals if name in each])
        for name in dict.fromkeys(n for t in totals for n in t)
    }


def _sum(values: list[Any]) -> Any:
    if isinstance(values[0], dict):
        return dict(sorted(sum(map(Counter, values), Counter()).items()))
    if isinstance(values[0], list):
        return [item for each in values for item in each]
    return " + ".join(dict.fromkeys(values)) if isinstance(values[0], str) else sum(values)
