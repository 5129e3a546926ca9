"""The viewer's view of a run that may go on: when files of its tables change, the tables are opened again.

Parts that a running (or stopped) step has finished lie in its scratch directory; they are shown as `FOLDER/so-far`. Responses
that are only in the store are shown, too (`answered.py`).
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from factory.atomic import digest
from factory.report.step_folders import RunTables, open_run
from factory.report.viewer.answered import Answered, running_job
from factory.report.viewer.sheets import Sheets
from factory.run.out_folder import SCRATCH
from factory.run.parts import MANIFEST

LOOK = 2.0
"""Seconds between two looks at the folder."""
SO_FAR = "so-far"
_HEAVY = frozenset({"store", "__store", "train", "__side"})
_WATCHED = re.compile(rf"{re.escape(MANIFEST)}|recipe\.yaml|report\.html|(part-|[a-z]+-\d).*\.parquet")


@dataclass(frozen=True, slots=True)
class View:
    """A run as it was at one moment. `stamp` differs when any file of a table does."""

    tables: RunTables
    sheets: Sheets
    stamp: str
    answered: Answered | None = None
    """Responses that no table holds yet."""


class Live:
    """The newest view of a run. Requests that hold an older one finish with it."""

    def __init__(self, tables: RunTables, clock: Callable[[], float] = time.monotonic) -> None:
        self.run, self._clock, self._lock = tables.run, clock, threading.Lock()
        self._view = _with_answered(View(tables, Sheets(tables, so_far(tables.run)), stamp(tables.run)))
        self._looked = clock()

    def view(self) -> View:
        """The view to answer a request from; looks at the folder at most every `LOOK` seconds."""
        with self._lock:
            if self._clock() - self._looked >= LOOK:
                if (now := stamp(self.run)) != self._view.stamp and self.run.is_dir():
                    tables = open_run(self.run, check=False)
                    self._view = View(tables, Sheets(tables, so_far(self.run)), now, self._view.answered)
                self._view = _with_answered(self._view)
                self._looked = self._clock()
            return self._view

    def close(self) -> None:
        """Remove the search copies and close the database."""
        self._view.sheets.close()


def _with_answered(view: View) -> View:
    """The view with the responses of the job that runs now; what is known of them is kept while it is the same job."""
    job = running_job(view.tables)
    if view.answered is not None and (view.answered.stores, view.answered.job) == job:
        return view
    return replace(view, answered=Answered(*job) if job else None)


def stamp(run: Path) -> str:
    """A digest of names, sizes and times of the run's tables and manifests."""
    found = []
    for path in _files(run):
        try:
            state = path.stat()
        except OSError:  # moved into place at this moment: the next look sees it
            continue
        found.append((str(path), state.st_size, state.st_mtime_ns))
    return digest(sorted(found))[:16]


def so_far(run: Path) -> dict[str, tuple[Path, ...]]:
    """Name to finished parts of every step that is running or was stopped."""
    found: dict[str, list[Path]] = {}
    for path in _files(run):
        folder = path.parent
        if path.suffix == ".parquet" and folder.name == "out" and folder.parent.name.startswith(SCRATCH):
            step = folder.parent.parent
            name = run.resolve().name if step == run else str(step.relative_to(run))
            found.setdefault(f"{name}/{SO_FAR}", []).append(path)
    return {name: tuple(sorted(parts)) for name, parts in sorted(found.items())}


def _files(run: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(run):
        folders[:] = [
            name for name in folders if name not in _HEAVY and (name[0] != "." or name.startswith(SCRATCH))
        ]
        yield from (Path(folder) / name for name in files if _WATCHED.fullmatch(name))
