"""A whole run killed 100 times, with a server that breaks replies: 25 times for each of four seeds."""

from __future__ import annotations

from typing import Any

from benchmarks.chaos import pieces, total
from benchmarks.markdown import table
from benchmarks.result import Result

TEST = "tests/chaos/test_run_kills.py::test_a_hundred_kills_over_all_steps_change_nothing"


def measure(args: list[str]) -> dict[str, Any]:
    """What the test counted, by seed."""
    return pieces("run_kills", TEST, range(30, 34), args)


def render(result: Result) -> dict[str, str]:
    """The block of docs/guarantees.md."""
    figures = list(result.figures.values())
    steps = total(each["at"] for each in figures)
    counts = total({name: n for name, n in each.items() if name != "at"} for each in figures)
    rows = [("in which step", ", ".join(f"{step} {n}" for step, n in steps.items()))]
    rows += [(name, counts.get(name, 0)) for name in figures[0] if name not in ("at", "kills")]
    return {"run_kills": table([f"{counts['kills']} kills", ""], rows)}
