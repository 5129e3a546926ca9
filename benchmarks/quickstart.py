"""What comes out of the quickstart, read from finished runs: the first one's tables, and every one's student.

python -m benchmarks.run quickstart runs/quickstart [RUN ...]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks.markdown import table
from benchmarks.result import Result

SHOWN = (
    "problems", "dedup", "decontaminate", "generate", "verify", "dedup-responses", "decontaminate-responses",
)  # fmt: skip


def measure(args: list[str]) -> dict[str, Any]:
    """Ledger and sets of the first run; evaluations of all."""
    from factory.run.layout import DATASETS, RunLayout
    from factory.run.ledger import read_ledger
    from factory.run.parts import MANIFEST

    parser = argparse.ArgumentParser(prog="benchmarks.run quickstart")
    parser.add_argument("run", type=Path, nargs="+")
    runs = parser.parse_args(args).run
    at = RunLayout(runs[0])
    return {
        "steps": [
            {"step": row.step, "in": row.rows_in, "out": row.rows_out, "dropped": dict(row.dropped)}
            for row in read_ledger(runs[0])
            if row.step in SHOWN
        ],
        "sets": {n: json.loads((at.dataset(n) / MANIFEST).read_text("utf-8"))["rows_out"] for n in DATASETS},
        "runs": [_run(run) for run in runs],
    }


def _run(run: Path) -> dict[str, Any]:
    """The student of a run after every stage, each compared with the stage before."""
    from factory.config.load import load_recipe
    from factory.evaluation.stages import stage_deltas, stage_scores

    changes = {delta.after: delta.change.as_dict() for delta in stage_deltas(run)}
    keys = ("low", "high", "questions", "samples")
    return {
        "seed": load_recipe(run / "recipe.yaml").seed,
        "ladder": {
            score.stage: {"pass_at_1": score.value, "change": changes.get(score.stage)}
            | {key: getattr(score, key) for key in keys}
            for score in stage_scores(run)[0]
            if score.benchmark == "held_out"
        },
    }


def render(result: Result) -> dict[str, str]:
    """The blocks of README.md and docs/tutorial.md."""
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
    runs = found["runs"]
    stages = [
        (stage, *(cell for run in runs for cell in _cells(run["ladder"][stage])))
        for stage in runs[0]["ladder"]
    ]
    heads = ["stage", *(head for run in runs for head in (f"seed {run['seed']}", "change, 95% interval"))]
    sets = ", ".join(f"{name} {rows:,}" for name, rows in found["sets"].items())
    asked = next(iter(runs[0]["ladder"].values()))
    students = (
        f"The student's pass@1 after each stage on {asked['questions']} held-out problems, "
        f"{asked['samples']} samples, with the change from the stage before (paired bootstrap over the problems):"
    )
    return {
        "quickstart": f"{students}\n\n{table(heads, stages, tuple(range(1, len(heads))))}",
        "quickstart_steps": f"{table(['step', 'in', 'out', 'dropped'], steps, (1, 2))}\n\nTraining sets: {sets} rows.",
    }


def _cells(row: dict[str, Any]) -> tuple[str, str]:
    change = row["change"]
    if change is None:
        return f"{row['pass_at_1']:.1%}", "-"
    low, high = (f"{100 * change[side]:+.1f}" for side in ("low", "high"))
    return f"{row['pass_at_1']:.1%}", f"{100 * change['delta']:+.1f} ({low} to {high})"
