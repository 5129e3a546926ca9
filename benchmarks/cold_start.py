"""Seconds and memory of `factory dedup` and `factory decontaminate --against all` on 400 problems, cold and warm.

Cold: the cache of compiled code is a new, empty folder. Warm: the same folder again. Every run is a process of its own,
from the shell's point of view: start of the interpreter, imports, reading, work, writing.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

import polars as pl

from benchmarks.dedup_corpora import problems
from benchmarks.markdown import table
from benchmarks.result import Result

PROBLEMS, ROUNDS = 400, 5
VERBS = {"dedup": [], "decontaminate": ["--against", "all"]}


def measure(args: list[str]) -> dict[str, Any]:
    """Median over rounds in which both verbs run cold, then warm."""
    parser = argparse.ArgumentParser(prog="benchmarks.run cold_start")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = parser.parse_args(args)
    runs: dict[str, list[dict[str, float]]] = {}
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "problems.jsonl"
        pl.DataFrame({"problem": problems(PROBLEMS)}).write_ndjson(file)
        for number in range(asked.rounds):
            for verb, options in VERBS.items():
                cache = folder / f"cache-{verb}-{number}"
                for state in ("cold", "warm"):
                    out = folder / f"{verb}-{number}-{state}"
                    command = [verb, str(file), *options, "--out", str(out)]
                    runs.setdefault(f"{verb} {state}", []).append(run(command, cache))
    return {
        "problems": PROBLEMS,
        "rounds": asked.rounds,
        "load_before": round(load, 1),
        "load_after": round(os.getloadavg()[0], 1),
        "runs": {name: _medians(found) for name, found in runs.items()},
    }


def run(command: list[str], cache: Path) -> dict[str, float]:
    """One run of a verb: seconds, processor seconds and the largest resident memory in MB."""
    program = [sys.executable, "-c", "from factory.cli.main import main; main()", *command]
    environment = os.environ | {"XDG_CACHE_HOME": str(cache), "FACTORY_PROGRESS": "off"}
    began = perf_counter()
    child = subprocess.Popen(
        program, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    error = child.stderr.read() if child.stderr else ""
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"{command}: exit {child.returncode}: {error[-1000:]}")
    return {
        "seconds": perf_counter() - began,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "peak_mb": used.ru_maxrss / 1024,
    }


def _medians(runs: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(statistics.median(run[name] for run in runs), 2) for name in runs[0]}


def render(result: Result) -> dict[str, str]:
    """The block of docs/deduplication.md."""
    report = result.figures
    intro = (
        f"`factory dedup` and `factory decontaminate --against all` on {report['problems']} problems, median of "
        f"{report['rounds']} runs (load {report['load_before']} before, {report['load_after']} after)."
    )
    rows = [(name, r["seconds"], r["cpu_seconds"], round(r["peak_mb"])) for name, r in report["runs"].items()]
    return {"cold_start": f"{intro}\n\n{table(['verb', 'seconds', 'CPU seconds', 'peak MB'], rows)}"}
