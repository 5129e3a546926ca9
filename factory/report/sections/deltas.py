"""What every training stage changed, question by question, beside what the paper's stage changed."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import polars as pl

from factory.errors import FactoryError, first_line
from factory.evaluation.ladder import StageDelta, stage_deltas
from factory.report.blocks import Grid, grid
from factory.report.paper import BENCHMARKS, LADDER
from factory.report.step_folders import STAGES, RunTables, State


def read_deltas(run: RunTables) -> tuple[list[StageDelta], list[str]]:
    """Neighbouring stages and, where there are more than two, the first against the last; and what could not be compared.

    Stages with an unfinished or damaged evaluation are passed over: their questions would not be all there.
    """
    stages = [stage for stage in ("base", *STAGES) if _complete(run, stage)]
    seed = run.recipe.get("seed")
    pairs = list(itertools.pairwise(stages)) + ([(stages[0], stages[-1])] if len(stages) > 2 else [])
    found: list[StageDelta] = []
    faults: list[str] = []
    for names in pairs:
        try:
            found += stage_deltas(run.run / "eval", names, seed=seed if isinstance(seed, int) else 0)
        except (FactoryError, pl.exceptions.PolarsError, OSError) as error:
            faults.append(f"{names[0]} and {names[1]} could not be compared: {first_line(error)}")
    return found, faults


def deltas_grid(deltas: Sequence[StageDelta]) -> Grid:
    """One row a benchmark and step; changes in percentage points."""
    rows = []
    for delta in sorted(deltas, key=lambda d: d.benchmark):
        change = delta.change
        rows.append(
            (
                delta.benchmark,
                f"{delta.before}\u00a0to\u00a0{delta.after}",
                f"{100 * change.delta:+.1f}",
                f"{100 * change.low:+.1f} to {100 * change.high:+.1f}",
                meaning(delta),
                f"{change.better:,} / {change.worse:,}",
                *(paper_change(delta.before, delta.after) or (None,) * len(BENCHMARKS)),
            )
        )
    columns = (
        "benchmark",
        "step",
        "change",
        "95% interval",
        "",
        "better / worse",
        *(f"paper: {name}" for name in BENCHMARKS),
    )
    caption = (
        "What each stage changed, in points of pass@1: paired over the same questions, bootstrap over questions; better / "
        "worse counts questions. Beside it what the paper's stage changed on its own benchmarks"
    )
    if left_out := sum(delta.change.dropped for delta in deltas):
        caption += f". {left_out:,} questions that only one side scored are left out"
    return grid(columns, rows, caption)


def meaning(delta: StageDelta) -> str:
    """What the interval lets one say."""
    if delta.change.low > 0:
        return "rise"
    return "fall" if delta.change.high < 0 else "unclear"


def paper_change(before: str, after: str) -> tuple[str, ...] | None:
    """The paper's change between two stages on `BENCHMARKS`, points; None for stages that it does not have."""
    scores = {stage: values for stage, _, values in LADDER}
    if before not in scores or after not in scores:
        return None
    return tuple(f"{new - old:+.1f}" for old, new in zip(scores[before], scores[after], strict=True))


def _complete(run: RunTables, stage: str) -> bool:
    folder = run.layout.evaluation(stage)
    if not (folder / "summary.json").is_file():
        return False
    parts = [step for step in run.folders.values() if step.path.parent == folder]
    return bool(parts) and all(step.state == State.COMPLETE for step in parts)
