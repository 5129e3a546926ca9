"""`factory why`: trace one row through every step of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from factory.cli.flags import Flag
from factory.cli.params import run_folder
from factory.cli.show import say


def command(
    row_id: Annotated[
        str, Flag("Id of a problem, response or dropped row, or its beginning.", words=True, metavar="ID")
    ],
    run: Annotated[Path | None, Flag("Folder of the run; the newest below runs/ by default.")] = None,
) -> None:
    """Trace one row through every step of a run: kept, dropped and why, or never there.

    factory why p-0123456789abcdef --run runs/quickstart
    """
    from factory.errors import warn
    from factory.report.lineage import Outcome, trace
    from factory.report.step_folders import open_run
    from factory.run.review import read_reviews

    folder = run_folder(run)
    tables = open_run(folder, check=False)
    for fault in tables.faults:
        warn(fault)
    life = trace(tables, row_id)
    colours = {
        Outcome.KEPT: "green",
        Outcome.DROPPED: "red",
        Outcome.NOT_HERE: "dim",
        Outcome.UNKNOWN: "yellow",
    }
    say(f"{life.id}  {life.kind} in {folder}", style="bold")
    if life.problem_id and life.problem_id != life.id:
        say(f"of problem {life.problem_id}")
    width = max([len(event.folder) for event in life.events], default=0)
    for event in life.events:
        say(f"{event.outcome:<8}  {event.folder:<{width}}  {event.what}", style=colours[event.outcome])
        if event.facts:
            say(
                " " * (width + 12) + " · ".join(f"{name} {value}" for name, value in event.facts), style="dim"
            )
        if event.evidence:
            say(" " * (width + 12) + f"evidence: {event.evidence[:2_000]}", style="dim")
    marks = read_reviews(folder)
    if life.id in marks:
        say(f"reviewed: {marks[life.id].mark} {marks[life.id].note}".rstrip())
