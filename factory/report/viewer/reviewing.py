"""Marks of several reviewers: what each said last, how far they are, and how often two of them agree."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from factory.run.review import Mark, Review

DECISIONS = (Mark.ACCEPT, Mark.REJECT)
FIELDS = ("id", "mark", "note", "reviewer", "at")


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two reviewers on the rows that both accepted or rejected. `kappa` is None when chance alone would agree always."""

    first: str
    second: str
    both: int
    agree: int
    kappa: float | None
    differ: tuple[tuple[Review, Review], ...]


def agreement(first: str, second: str, marks: Mapping[str, Mapping[str, Review]]) -> Agreement:
    """Share of equal decisions, and Cohen's kappa (Cohen 1960): the agreement beyond what chance gives.

    `marks` is reviewer to id to the mark that counts.
    """
    one, other = (_decided(marks[name]) for name in (first, second))
    ids = [row_id for row_id in one if row_id in other]
    agree = sum(one[row_id].mark == other[row_id].mark for row_id in ids)
    differ = tuple((one[i], other[i]) for i in ids if one[i].mark != other[i].mark)
    if not ids:
        return Agreement(first, second, 0, 0, None, differ)
    n = len(ids)
    accepts = [sum(side[row_id].mark == Mark.ACCEPT for row_id in ids) / n for side in (one, other)]
    chance = accepts[0] * accepts[1] + (1 - accepts[0]) * (1 - accepts[1])
    kappa = None if chance == 1 else (agree / n - chance) / (1 - chance)
    return Agreement(first, second, n, agree, kappa, differ)


def agreements(marks: Mapping[str, Mapping[str, Review]]) -> list[Agreement]:
    """Every pair of reviewers who decided on the same rows."""
    names = sorted(marks)
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    return [found for a, b in pairs if (found := agreement(a, b, marks)).both]


def as_json_lines(reviews: Iterable[Review]) -> str:
    """One JSON object per mark."""
    return "".join(json.dumps(asdict(each), ensure_ascii=False) + "\n" for each in reviews)


def as_csv(reviews: Iterable[Review]) -> str:
    """A table for spreadsheets. A text that one would take for a formula gets an apostrophe before it (OWASP, CSV injection)."""
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(FIELDS)
    for each in reviews:
        cells = [str(asdict(each)[name]) for name in FIELDS]
        table.writerow(
            [f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell for cell in cells]
        )
    return out.getvalue()


def _decided(marks: Mapping[str, Review]) -> dict[str, Review]:
    return {row_id: review for row_id, review in marks.items() if review.mark in DECISIONS}
