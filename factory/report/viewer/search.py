"""Full-text search over big sheets: a memory-mapped copy of each row's text.

A search of the Parquet parts (`scan.py`) spends its time on decompression. Here that is done once, in the background; a
search is then one pass over mapped memory. The copying begins with the first search, or when the reader has been quiet for
some seconds after the first page, so that it does not slow the first pages down. Until a sheet's copy is ready, and where it
would be too big, the parts are searched.

The copies are written by a process of its own, at the lowest priority, on one thread: `python -m
factory.report.viewer.search` with a JSON object on stdin, `sheets` (for each of them pairs of a Parquet part and the
file to write) and `deep` (columns that are searched only on request). It ends when its parent does.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from factory.leftovers import temporary

SMALL = 32 * 2**20
"""Bytes of text below which a copy is not worth making."""

MOST = 16 * 2**30
"""Bytes of text above which no copy is made."""

SEPARATOR = "\x1f"
"""Between the columns of a row: a search cannot match across two columns, because nobody types a unit separator."""

QUIET = 3.0
"""Seconds without a page after which copying begins though nobody has searched yet."""


class SearchText:
    """Copies of the text of sheets. `rows` answers only for sheets whose copy is complete."""

    def __init__(self, deep: Sequence[str], sheets: Mapping[str, Sequence[Path]]) -> None:
        """`deep` are the columns that are searched only on request; `sheets` is name to parts."""
        self._deep = frozenset(deep)
        self._sheets = dict(sheets)
        self._copies: dict[str, pl.LazyFrame] = {}
        self._stop, self._now = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._child: subprocess.Popen[bytes] | None = None
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

    def wait(self) -> None:
        """Copy everything now and wait until that is done."""
        self.page_served(search=True)
        if self._thread:
            self._thread.join()

    def close(self) -> None:
        """Stop copying and let the copies go."""
        self._stop.set()
        self._now.set()
        if self._child:
            self._child.kill()
        if self._thread:
            self._thread.join()
        self._copies.clear()

    def rows(self, sheet: str, needle: str, *, deep: bool) -> pl.Series | None:
        """Numbers of the rows whose text holds `needle`, ignoring case; None while there is no copy."""
        copy = self._copies.get(sheet)
        if copy is None:
            return None
        columns = ("near", "deep") if deep else ("near",)
        hit = pl.any_horizontal(holds(pl.col(c), needle) for c in columns)
        return copy.with_row_index("row").filter(hit).select("row").collect(engine="streaming")["row"]

    def _copy_all(self) -> None:
        """Copy the sheets that are worth it, smallest first, once it is time."""
        while (left := self._last_page + QUIET - time.monotonic()) > 0 and not self._now.wait(left):
            pass
        todo = self._worth_it()
        # Without room for a copy DuckDB still searches, more slowly.
        with (
            contextlib.suppress(OSError),
            tempfile.TemporaryDirectory(prefix=f"{temporary('view').name}-") as folder,
        ):
            while todo and not self._stop.is_set():
                copied = self._copy(todo, Path(folder))
                todo = todo[copied + 1 :]  # the process ended at a sheet that cannot be copied

    def _worth_it(self) -> list[str]:
        sizes = {}
        for sheet, parts in self._sheets.items():
            with contextlib.suppress(OSError, pa.ArrowException):  # the part went away: its page will say so
                sizes[sheet] = text_bytes(parts)
        return [
            sheet for sheet, size in sorted(sizes.items(), key=lambda each: each[1]) if SMALL <= size <= MOST
        ]

    def _copy(self, todo: Sequence[str], folder: Path) -> int:
        """Copy sheets until one of them fails or the viewer stops; returns how many were copied."""
        files = [
            [folder / f"{n}-{i}.arrow" for i, _ in enumerate(self._sheets[s])] for n, s in enumerate(todo)
        ]
        pairs = [
            [[str(part.resolve()), str(file)] for part, file in zip(self._sheets[sheet], each, strict=True)]
            for sheet, each in zip(todo, files, strict=True)
        ]
        command = [sys.executable, "-m", "factory.report.viewer.search"]
        pipe, quiet = subprocess.PIPE, subprocess.DEVNULL
        environment = {**os.environ, "POLARS_MAX_THREADS": "1"}
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=quiet, env=environment) as self._child:
            if self._stop.is_set():
                self._child.kill()
            assert self._child.stdin and self._child.stdout
            self._child.stdin.write(json.dumps({"sheets": pairs, "deep": sorted(self._deep)}).encode())
            self._child.stdin.close()
            for number, (sheet, each) in enumerate(zip(todo, files, strict=True)):
                done = self._child.stdout.readline()
                with contextlib.suppress(OSError, pa.ArrowException):
                    if done:
                        self._copies[sheet] = pl.concat(map(_mapped, each), rechunk=False).lazy()
                # A mapped file may be deleted: its pages live as long as the map, and nothing is left behind.
                for file in each:
                    file.unlink(missing_ok=True)
                if not done:
                    return number
        return len(todo)


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


def holds(text: pl.Expr, needle: str) -> pl.Expr:
    """Whether a text contains `needle`; letters match under Unicode's simple case folding (k and the Kelvin sign, σ and ς)."""
    return text.str.contains(f"(?i){pl.escape_regex(needle)}")


def joined(part: Path, deep: frozenset[str], rows: int | None = None) -> pl.DataFrame:
    """One row per row of the part (of its first `rows`) and two columns: `near`, the short texts, and `deep`, those so named."""
    scan = pl.scan_parquet(part, n_rows=rows)
    schema = scan.collect_schema()
    found = {name: text for name in schema if (text := texts(name, schema[name])) is not None}
    near = [text for name, text in found.items() if name not in deep]
    far = [text for name, text in found.items() if name in deep]
    return scan.select(near=_joined(near), deep=_joined(far)).collect()


def texts(name: str, kind: pl.DataType) -> pl.Expr | None:
    """A column's text: a string, a list of strings, or what messages say; None for any other column."""
    column = pl.col(name)
    if kind == pl.List(pl.String):
        return column.list.join(SEPARATOR, ignore_nulls=True)
    if isinstance(kind, pl.List) and isinstance(kind.inner, pl.Struct):
        fields = {field.name: field.dtype for field in kind.inner.fields}
        if fields.get("content") == pl.String:
            content = pl.element().struct.field("content")
            return column.list.eval(content).list.join(SEPARATOR, ignore_nulls=True)
    return column if kind == pl.String else None


def _joined(columns: Sequence[pl.Expr]) -> pl.Expr:
    if not columns:
        return pl.lit("", dtype=pl.String)
    return pl.concat_str(columns, separator=SEPARATOR, ignore_nulls=True)


def main() -> None:
    """Copy every sheet that stdin names and write a line after each; stop when the viewer is gone."""
    os.nice(19)
    parent = os.getppid()
    asked = json.load(sys.stdin)
    for pairs in asked["sheets"]:
        for part, out in pairs:
            if os.getppid() != parent:
                return
            joined(Path(part), frozenset(asked["deep"])).write_ipc(out, compression="uncompressed")
        sys.stdout.write("\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
