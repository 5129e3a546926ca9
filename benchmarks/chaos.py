"""Figures that a slow chaos test counts, and leaves in the file that `CHAOS_FIGURES` names."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.result import RESULTS, ROOT, head, load


def figures_of(test: str, args: list[str]) -> Any:
    """Run a slow test that leaves its figures.

    Raises:
        SystemExit: the test failed, or `args` has words: a chaos test takes none.
    """
    if args:
        raise SystemExit(f"{test} takes no arguments: {' '.join(args)}")
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "figures.json"
        command = [sys.executable, "-m", "pytest", "-q", "-m", "slow", test]
        if subprocess.run(command, cwd=ROOT, env={**os.environ, "CHAOS_FIGURES": str(target)}).returncode:
            raise SystemExit(f"{test} failed")
        return json.loads(target.read_text("utf-8"))


def pieces(name: str, test: str, seeds: Iterable[int], args: list[str]) -> dict[str, Any]:
    """Figures by seed: those kept of this commit, and those of `args`, else of all others, measured now.

    Raises:
        SystemExit: the test failed.
    """
    kept = load(name) if (RESULTS / f"{name}.json").exists() else None
    found = dict(kept.figures) if kept and kept.commit == head() else {}
    wanted = args or [str(seed) for seed in seeds if str(seed) not in found]
    return found | {seed: figures_of(f"{test}[{seed}]", []) for seed in wanted}


def total(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    """Sums by name."""
    return dict(sum(map(Counter, counts), Counter()))
