"""What comes out of the quickstart, read from a finished run.

python -m benchmarks.run quickstart runs/quickstart
"""

from __future__ import annotations

import argparse
import json
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.markdown import table
from benchmarks.result import Result

SHOWN = (
    "problems", "dedup", "decontaminate", "generate", "verify", "dedup-responses", "decontaminate-responses",
)  # fmt: skip


def measure(args: list[str]) -> dict[str, Any]:
    """Ledger, manifests and evaluations of a run."""
    from factory.evaluation.ladder import read_ladder
    from factory.run.layout import DATASETS, RunLayout
    from factory.run.ledger import read_ledger
    from factory.run.parts import MANIFEST

    parser = argparse.ArgumentParser(prog="benchmarks.run quickstart")
    parser.add_argument("run", type=Path)
    run = parser.parse_args(args).run
    at = RunLayout(run)
    paths = run.rglob(MANIFEST)
    manifests = [json.loads(path.read_text("utf-8")) for path in paths]
    times = [datetime.fromisoformat(m["finished_at"]) for m in manifests if "finished_at" in m]
    sets = {name: json.loads((at.dataset(name) / MANIFEST).read_text("utf-8")) for name in DATASETS}
    keys = ("low", "high", "questions", "samples")
    return {
        "steps": [
            {"step": row.step, "in": row.rows_in, "out": row.rows_out, "dropped": dict(row.dropped)}
            for row in read_ledger(run)
            if row.step in SHOWN
        ],
        "sets": {name: manifest["rows_out"] for name, manifest in sets.items()},
        "ladder": {
            score.stage: {"pass_at_1": score.value} | {key: getattr(score, key) for key in keys}
            for score in read_ladder(run)[0]
            if score.benchmark == "held_out"
        },
        "first_to_last_step_minutes": (max(times) - min(times)).total_seconds() / 60,
    }


def render(result: Result) -> dict[str, str]:
    """The block of README.md."""
    found = result.figures
    steps = [
        (
            row["step"],
            row["in"],
            row["out"],
            ", ".join(f"{count:,} {reason}" for reason, count in row["dropped"].items()) or "-",
        )
        for row in found["steps"]
    ]
    stages = [
        (
            stage,
            f"{row['pass_at_1']:.1%}",
            f"{row['low']:.1%} to {row['high']:.1%}",
            f"{row['questions']}, {row['samples']}",
        )
        for stage, row in found["ladder"].items()
    ]
    sets = ", ".join(f"{name} {rows:,}" for name, rows in found["sets"].items())
    parts = [
        table(["step", "in", "out", "dropped"], steps, (1, 2)),
        f"Training sets: {sets} rows. The student after each stage, on held-out problems:",
        table(["stage", "pass@1", "95% interval", "questions, samples"], stages, (1, 3)),
        f"From the end of the first step to the end of the last: {found['first_to_last_step_minutes']:.1f} minutes on "
        f"{result.cores or 'an unknown number of'} CPU cores.",
    ]
    return {"quickstart": "\n\n".join(parts)}
