"""What a run prints at its end: what went through every step, the training ladder, and where to look."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from factory.cli.show import counts, say, show
from factory.run.layout import RunLayout
from factory.run.ledger import read_ledger

if TYPE_CHECKING:
    from factory.evaluation.ladder import Score, StageDelta


def print_summary(run: Path) -> None:
    """Print the ledger, the ladder and the paths of a run."""
    ledger = read_ledger(run)
    rows = [
        (row.step, row.folder, f"{row.rows_in:,}", f"{row.rows_out:,}", counts(row.dropped)) for row in ledger
    ]
    show("ledger", ("step", "folder", ">in", ">out", "dropped"), rows)
    from factory.evaluation.ladder import read_ladder

    scores, faults = read_ladder(run)
    if scores:
        _show_ladder(scores)
    if len({score.stage for score in scores}) > 1:
        from factory.report.sections.training import read_deltas
        from factory.report.step_folders import open_run

        deltas, incomparable = read_deltas(open_run(run, check=False))
        _show_deltas(deltas)
        faults += incomparable
    for fault in faults:
        say(fault)
    from factory.report.svg import can_draw

    prices = [usd for row in ledger if (usd := row.totals.get("usd")) is not None]
    spent = f"spent ${sum(prices):,.2f}" if prices else "no prices known"
    say(f"{spent}, {sum(row.totals.get('completion_tokens') or 0 for row in ledger):,} completion tokens")
    for row in ledger:
        if row.totals.get("reused"):
            say(spared_line(row.totals["reused"], row.totals.get("spared"), row.totals.get("usd_spared")))
    say(f"data sets: {run / 'datasets'}")
    if (report := RunLayout(run).report).exists():
        without = "" if can_draw() else " (without figures: pip install 'cot-factory[plots]')"
        say(f"report:    {report}{without}")
    say(f"next:      factory view {run}; factory card {run}")


def spared_line(reused: int, spared: int | None, usd: float | None) -> str:
    """What responses that were there already saved."""
    saved = f" (about ${usd:,.2f} at the price of the requested ones)" if usd else ""
    spares = f": {spared:,} requests spared{saved}" if spared else ""
    return f"{reused:,} responses were there already{spares}"


def _show_ladder(scores: list[Score]) -> None:
    """One line per stage: pass@1 with its interval on every benchmark."""
    cells = {(s.stage, s.benchmark): f"{s.value:.1%} ({s.low:.1%} to {s.high:.1%}){s.beside}" for s in scores}
    stages, benchmarks = (dict.fromkeys(name) for name in zip(*cells, strict=True))
    rows = [(stage, *(cells.get((stage, name), "-") for name in benchmarks)) for stage in stages]
    show("pass@1 after each stage (95% interval)", ("stage", *(f">{name}" for name in benchmarks)), rows)


def _show_deltas(deltas: list[StageDelta]) -> None:
    """One line per benchmark and step: the paired change with its interval beside the paper's, in points."""
    from factory.report.sections.training import meaning, paper_change

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
