"""Seconds of a job on a server that refuses at random and fails: `--concurrency auto` beside the same job at a fixed 40."""

from __future__ import annotations

from typing import Any

from benchmarks.markdown import table
from benchmarks.result import Result
from benchmarks.sampling import generate

SHARES = (0.0, 0.003, 0.01, 0.03)
"""Of requests that are answered with 429 and `Retry-After: 1`, whatever the load."""
SERVER = {"tokens": [20, 120], "latency": 0.3, "chunk": 20, "per_request": 8, "retry_after": 1}


def measure(args: list[str]) -> list[dict[str, Any]]:
    """300 problems, four responses each.

    Raises:
        SystemExit: `args` has words.
    """
    if args:
        raise SystemExit(f"faulty_server takes no arguments: {' '.join(args)}")
    return [
        {"429s": share} | {
            str(fixed): round(
                generate(
                    300, 512, fixed, {**SERVER, "faults": {"429_after": share, "500": 0.03}}, samples=4
                )["seconds_at_the_server"],
                1,
            )
            for fixed in ("auto", 40)
        }
        for share in SHARES
    ]  # fmt: skip


def render(result: Result) -> dict[str, str]:
    """The block of docs/sampling.md."""
    rows = [(f"{each['429s']:.1%}", f"{each['auto']:.1f}", f"{each['40']:.1f}") for each in result.figures]
    heads = ["429s at random", "`auto`: seconds", "`--concurrency 40`: seconds"]
    return {"faulty_server": table(heads, rows, (0, 1, 2))}
