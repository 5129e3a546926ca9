"""How far a running step is, noted once a second in its scratch directory, so that other processes can read it.

`factory status` shows the notes, and `--metrics` gives them to Prometheus. A note goes when its operation ends; one that
stays behind and is no longer renewed is that of a process that was killed.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

NAME = "progress.json"
NOTE_SECONDS = 1.0
STALE_SECONDS = 60.0
"""A note that was not renewed for so long is shown with its age."""
KINDS = {
    "task": str,
    "unit": str,
    "done": int | float,
    "total": int | float | None,
    "rate": int | float,
    "seconds_left": int | float | None,
}
"""What a note holds at least."""
_folder: ContextVar[Path | None] = ContextVar("progress folder", default=None)


@contextmanager
def noted_in(scratch: Path) -> Iterator[None]:
    """Operations that are watched here leave their notes in this directory."""
    token = _folder.set(scratch)
    try:
        yield
    finally:
        _folder.reset(token)


def place() -> Path | None:
    """Where the operation that begins now leaves its note; None outside of a step."""
    folder = _folder.get()
    return folder and folder / NAME


def leave(path: Path, facts: dict[str, Any]) -> None:
    """Put a note there, whole or not at all; a note that cannot be written is no reason to fail."""
    with suppress(OSError):
        temporary = path.with_name(f".{NAME}.{os.getpid()}")
        temporary.write_text(json.dumps(facts, default=str))
        temporary.replace(path)


def read_notes(folder: Path) -> list[dict[str, Any]]:
    """The notes of the steps that run at or below a folder, each with `folder` and its `age` in seconds."""
    found = []
    for path in sorted(folder.rglob(f".scratch-*/{NAME}")):
        with suppress(OSError, ValueError):
            facts, age = json.loads(path.read_text()), max(0.0, time.time() - path.stat().st_mtime)
            if isinstance(facts, dict) and all(
                isinstance(facts.get(key), kind) for key, kind in KINDS.items()
            ):
                at = str(path.parent.parent.relative_to(folder))
                found.append({**facts, "folder": at, "age": round(age, 1)})
    return found
