"""Write the table of the 200 kills into the docs, from the figures that the slow chaos test wrote.

CHAOS_FIGURES=benchmarks/results/generate_kills.json pytest tests/chaos -k two_hundred -m slow
python -m benchmarks.sampling_kills [--docs docs/sampling.md]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from benchmarks.docs_table import renew

RESULT = Path(__file__).parent / "results" / "generate_kills.json"


def table(figures: dict[str, int]) -> str:
    """One row a figure."""
    rows = [f"| {name.replace('_', ' ')} | {value:,} |" for name, value in figures.items() if name != "kills"]
    return "\n".join([f"| {figures['kills']} kills | |", "|---|---|", *rows])


def main() -> None:
    """Renew the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--docs", type=Path, default=Path("docs/sampling.md"))
    renew(parser.parse_args().docs, "generate_kills", table(json.loads(RESULT.read_text())))


if __name__ == "__main__":
    main()
