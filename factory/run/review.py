"""What a reviewer said about rows of a run: accept, reject or a note on any row, kept beside the run for later steps.

Marks are appended to `review.jsonl` one line at a time and flushed to disk before the viewer says so; the last mark on
an id counts. A torn last line (a kill in mid-write) is skipped and the next mark starts on a line of its own.
"""

from __future__ import annotations

import fcntl
import json
import os
import zlib
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

import polars as pl

from factory.atomic import atomic_path, digest, disk_error
from factory.errors import FactoryError, UsageError, warn

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
    """One mark on one row. `reviewer` is empty for one who gave no name."""

    id: str
    mark: Mark
    note: str = ""
    at: str = ""
    reviewer: str = ""


def add_review(run: Path, row_id: str, mark: str, note: str = "", reviewer: str = "") -> Review:
    """Append one mark, durably.

    Raises:
        FactoryError: a line that counted was changed or is missing.
        UsageError: the mark is unknown, the id is empty or the note too long.
    """
    if not row_id or len(row_id) > 1_000:
        raise UsageError("a mark needs the id of a row")
    if mark not in set(Mark):
        raise UsageError(f"unknown mark {mark[:40]!r}", do=f"use one of {', '.join(Mark)}")
    if len(note) > MOST_NOTE:
        raise UsageError(f"a note has at most {MOST_NOTE:,} characters")
    review = Review(row_id, Mark(mark), note, datetime.now(UTC).isoformat(timespec="seconds"), reviewer)
    _append(run / FILE, review)
    return review


def read_reviews(run: Path) -> dict[str, Review]:
    """The mark that counts for every id, in the order of marking; cleared ones are left out.

    With several reviewers the last mark of any of them counts. A line that is no mark (torn by a kill before it counted)
    is named and left out.

    Raises:
        FactoryError: a line that counted was changed or is missing; names it.
    """
    return _last(_all_marks(run))


def reviews_by_reviewer(run: Path) -> dict[str, dict[str, Review]]:
    """For every reviewer what `read_reviews` says of their own marks.

    Raises:
        FactoryError: a line that counted was changed or is missing; names it.
    """
    marks = _all_marks(run)
    names = sorted({mark.reviewer for mark in marks})
    return {name: _last([mark for mark in marks if mark.reviewer == name]) for name in names}


def _last(marks: Iterable[Review]) -> dict[str, Review]:
    found: dict[str, Review] = {}
    for review in marks:
        found.pop(review.id, None)
        if review.mark != Mark.CLEAR:
            found[review.id] = review
    return found


def _all_marks(run: Path) -> list[Review]:
    found = []
    for number, line in enumerate(_checked_lines(run / FILE), start=1):
        try:
            value = json.loads(line)
            texts = (str(value["note"]), str(value["at"]), str(value.get("reviewer") or ""))
            found.append(Review(str(value["id"]), Mark(value["mark"]), *texts))
        except (ValueError, KeyError, TypeError, AttributeError):
            warn(f"{run / FILE}:{number} is not a mark; it is left out")
    return found


def _append(path: Path, review: Review) -> None:
    """Add one mark, on a line of its own whatever stands before it. Then repeat all checksums beside it.

    Raises:
        FactoryError: a line that counted was changed or is missing.
    """
    line = json.dumps(asdict(review), ensure_ascii=True).encode()
    try:
        with path.open("ab+") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            before = _checked_lines(path)
            torn = before and not path.read_bytes().endswith(b"\n")
            handle.write((b"\n" if torn else b"") + line + b"\n")
            handle.flush()
            os.fsync(handle.fileno())
            with atomic_path(_seal(path)) as temporary:
                temporary.write_text("".join(f"{zlib.crc32(each):08x}\n" for each in (*before, line)))
    except OSError as error:
        raise disk_error(error, path) from error


def _checked_lines(path: Path) -> list[bytes]:
    """The file's lines, compared with the checksums beside it as far as these go."""
    lines = path.read_bytes().split(b"\n") if path.is_file() else []
    if lines and not lines[-1]:
        lines.pop()
    sums = _seal(path).read_text("ascii", "replace").split() if _seal(path).is_file() else []
    do = f"restore it; or read it and delete {_seal(path).name} to use it as it is"
    if len(lines) < len(sums):
        raise FactoryError(f"{len(sums) - len(lines)} of {len(sums)} marks are missing from {path}", do=do)
    for number, (line, expected) in enumerate(zip(lines, sums, strict=False), start=1):
        if f"{zlib.crc32(line):08x}" != expected:
            raise FactoryError(f"{path}:{number} is damaged: it is not the mark that was saved", do=do)
    return lines


def _seal(path: Path) -> Path:
    return path.with_name(f"{path.name}.seal")


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
