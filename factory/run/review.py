"""What a reviewer said about rows of a run: accept, reject or a note on any row, kept beside the run for later steps.

Marks are appended to `review.jsonl` one line at a time and flushed to disk before the viewer says so; the last mark on
an id counts. A torn last line (a kill in mid-write) is skipped and the next mark starts on a line of its own.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

import polars as pl

from factory.atomic import digest, disk_error
from factory.errors import UsageError

FILE = "review.jsonl"
MOST_NOTE = 10_000
"""Characters of one note."""
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


def add_review(run: Path, row_id: str, mark: str, note: str = "") -> Review:
    """Append one mark, durably.

    Raises:
        UsageError: the mark is unknown, the id is empty or the note too long.
    """
    if not row_id or len(row_id) > 1_000:
        raise UsageError("a mark needs the id of a row")
    if mark not in set(Mark):
        raise UsageError(f"unknown mark {mark[:40]!r}", do=f"use one of {', '.join(Mark)}")
    if len(note) > MOST_NOTE:
        raise UsageError(f"a note has at most {MOST_NOTE:,} characters")
    review = Review(row_id, Mark(mark), note, datetime.now(UTC).isoformat(timespec="seconds"))
    line = json.dumps(asdict(review), ensure_ascii=True).encode() + b"\n"
    path = run / FILE
    try:
        with path.open("ab+") as handle:
            if handle.tell():
                handle.seek(-1, os.SEEK_END)
                if handle.read(1) != b"\n":
                    line = b"\n" + line
            handle.write(line)
            handle.flush()
            os.fsync(handle.fileno())
    except OSError as error:
        raise disk_error(error, path) from error
    return review


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
