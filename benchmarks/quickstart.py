"""Write the README's look at the quickstart from a finished run: `python -m benchmarks.quickstart runs/quickstart`.

Prints the figures as JSON and renews the block `quickstart` of README.md; nothing in that block is typed in.
"""

from __future__ import annotations

import argparse
import json
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.docs_table import renew
from factory.atomic import read_json
from factory.cli.summary import read_ladder
from factory.run.layout import DATASETS, RunLayout
from factory.run.ledger import LedgerRow, read_ledger
from factory.run.parts import MANIFEST

SHOWN = (
    "problems",
    "dedup",
    "decontaminate",
    "generate",
    "verify",
    "dedup-responses",
    "decontaminate-responses",
)


def figures(run: Path) -> dict[str, Any]:
    """What came out of a run, from its ledger, manifests and evaluations."""
    at = RunLayout(run)
    ledger = read_ledger(run)
    manifests = [read_json(path) for path in [*run.rglob(MANIFEST), *run.glob("train/*/manifest.json")]]
    times = [datetime.fromisoformat(m["finished_at"]) for m in manifests if "finished_at" in m]
    return {
        "steps": [row for row in ledger if row.step in SHOWN],
        "sets": {name: read_json(at.dataset(name) / MANIFEST)["rows_out"] for name in DATASETS},
        "tokens": sum(row.totals.get("completion_tokens") or 0 for row in ledger if row.step == "generate"),
        "ladder": {stage: figures["held_out"] for stage, figures in read_ladder(run).items()},
        "first_to_last_step_minutes": (max(times) - min(times)).total_seconds() / 60,
    }


def markdown(found: dict[str, Any]) -> str:
    """The README's block."""
    lines = ["| step | in | out | dropped |", "|---|--:|--:|---|"]
    lines += [_row(row) for row in found["steps"]]
    sets = ", ".join(f"{name} {rows:,}" for name, rows in found["sets"].items())
    lines += [
        "",
        f"Training sets: {sets} rows. The student after each stage, on problems that nobody trained on:",
        "",
    ]
    lines += ["| stage | pass@1 | 95% interval | questions, samples |", "|---|--:|---|--:|"]
    for stage, row in found["ladder"].items():
        interval = f"{row['low']:.1%} to {row['high']:.1%}"
        lines.append(
            f"| {stage} | {row['pass_at_1']:.1%} | {interval} | {row['questions']}, {row['samples']} |"
        )
    minutes = found["first_to_last_step_minutes"]
    lines += ["", f"From the first step's end to the last one's: {minutes:.1f} minutes on two CPU cores."]
    return "\n".join(lines)


def _row(row: LedgerRow) -> str:
    dropped = ", ".join(f"{count:,} {reason}" for reason, count in row.dropped.items()) or "-"
    return f"| {row.step} | {row.rows_in:,} | {row.rows_out:,} | {dropped} |"


def main() -> None:
    """Renew the block and print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("--readme", type=Path, default=Path("README.md"))
    options = parser.parse_args()
    found = figures(options.run)
    renew(options.readme, "quickstart", markdown(found))
    print(json.dumps(found | {"steps": [row.step for row in found["steps"]]}, indent=1))


if __name__ == "__main__":
    main()
