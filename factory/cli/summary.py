"""What a run prints at its end: what went through every step, the training ladder, and where to look."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from factory.cli.show import NARROW, counts, say, show, terminal_width
from factory.numbers import dollars, percent
from factory.run.layout import RunLayout
from factory.run.ledger import LedgerRow, read_ledger

if TYPE_CHECKING:
    from factory.evaluation.stages import Score, StageDelta


def print_summary(run: Path, since: str | None = None) -> None:
    """Print the ledger, the ladder and the paths of a run; what was requested `since` (ISO time), with its pace and cost."""
    ledger = read_ledger(run)
    narrow = terminal_width() < NARROW
    rows = [
        (
            row.step,
            *([] if narrow else [row.folder]),
            f"{row.rows_in:,}",
            f"{row.rows_out:,}",
            counts(row.dropped),
        )
        for row in ledger
    ]
    show("ledger", ("step", *([] if narrow else ["folder"]), ">in", ">out", "dropped"), rows)
    from factory.evaluation.stages import stage_scores

    scores, faults = stage_scores(run)
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

    prices = [usd for row in ledger if (usd := row.totals.get("usd"))]
    teachers = {row.totals["teacher"] for row in ledger if "teacher" in row.totals}
    unpriced = "the teacher costs nothing" if teachers == {"procedural"} else "not priced"
    spent = f"spent {dollars(sum(prices))}" if prices else unpriced
    say(f"{spent}, {sum(row.totals.get('completion_tokens') or 0 for row in ledger):,} completion tokens")
    _say_paid(run, ledger, since)
    for row in ledger:
        if row.totals.get("reused"):
            say(spared_line(row.totals["reused"], row.totals.get("spared"), row.totals.get("usd_spared")))
    say(f"data sets: {run / 'datasets'}")
    if sets := [row for row in ledger if row.folder.startswith("datasets/") and row.rows_out]:
        last = next((row for row in sets if row.folder.endswith("sft")), sets[-1])
        say(f'load it:   polars.read_parquet("{run / last.folder}/*.parquet")  # {last.rows_out:,} rows')
    if (report := RunLayout(run).report).exists():
        without = "" if can_draw() else " (without figures: pip install 'cot-factory[plots]')"
        say(f"report:    {report}{without}")
    say(f"next:      factory view {run}; factory card {run}")


def _say_paid(run: Path, ledger: list[LedgerRow], since: str | None) -> None:
    """The accept rate with the price of a correct row, and what the teacher was asked in this session."""
    from factory.atomic import read_json
    from factory.run.parts import MANIFEST
    from factory.sampling.session import per_row, session_lines

    by_step = {row.step: row for row in ledger}
    if (verified := by_step.get("verify")) and (asked := by_step.get("generate")):
        correct, usd = verified.totals["verdicts"].get("correct", 0), asked.totals.get("usd")
        each = f"; {per_row(usd, correct)} per correct row" if usd and correct else ""
        say(f"accept rate {percent(correct, verified.rows_out)} ({correct:,} of {verified.rows_out:,}){each}")
    for row in ledger:
        manifest = read_json(run / row.folder / MANIFEST)
        if since and "session" in manifest and manifest["finished_at"] >= since:
            policy = manifest["settings"].get("truncation", "keep")
            say(*session_lines(manifest["session"], policy=policy, in_recipe=True))


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
