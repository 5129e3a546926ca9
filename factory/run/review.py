"""What a reviewer said about rows of a run, as later steps read it. The viewer writes the file (`factory.report.marks`)."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import polars as pl

from factory.atomic import digest

FILE = "review.jsonl"
REASON = "rejected_in_review"
"""Reason under which steps drop what a reviewer rejected."""
NOTHING: frozenset[str] = frozenset()
"""No row rejected."""


class Mark(StrEnum):
    """What a reviewer said about a row. `clear` takes an earlier mark back."""

    ACCEPT = "accept"
    REJECT = "reject"
    NOTE = "note"
    CLEAR = "clear"


@dataclass(frozen=True, slots=True)
class Review:
    """One mark on one row."""

    id: str
    mark: Mark
    note: str = ""
    at: str = ""


def read_reviews(run: Path) -> dict[str, Review]:
    """The mark that counts for every id, in the order of marking; cleared ones and torn lines are left out."""
    path = run / FILE
    found: dict[str, Review] = {}
    if not path.is_file():
        return found
    for line in path.read_text("utf-8", errors="replace").splitlines():
        try:
            value = json.loads(line)
            review = Review(str(value["id"]), Mark(value["mark"]), str(value["note"]), str(value["at"]))
        except (ValueError, KeyError, TypeError):
            continue
        found.pop(review.id, None)
        if review.mark != Mark.CLEAR:
            found[review.id] = review
    return found


def rejected_ids(run: Path) -> frozenset[str]:
    """Problem and response ids that a reviewer rejected: what the sets of this run must leave out."""
    return frozenset(review.id for review in read_reviews(run).values() if review.mark == Mark.REJECT)


def review_input(rejected: Collection[str]) -> dict[str, str]:
    """The marks as an input of a step's key; nothing without marks, so that runs without a review keep their keys."""
    return {"review": digest(sorted(rejected))} if rejected else {}


def is_rejected(rejected: Collection[str], *columns: str) -> pl.Expr:
    """True for rows whose id in any of `columns` a reviewer rejected; a rejected problem takes all its rows along."""
    wanted = pl.lit(pl.Series(sorted(rejected), dtype=pl.String)).implode()
    return pl.any_horizontal([pl.col(name).is_in(wanted).fill_null(False) for name in columns])
