"""A generation job of 2,000 requests killed 200 times, by the slow chaos test (about ten minutes)."""

from __future__ import annotations

from typing import Any

from benchmarks.chaos import figures_of
from benchmarks.markdown import table
from benchmarks.result import Result

TEST = "tests/chaos/test_generate_kills.py::test_two_hundred_kills_over_two_thousand_requests"


def measure(args: list[str]) -> dict[str, Any]:
    """What the test counted."""
    return figures_of(TEST, args)


def render(result: Result) -> dict[str, str]:
    """The block of README.md and docs/sampling.md."""
    figures = dict(result.figures)
    kills = figures.pop("kills")
    rows = [(name.replace("_", " "), _shown(value)) for name, value in figures.items()]
    return {"generate_kills": table([f"{kills} kills", ""], rows)}


def _shown(value: Any) -> str:
    return ", ".join(f"{each:,}" for each in value) if isinstance(value, list) else f"{value:,}"
