"""Full-text search over big sheets: a lower-cased, memory-mapped copy of each row's text.

DuckDB would decompress and fold every text again for every search; a million rows take seconds. Here that is done once,
in the background; a search is then one pass of a substring search over mapped memory. The copying begins with the first
search, or when the reader has been quiet for some seconds after the first page, so that it does not slow the first pages
down. Until a sheet's copy is ready, and where it would be too big, DuckDB searches as before.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

SMALL = 32 * 2**20
"""Bytes of text below which a copy is not worth making."""

MOST = 16 * 2**30
"""Bytes of text above which no copy is made."""

QUIET = 3.0
"""Seconds without a page after which copying begins though nobody has searched yet."""


class Searchable(Protocol):
    """What is needed of a sheet."""

    @property
    def name(self) -> str:
        """Name of the sheet."""

    @property
    def parts(self) -> tuple[Path, ...]:
        """Its Parquet files."""


Matches = list[tuple[Path, pl.Series]]
"""Row numbers that match, ascending, for every part."""


@dataclass(frozen=True, slots=True)
class _Copy:
    """Folded text of one part: columns `near` and `deep`, one row per row of the part."""

    part: Path
    text: pl.LazyFrame


class SearchText:
    """Folded copies of sheets. `rows` answers only for sheets whose copy is complete."""

    def __init__(self, deep: Sequence[str], sheets: Iterable[Searchable] = ()) -> None:
        """`deep` are the columns that are searched only on request; `sheets` are copied once somebody looks at pages."""
        self._deep = frozenset(deep)
        self._sheets = tuple(sheets)
        self._copies: dict[str, list[_Copy]] = {}
        self._stop, self._now = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._last_page = 0.0

    def page_served(self, *, search: bool) -> None:
        """A page was served: copying begins now if it was a search, else after `QUIET` seconds without a page."""
        self._last_page = time.monotonic()
        if search:
            self._now.set()
        with self._lock:
            if self._thread is None and not self._stop.is_set():
                self._thread = threading.Thread(target=self._copy_all, daemon=True)
                self._thread.start()

    def wait(self, seconds: float | None = None) -> None:
        """Copy everything now and wait until that is done."""
        self.page_served(search=True)
        if self._thread:
            self._thread.join(seconds)

    def close(self) -> None:
        """Stop copying and let the copies go."""
        self._stop.set()
        self._now.set()
        if self._thread:
            self._thread.join(60)
        self._copies.clear()

    def rows(self, sheet: str, needle: str, *, deep: bool) -> Matches | None:
        """Row numbers within each part whose text holds `needle`, ignoring case; None while there is no copy."""
        copies = self._copies.get(sheet)
        if copies is None:
            return None
        columns = ("near", "deep") if deep else ("near",)
        hit = pl.any_horizontal(pl.col(c).str.contains(needle.lower(), literal=True) for c in columns)
        found = pl.collect_all([copy.text.select(hit.arg_true().alias("row")) for copy in copies])
        return [(copy.part, rows["row"]) for copy, rows in zip(copies, found, strict=True)]

    def _copy_all(self) -> None:
        """Copy the sheets that are worth it, smallest first, once it is time."""
        while (left := self._last_page + QUIET - time.monotonic()) > 0 and not self._now.wait(left):
            pass
        for sheet in self._worth_it():
            if self._stop.is_set():
                return
            try:
                copies = self._copy(sheet.parts)
            except (OSError, pa.ArrowException):
                # No room for a copy, or the part went away: DuckDB still searches this sheet, more slowly.
                continue
            if copies:
                self._copies[sheet.name] = copies

    def _worth_it(self) -> list[Searchable]:
        sizes = []
        for sheet in self._sheets:
            try:
                sizes.append((text_bytes(sheet.parts), sheet))
            except (OSError, pa.ArrowException):
                continue  # the part went away: the page says so when it is asked for
        return [sheet for size, sheet in sorted(sizes, key=lambda pair: pair[0]) if SMALL <= size <= MOST]

    def _copy(self, parts: Sequence[Path]) -> list[_Copy]:
        """Copies of all parts, or none when folding failed or the viewer stops."""
        # A mapped file may be deleted: its pages live as long as the map, and nothing is left behind.
        with tempfile.TemporaryDirectory(prefix="factory-view-") as folder:
            files = [Path(folder) / f"{index}.arrow" for index in range(len(parts))]
            asked = {
                "parts": [[str(p.resolve()), str(f)] for p, f in zip(parts, files, strict=True)],
                "deep": sorted(self._deep),
            }
            child = subprocess.Popen(
                [sys.executable, "-m", "factory.report.viewer.fold"],
                stdin=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "POLARS_MAX_THREADS": "1"},
            )
            try:
                assert child.stdin is not None
                child.stdin.write(json.dumps(asked).encode())
                child.stdin.close()
                while child.poll() is None:
                    if self._stop.wait(0.05):
                        return []
            finally:
                child.kill()
                child.wait()
            if child.returncode != 0:
                return []
            return [_Copy(part, _mapped(file).lazy()) for part, file in zip(parts, files, strict=True)]


def _mapped(path: Path) -> pl.DataFrame:
    """A frame over the file's own pages: nothing is read until it is searched, and the system may take it back."""
    with pa.memory_map(str(path)) as pages:
        frame = pl.from_arrow(pa.ipc.open_file(pages).read_all())
    assert isinstance(frame, pl.DataFrame)
    return frame


def text_bytes(parts: Sequence[Path]) -> int:
    """Uncompressed bytes of all columns of Parquet files, from their footers."""
    total = 0
    for part in parts:
        meta = pq.read_metadata(part)
        total += sum(meta.row_group(i).total_byte_size for i in range(meta.num_row_groups))
    return total
