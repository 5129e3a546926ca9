"""A whole run killed 100 times, with a server that breaks replies: 25 times for each of four seeds."""

from __future__ import annotations

from typing import Any

from benchmarks.chaos import pieces, total
from benchmarks.markdown import table
from benchmarks.result import Result

TEST = "tests/chaos/test_run_kills.py::test_a_hundred_kills_over_all_steps_change_nothing"

COUNTS = ("finished in between", "lost", "counted and asked again", "booked below what was delivered")


def measure(args: list[str]) -> dict[str, Any]:
    """What the test counted, by seed."""
    return pieces("run_kills", TEST, range(30, 34), args)


def render(result: Result) -> dict[str, str]:
    """The block of docs/guarantees.md."""
    figures = list(result.figures.values())
    steps = total(each["at"] for each in figures)
    rows = [("in which step", ", ".join(f"{step} {n}" for step, n in steps.items()))]
    rows += [(name, str(sum(each[name] for each in figures))) for name in COUNTS]
    rows += [("files left over at the end", str(sum(len(each["left over"]) for each in figures)))]
    return {"run_kills": table([f"{sum(steps.values())} kills", ""], rows)}
