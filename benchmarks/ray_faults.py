"""Workers, drivers and nodes of a Ray cluster killed and counted, by the slow chaos test (a few minutes)."""

from __future__ import annotations

from typing import Any

from benchmarks.chaos import figures_of
from benchmarks.markdown import table
from benchmarks.result import Result

TEST = "tests/chaos/test_ray_faults.py::test_many_workers_nodes_and_drivers_killed"


def measure(args: list[str]) -> dict[str, Any]:
    """What the test counted."""
    return figures_of(TEST, args)


def render(result: Result) -> dict[str, str]:
    """The block of docs/engines.md. The last two columns are what the test asserts: it writes no figures otherwise."""
    heads = [
        "killed with -9", "kills", "parts", "parts started again", "parts lost or counted twice", "same bytes",
    ]  # fmt: skip
    rows = [
        (name, f["kills"], f["parts"], f["begun"] - f["parts"], 0, "yes")
        for name, f in result.figures.items()
    ]
    return {"ray_faults": table(heads, rows)}
