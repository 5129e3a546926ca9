"""The reviewer's marks: accept, reject or a note on any row, kept beside the run for later steps to honour.

Marks are appended to `review.jsonl` one line at a time and flushed to disk before the viewer says so; the last mark on
an id counts. A torn last line (a kill in mid-write) is skipped and the next mark starts on a line of its own.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from factory.atomic import disk_error
from factory.errors import UsageError
from factory.run.review import FILE, Mark, Review, read_reviews, rejected_ids

__all__ = ["FILE", "Mark", "Review", "add_review", "read_reviews", "rejected_ids", "review_table"]

MOST_NOTE = 10_000
"""Characters of one note."""


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


def review_table(run: Path) -> pl.DataFrame:
    """The marks as a table: id, mark, note, at."""
    rows = [asdict(review) for review in read_reviews(run).values()]
    return pl.DataFrame(rows, schema={"id": pl.String, "mark": pl.String, "note": pl.String, "at": pl.String})
