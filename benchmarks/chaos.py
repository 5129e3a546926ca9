"""Figures that a chaos test counts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.result import ROOT


def figures_of(test: str, variable: str, args: list[str]) -> Any:
    """Run a slow test that writes its figures into the file named by an environment variable.

    Raises:
        SystemExit: the test failed, or `args` has words: a chaos test takes none.
    """
    if args:
        raise SystemExit(f"{test} takes no arguments: {' '.join(args)}")
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "figures.json"
        command = [sys.executable, "-m", "pytest", "-q", "-m", "slow", test]
        if subprocess.run(command, cwd=ROOT, env={**os.environ, variable: str(target)}).returncode:
            raise SystemExit(f"{test} failed")
        return json.loads(target.read_text("utf-8"))
