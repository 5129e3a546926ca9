"""Searching tables that have no folded copy (see `search.py`), part by part in the background.

A page waits for a search at most `PATIENCE`; it shows what was found so far and says how far the search is. The search
goes on, and the same question asked again shows more.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from factory.errors import UsageError
from factory.report.viewer.search import Matches, texts

PATIENCE = 0.6
"""Seconds that a page waits."""
AT_ONCE = 8
"""Parts that are searched between two looks at whether it is enough."""
MOST_SCANS = 6
"""Searches that are remembered."""


@dataclass(frozen=True, slots=True)
class Found:
    """Matches of a search among the first `seen` rows; `complete` when these are all."""

    matches: Matches
    seen: int
    complete: bool


class Scans:
    """The newest searches. Safe to use from several threads."""

    def __init__(self, deep: frozenset[str]) -> None:
        """`deep` are the columns that are searched only on request."""
        self._deep, self._lock = deep, threading.Lock()
        self._scans: dict[tuple[Sequence[Path], str, bool], _Scan] = {}

    def find(self, parts: Sequence[Path], needle: str, *, deep: bool, enough: int) -> Found:
        """What a search found by the time that it is complete, has `enough` matches, or a page has waited enough.

        Raises:
            UsageError: a part could not be read.
        """
        key = (parts, needle, deep)
        with self._lock:
            scan = self._scans.pop(key, None)
            if scan is None or scan.error is not None:
                scan = _Scan(parts, needle, frozenset() if deep else self._deep)
                scan.start()
            self._scans[key] = scan
            while len(self._scans) > MOST_SCANS:
                self._scans.pop(next(iter(self._scans))).stop.set()
        return scan.wait(enough)

    def close(self) -> None:
        """Stop every search."""
        for scan in self._scans.values():
            scan.stop.set()


class _Scan(threading.Thread):
    def __init__(self, parts: Sequence[Path], needle: str, left_out: frozenset[str]) -> None:
        super().__init__(daemon=True)
        self._parts, self._needle, self._left_out = parts, needle, left_out
        self._changed = threading.Condition()
        self._found = Found([], 0, not parts)
        self.stop = threading.Event()
        self.error: Exception | None = None

    def run(self) -> None:
        matches: Matches = []
        seen = 0
        for first in range(0, len(self._parts), AT_ONCE):
            if self.stop.is_set():
                return
            parts = self._parts[first : first + AT_ONCE]
            try:
                found = search_parts(parts, self._needle, self._left_out)
            except (OSError, pl.exceptions.PolarsError) as error:
                with self._changed:
                    self.error = error
                    self._changed.notify_all()
                return
            matches = [*matches, *zip(parts, (rows for rows, _ in found), strict=True)]
            seen += sum(length for _, length in found)
            with self._changed:
                self._found = Found(matches, seen, first + AT_ONCE >= len(self._parts))
                self._changed.notify_all()

    def wait(self, enough: int) -> Found:
        def done() -> bool:
            found = self._found
            return (
                self.error is not None or found.complete or sum(r.len() for _, r in found.matches) >= enough
            )

        with self._changed:
            self._changed.wait_for(done, PATIENCE)
            if self.error is not None:
                raise UsageError("a file of this table cannot be read", do="reload the page") from self.error
            return self._found


def search_parts(parts: Sequence[Path], needle: str, left_out: frozenset[str]) -> list[tuple[pl.Series, int]]:
    """For each part the numbers of the rows in which a text column holds `needle`, ignoring case; and its rows."""
    frames = pl.collect_all([_matching(part, needle, left_out) for part in parts])
    return [(frame["rows"][0], frame["length"][0]) for frame in frames]


def _matching(part: Path, needle: str, left_out: frozenset[str]) -> pl.LazyFrame:
    scan = pl.scan_parquet(part)
    schema = scan.collect_schema()
    columns = [
        text for name in schema if name not in left_out and (text := texts(name, schema[name])) is not None
    ]
    if needle.isascii():
        tests = [column.str.contains_any([needle], ascii_case_insensitive=True) for column in columns]
    else:
        tests = [column.str.to_lowercase().str.contains(needle.lower(), literal=True) for column in columns]
    hit = pl.any_horizontal([test.fill_null(False) for test in tests]) if tests else pl.lit(False)
    return scan.select(rows=hit.arg_true().implode(), length=pl.len())
