"""How far a worker is within its part: it notes rows in a small file, and whoever waits for the part reads them.

A part takes minutes where it is large; without this a bar would stand still until its worker is done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from threading import Event, Thread

from factory.progress import SILENT, Task

NOTE_SECONDS = 0.3
_noting: ContextVar[Callable[[int], None] | None] = ContextVar("noting", default=None)


def tick(rows: int) -> None:
    """So many more rows of the part at hand are done; nothing where nobody asks."""
    if (note := _noting.get()) is not None:
        note(rows)


def note_of(scratch: Path, number: int) -> Path:
    """The file in which a part's worker notes its rows."""
    return scratch / f"seen-{number:05d}"


@contextmanager
def noting(path: Path) -> Iterator[None]:
    """`tick` writes into this file, a few times a second."""
    seen, said = 0, 0.0

    def note(rows: int) -> None:
        nonlocal seen, said
        seen += rows
        if time.monotonic() - said >= NOTE_SECONDS:
            said = time.monotonic()
            with suppress(OSError):  # a bar that does not move is no reason to fail
                path.write_text(str(seen))

    token = _noting.set(note)
    try:
        yield
    finally:
        _noting.reset(token)


@contextmanager
def following(task: Task, scratch: Path) -> Iterator[None]:
    """Show what workers have noted of parts that are not done yet; a note of a finished part is to be removed."""
    if task is SILENT or not task.watched:
        yield
        return
    over = Event()

    def follow() -> None:
        while not over.wait(NOTE_SECONDS):
            task.within(sum(map(_read, scratch.glob("seen-*"))))

    thread = Thread(target=follow, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _read(path: Path) -> int:
    try:
        return int(path.read_text() or 0)
    except (OSError, ValueError):
        return 0
