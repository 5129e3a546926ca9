"""The model card of a stage."""

from __future__ import annotations

from typing import Any

from train.manifest import Job


def write_card(job: Job, manifest: dict[str, Any]) -> None:
    """Write `final/README.md`."""
