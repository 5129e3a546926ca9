"""What `factory generate` costs per request and per streamed chunk, against a server that costs next to nothing.

    python -m benchmarks.run sampling [--requests 4000]

The whole verb runs as a process of its own, 512 requests at once, at two sizes; a request's cost is the difference of
the processor seconds over the difference of the requests, so that starting Python does not count.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

from benchmarks.markdown import table
from benchmarks.measure import measured
from benchmarks.result import ROOT, Result

CONCURRENT = 512
SERVER = ROOT / "tests" / "servers" / "fault_server.py"
SHAPES = {"1 chunk": (20, 20), "200 chunks": (200, 1)}
"""Completion tokens of a response, and tokens in a chunk."""


def measure(args: list[str]) -> dict[str, Any]:
    """Every shape of response at two sizes."""
    parser = argparse.ArgumentParser(prog="benchmarks.run sampling")
    parser.add_argument("--requests", type=int, default=4_000)
    count = parser.parse_args(args).requests
    return {
        "concurrent": CONCURRENT,
        "load_before": round(os.getloadavg()[0], 1),
        "shapes": {name: _shape(count, *shape) for name, shape in SHAPES.items()},
    }


def _shape(count: int, tokens: int, chunk: int) -> dict[str, Any]:
    settings = {"tokens": tokens, "chunk": chunk, "style": "inline"}
    small, large = (generate(n, tokens, CONCURRENT, settings) for n in (count // 4, count))
    requests, spent, chunks = (large[key] - small[key] for key in ("requests", "cpu_seconds", "chunks"))
    return {
        "requests": count,
        "requests_per_second": round(count / large["seconds_at_the_server"]),
        "cpu_ms_per_request": round(1e3 * spent / requests, 3),
        "cpu_us_per_chunk": round(1e6 * spent / chunks, 1),
        "peak_mb": large["peak_mb"],
    }


def generate(
    count: int, tokens: int, concurrency: int | str, settings: dict[str, Any], samples: int = 1
) -> dict[str, Any]:
    """One whole run of the verb against a fresh server."""
    words = [sys.executable, str(SERVER), json.dumps(settings)]
    server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        address = f"http://127.0.0.1:{int(server.stdout.readline())}"
        with tempfile.TemporaryDirectory() as folder:
            problems = Path(folder) / "problems.jsonl"
            lines = (json.dumps({"id": f"q{i}", "problem": f"What is {i} + {i}?"}) for i in range(count))
            problems.write_text("\n".join(lines), "utf-8")
            command = [
                sys.executable,
                "-m",
                "factory.cli.main",
                "generate",
                str(problems),
                "--teacher",
                "vllm",
            ]
            command += ["--base-url", f"{address}/v1", "--model", "m", "--concurrency", str(concurrency)]
            command += [
                "--samples",
                str(samples),
                "--max-tokens",
                str(tokens),
                "--out",
                str(Path(folder) / "out"),
            ]
            cost = measured(command)
        with urllib.request.urlopen(f"{address}/stats") as reply:
            stats = json.load(reply)
    finally:
        server.kill()
        server.wait()
    if stats["completed_identities"] != count * samples:
        raise SystemExit(
            f"the server completed {stats['completed_identities']} of {count * samples} requests"
        )
    return {
        "requests": count,
        "cpu_seconds": cost["cpu_seconds"],
        "peak_mb": cost["peak_mb"],
        "chunks": stats["chunks"],
        "seconds_at_the_server": stats["last"] - stats["first"],
    }


def render(result: Result) -> dict[str, str]:
    """The block of docs/sampling.md."""
    heads = ["a response in", "requests", "requests/s", "CPU ms per request", "CPU us per chunk", "peak MB"]
    rows = [(name, *shape.values()) for name, shape in result.figures["shapes"].items()]
    intro = (
        f"`factory generate` against a local server, {result.figures['concurrent']} requests at once (load of the "
        f"machine before: {result.figures['load_before']}):"
    )
    return {"sampling": f"{intro}\n\n{table(heads, rows, range(1, 6))}"}
