"""The table that a run prints at its end: what went through every step, the training ladder, and where to look."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from factory.run.layout import STAGES, RunLayout
from factory.run.ledger import LedgerRow, read_ledger

if TYPE_CHECKING:
    from factory.evaluation.ladder import StageDelta


def print_summary(run: Path) -> None:
    """Print the ledger, the ladder and the paths of a run."""
    from rich.console import Console

    console = Console()
    ledger = read_ledger(run)
    console.print(ledger_table(ledger))
    ladder = read_ladder(run)
    if ladder:
        console.print(ladder_table(ladder))
    if len(ladder) > 1:
        from factory.report.sections.deltas import read_deltas
        from factory.report.tables import open_run

        console.print(delta_table(read_deltas(open_run(run, check=False))))
    usd = sum(row.totals.get("usd") or 0 for row in ledger)
    tokens = sum(row.totals.get("completion_tokens") or 0 for row in ledger)
    console.print(f"spent ${usd:,.2f}, {tokens:,} completion tokens")
    console.print(f"data sets: {run / 'datasets'}", soft_wrap=True)
    console.print(f"report:    {run / 'report.html'}", soft_wrap=True)


def ledger_table(ledger: list[LedgerRow]) -> Any:
    """One line a step: in, out, dropped and why."""
    from rich.table import Table

    table = Table(title="ledger", title_justify="left")
    for name, justify in (
        ("step", "left"),
        ("folder", "left"),
        ("in", "right"),
        ("out", "right"),
        ("dropped", "left"),
    ):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for row in ledger:
        dropped = ", ".join(f"{count:,} {reason}" for reason, count in row.dropped.items()) or "-"
        table.add_row(row.step, row.folder, f"{row.rows_in:,}", f"{row.rows_out:,}", dropped)
    return table


def read_ladder(run: Path) -> dict[str, dict[str, Any]]:
    """Stage to benchmark to figures, from the evaluations that are there."""
    ladder = {}
    for stage in ("base", *STAGES):
        path = RunLayout(run).evaluation(stage) / "summary.json"
        if path.exists():
            ladder[stage] = json.loads(path.read_text("utf-8"))["benchmarks"]
    return ladder


def ladder_table(ladder: dict[str, dict[str, Any]]) -> Any:
    """One line a stage: pass@1 with its interval on every benchmark."""
    from rich.table import Table

    benchmarks = list(dict.fromkeys(name for figures in ladder.values() for name in figures))
    table = Table(title="pass@1 after each stage (95% interval)", title_justify="left")
    table.add_column("stage")
    for name in benchmarks:
        table.add_column(name, justify="right")
    for stage, figures in ladder.items():
        cells = []
        for name in benchmarks:
            row = figures.get(name)
            cells.append(f"{row['pass_at_1']:.1%} ({row['low']:.1%} to {row['high']:.1%})" if row else "-")
        table.add_row(stage, *cells)
    return table


def delta_table(deltas: list[StageDelta]) -> Any:
    """One line a benchmark and step: the paired change with its interval beside the paper's change, in points."""
    from rich.table import Table

    from factory.report.sections.deltas import meaning, paper_change

    table = Table(
        title="what each stage changed, points of pass@1 (95% interval, paired)", title_justify="left"
    )
    table.add_column("benchmark")
    table.add_column("step")
    table.add_column("change", justify="right")
    table.add_column("")
    table.add_column("paper", justify="right")
    for delta in deltas:
        change = delta.change
        cell = f"{100 * change.delta:+.1f} ({100 * change.low:+.1f} to {100 * change.high:+.1f})"
        paper = " ".join(paper_change(delta.before, delta.after) or ("-",))
        table.add_row(delta.benchmark, f"{delta.before} to {delta.after}", cell, meaning(delta), paper)
    return table
