"""Workers, drivers and nodes of a Ray cluster killed, counted: the table in docs/engines.md.

python -m benchmarks.ray_faults          writes the table from the figures of the last run
python -m benchmarks.ray_faults --run    kills anew first (a few minutes)
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

RESULT = Path(__file__).parent / "results" / "ray_faults.json"
TEST = "tests/chaos/test_ray_faults.py::test_many_workers_nodes_and_drivers_killed"


def table(figures: dict[str, Any]) -> str:
    """One row a kind of fault."""
    rows = [
        f"| {name} | {f['kills']} | {f['parts']} | {f['begun'] - f['parts']} | 0 | yes |"
        for name, f in figures.items()
    ]
    head = "| killed with -9 | kills | parts | parts begun again | parts lost or counted twice | same bytes |"
    return "\n".join([head, "|---|---|---|---|---|---|", *rows])


def main() -> None:
    """Renew the table. The last two columns are what the test asserts: it writes no figures otherwise."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--run", action="store_true", help="kill anew")
    args = parser.parse_args()
    if args.run:
        command = [sys.executable, "-m", "pytest", "-q", "-m", "slow", TEST]
        subprocess.run(command, check=True, env={**os.environ, "CHAOS_RAY_FIGURES": str(RESULT)})
    renew(Path("docs/engines.md"), "ray_faults", table(json.loads(RESULT.read_text())))


if __name__ == "__main__":
    main()
