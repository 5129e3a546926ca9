"""The manifest that a folder has now, to tell a finished verb from a fresh one."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def manifest_of(folder: Path) -> dict[str, Any] | None:
    """The manifest of a step's folder, or None."""
    from factory.atomic import read_json
    from factory.run.parts import MANIFEST

    path = folder / MANIFEST
    return read_json(path) if path.exists() else None
