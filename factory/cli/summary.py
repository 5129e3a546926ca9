"""What a run prints at its end: what went through every step, the training ladder, and where to look."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from factory.cli.show import counts, say, show
from factory.run.layout import STAGES, RunLayout
from factory.run.ledger import read_ledger

if TYPE_CHECKING:
    from factory.evaluation.ladder import StageDelta


def print_summary(run: Path) -> None:
    """Print the ledger, the ladder and the paths of a run."""
    ledger = read_ledger(run)
    rows = [
        (row.step, row.folder, f"{row.rows_in:,}", f"{row.rows_out:,}", counts(row.dropped)) for row in ledger
    ]
    show("ledger", ("step", "folder", ">in", ">out", "dropped"), rows)
    ladder = read_ladder(run)
    if ladder:
        _show_ladder(ladder)
    if len(ladder) > 1:
        from factory.report.sections.deltas import read_deltas
        from factory.report.step_folders import open_run

        deltas, faults = read_deltas(open_run(run, check=False))
        _show_deltas(deltas)
        for fault in faults:
            say(fault)
    from factory.report.svg import can_draw

    prices = [usd for row in ledger if (usd := row.totals.get("usd")) is not None]
    spent = f"spent ${sum(prices):,.2f}" if prices else "no prices known"
    say(f"{spent}, {sum(row.totals.get('completion_tokens') or 0 for row in ledger):,} completion tokens")
    say(f"data sets: {run / 'datasets'}")
    if (report := RunLayout(run).report).exists():
        without = "" if can_draw() else " (without figures: pip install 'cot-factory[plots]')"
        say(f"report:    {report}{without}")
    say(f"next:      factory view {run}; factory card {run}")


def read_ladder(run: Path) -> dict[str, dict[str, Any]]:
    """Stage to benchmark to figures, from the evaluations that are there."""
    ladder = {}
    for stage in ("base", *STAGES):
        path = RunLayout(run).evaluation(stage) / "summary.json"
        if path.exists():
            ladder[stage] = json.loads(path.read_text("utf-8"))["benchmarks"]
    return ladder


def _show_ladder(ladder: dict[str, dict[str, Any]]) -> None:
    """One line per stage: pass@1 with its interval on every benchmark."""
    benchmarks = list(dict.fromkeys(name for figures in ladder.values() for name in figures))

    def cell(row: dict[str, Any] | None) -> str:
        return f"{row['pass_at_1']:.1%} ({row['low']:.1%} to {row['high']:.1%})" if row else "-"

    rows = [(stage, *(cell(figures.get(name)) for name in benchmarks)) for stage, figures in ladder.items()]
    show("pass@1 after each stage (95% interval)", ("stage", *(f">{name}" for name in benchmarks)), rows)


def _show_deltas(deltas: list[StageDelta]) -> None:
    """One line per benchmark and step: the paired change with its interval beside the paper's, in points."""
    from factory.report.sections.deltas import meaning, paper_change

    rows = [
        (
            delta.benchmark,
            f"{delta.before} to {delta.after}",
            f"{100 * delta.change.delta:+.1f} ({100 * delta.change.low:+.1f} to {100 * delta.change.high:+.1f})",
            meaning(delta),
            " ".join(paper_change(delta.before, delta.after) or ("-",)),
        )
        for delta in deltas
    ]
    title = "what each stage changed, points of pass@1 (95% interval, paired)"
    show(title, ("benchmark", "step", ">change", "", ">the paper's student"), rows)
