"""Searching tables whose text has no copy (see `search.py`), row group by row group in the background.

A page waits for a search at most `PATIENCE`; it shows what was found so far and says how far the search is. The search
goes on, and the same question asked again shows more.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import polars as pl

from factory.errors import UsageError
from factory.report.viewer.search import holds, texts

PATIENCE = 0.8
"""Seconds that a page waits."""
MOST_SCANS = 6
"""Searches that are remembered."""


@dataclass(frozen=True, slots=True)
class Found:
    """Numbers of the rows that match among the first `seen` rows, ascending; `complete` when these are all."""

    rows: pl.Series
    seen: int
    complete: bool


class Scans:
    """The newest searches. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._scans: dict[tuple[Sequence[Path], str, frozenset[str]], _Scan] = {}

    def find(self, parts: Sequence[Path], needle: str, left_out: frozenset[str]) -> Found:
        """What a search found by the time that it is complete, or a page has waited enough.

        `left_out` are the columns that are not searched.

        Raises:
            UsageError: a part could not be read.
        """
        key = (parts, needle, left_out)
        with self._lock:
            scan = self._scans.pop(key, None)
            if scan is None or scan.error is not None:
                scan = _Scan(parts, needle, left_out)
                scan.start()
            self._scans[key] = scan
            while len(self._scans) > MOST_SCANS:
                self._scans.pop(next(iter(self._scans))).stop.set()
        return scan.wait()

    def close(self) -> None:
        """Stop every search."""
        for scan in self._scans.values():
            scan.stop.set()


class _Scan(threading.Thread):
    def __init__(self, parts: Sequence[Path], needle: str, left_out: frozenset[str]) -> None:
        super().__init__(daemon=True)
        self._parts, self._needle, self._left_out = parts, needle, left_out
        self._changed = threading.Condition()
        self._rows = pl.Series("row", dtype=pl.UInt32)
        self._seen, self._complete = 0, False
        self.stop = threading.Event()
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            for hits in search_parts(self._parts, self._needle, self._left_out):
                if self.stop.is_set():
                    return
                with self._changed:
                    self._rows.append(hits.arg_true() + self._seen)
                    self._seen += hits.len()
            self._complete = True
        except (OSError, pl.exceptions.PolarsError) as error:
            self.error = error
        with self._changed:
            self._changed.notify_all()

    def wait(self) -> Found:
        with self._changed:
            self._changed.wait_for(lambda: self.error or self._complete, PATIENCE)
            if self.error is not None:
                raise UsageError("a file of this table cannot be read", do="reload the page") from self.error
            return Found(self._rows.clone(), self._seen, self._complete)


def search_parts(parts: Sequence[Path], needle: str, left_out: frozenset[str]) -> Iterator[pl.Series]:
    """For some rows at a time whether a text column holds `needle`, ignoring case; in the order of the rows."""
    for schema, alike in groupby(parts, pl.read_parquet_schema):
        columns = [
            text
            for name in schema
            if name not in left_out and (text := texts(name, schema[name])) is not None
        ]
        tests = [holds(column, needle).fill_null(False) for column in columns]
        hit = pl.any_horizontal(tests or [pl.first().is_null() & False])
        for batch in pl.scan_parquet([*alike]).select(hit=hit).collect_batches(maintain_order=True):
            yield batch["hit"]
