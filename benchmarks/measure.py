"""What a command costs as a whole: wall time, processor time and the largest memory of it and all its children."""

from __future__ import annotations

import resource
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

PERIOD = 0.1
"""Seconds between two looks at the memory, at least."""
REST = 20
"""A look takes at most one part in so many of the time: the kernel walks all pages of the processes for it."""
SLICES = 20
"""Equal parts of a run, of each of which the largest memory is told."""


def measured(command: Sequence[str]) -> dict[str, Any]:
    """Run a command to its end.

    Returns:
        `seconds`, `cpu_seconds` (children included), `peak_mb` (proportional set size of the whole process tree, so
        that shared pages count once, by looks about every `PERIOD`), `peaks_mb` (the same for `SLICES` equal parts of the
        run), `stdout`.

    Raises:
        RuntimeError: the command failed; holds the end of what it said.
    """
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    looks: list[float] = []
    over = threading.Event()
    watcher = threading.Thread(target=_watch, args=(child.pid, looks, over), daemon=True)
    watcher.start()
    out, error = child.communicate()
    seconds, after = perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    over.set()
    watcher.join()
    if child.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit {child.returncode}: {error.strip()[-2000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu, 2),
        "peak_mb": round(max(looks, default=0)),
        "peaks_mb": [round(max(part)) for part in _slices(looks)],
        "stdout": out,
    }


def _slices(looks: list[float]) -> list[list[float]]:
    """The looks of each slice; a short run has fewer slices."""
    each = max(-(-len(looks) // SLICES), 1)
    return [looks[start : start + each] for start in range(0, len(looks), each)]


def _watch(root: int, looks: list[float], over: threading.Event) -> None:
    wait = PERIOD
    while not over.wait(wait):
        began = perf_counter()
        looks.append(sum(_pss(pid) for pid in _tree(root)) / 1024)
        wait = max(PERIOD, REST * (perf_counter() - began))


def _tree(root: int) -> list[int]:
    """The process and everything below it."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
            parents.setdefault(parent, []).append(int(entry.name))
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += parents.get(pid, [])
    return found


def _pss(pid: int) -> int:
    """Proportional set size in KB; 0 for a process that is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def disk_bytes(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
