"""Everything that can be found wrong before a weight is loaded."""

from __future__ import annotations

from typing import Any

from train.manifest import Job


def preflight(job: Job) -> dict[str, Any]:
    """Check the stage's data and settings."""
    return {}
