"""The table of the 200 kills, in the docs and in README, from the slow chaos test.

python -m benchmarks.sampling_kills          writes the tables from the figures of the last run
python -m benchmarks.sampling_kills --run    kills anew first (about ten minutes)
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.docs_table import renew

RESULT = Path(__file__).parent / "results" / "generate_kills.json"
TEST = "tests/chaos/test_generate_kills.py::test_two_hundred_kills_over_two_thousand_requests"


def table(figures: dict[str, Any]) -> str:
    """One row a figure."""
    rows = [
        f"| {name.replace('_', ' ')} | {_shown(value)} |"
        for name, value in figures.items()
        if name != "kills"
    ]
    return "\n".join([f"| {figures['kills']} kills | |", "|---|---|", *rows])


def _shown(value: Any) -> str:
    return ", ".join(f"{each:,}" for each in value) if isinstance(value, list) else f"{value:,}"


def main() -> None:
    """Renew the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--run", action="store_true", help="kill anew")
    parser.add_argument("--docs", type=Path, nargs="*", default=[Path("docs/sampling.md"), Path("README.md")])
    args = parser.parse_args()
    if args.run:
        command = [sys.executable, "-m", "pytest", "-q", "-m", "slow", TEST]
        subprocess.run(command, check=True, env={**os.environ, "CHAOS_FIGURES": str(RESULT)})
    for page in args.docs:
        renew(page, "generate_kills", table(json.loads(RESULT.read_text())))


if __name__ == "__main__":
    main()
