"""One request to each of 72 odd servers: what it delivered, what was booked, how it ended."""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.markdown import table
from benchmarks.result import ROOT, Result

TELLING = (
    "usage_missing", "usage_one", "usage_huge", "finish_no_such_reason", "only_done", "cut", "stalls", "keep_alive",
    "beyond_max_tokens", "endless", "gzip_bomb", "echo_500", "redirect_307",
)  # fmt: skip
"""Behaviours that stand for their kind."""


def measure(args: list[str]) -> dict[str, Any]:
    """Every behaviour of `tests/servers/lying_server.py`, asked as `tests/chaos/test_lying_servers.py` asks.

    Raises:
        SystemExit: `args` has words.
    """
    if args:
        raise SystemExit(f"servers takes no arguments: {' '.join(args)}")
    sys.path[:0] = [str(ROOT / "tests" / "servers"), str(ROOT / "tests" / "chaos")]
    from lying_server import BEHAVIOURS, LyingServer
    from test_lying_servers import asked

    from factory.sampling.stream import BEYOND_BYTES

    server, rows = LyingServer(), {}
    for name in BEHAVIOURS:
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
            answers, booked, delivered, requests, error = asked(server, name, Path(folder))
        refused = "not followed" if "redirect" in error else "refused"
        ended = refused if answers is None else answers["status"][0]
        rows[name] = {"requests": requests, "delivered": delivered, "booked": booked, "ended": ended}
    server.stop()
    return {"servers": rows, "beyond_bytes": BEYOND_BYTES}


def render(result: Result) -> dict[str, str]:
    """The blocks of docs/servers.md and docs/guarantees.md."""
    rows = {
        name: (name, each["requests"], f"{each['delivered']:.4f}", f"{each['booked']:.4f}", each["ended"])
        for name, each in result.figures["servers"].items()
    }
    heads, right = ("behaviour", "requests", "delivered $", "booked $", "ended"), (1, 2, 3)
    bound = f"at most {result.figures['beyond_bytes'] / 2**20:g} MiB of stream for each request in flight."
    return {
        "servers": f"{table(heads, rows.values(), right)}\n\n`BEYOND_BYTES`: {bound}",
        "servers_telling": table(heads, [rows[name] for name in TELLING], right),
    }
