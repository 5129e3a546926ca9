"""A worker's seat: a file that it keeps locked for its life. The kernel gives it back when the process dies.

So a death is known at once, without a clock and without asking anybody, and two processes never work as one worker.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterable
from io import BufferedRandom
from pathlib import Path

from factory.errors import UsageError

PATIENCE_SECONDS = 1.0
"""How long a new life waits for its predecessor to be gone."""


def seat_path(folder: Path, journal: str) -> Path:
    """The seat of whoever writes a journal."""
    return folder / f"{journal}.seat"


def take_first_seat(folder: Path, journals: Iterable[str]) -> tuple[str, BufferedRandom]:
    """The first of these journals that nobody writes, with its seat; close the file to give it back."""
    for journal in journals:
        seat = take_seat(folder, journal)
        if seat is not None:
            return journal, seat
    raise UsageError(f"every journal in {folder} is being written", do="wait, or choose another --store")


def take_seat(folder: Path, journal: str, *, patience: float = PATIENCE_SECONDS) -> BufferedRandom | None:
    """Take a seat; None when another process sits there."""
    handle = seat_path(folder, journal).open("a+b")
    until = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() > until:
                handle.close()
                return None
            time.sleep(0.05)
        else:
            return handle


def seated(folder: Path, journal: str) -> bool:
    """True while somebody sits there."""
    path = seat_path(folder, journal)
    if not path.exists():
        return False
    with path.open("a+b") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False
