"""`factory why ID`: the whole life of a problem, a response or a dropped row."""

from __future__ import annotations

from pathlib import Path

import typer


def command(
    row_id: str = typer.Argument(
        ..., metavar="ID", help="Id of a problem, response or dropped row, or its beginning."
    ),
    run: Path | None = typer.Option(None, help="Run folder; the newest below runs/ by default."),
) -> None:
    """Tell what every step of a run did with a row: kept, dropped and why, or never there."""
    from rich.console import Console
    from rich.markup import escape

    from factory.report.lineage import Outcome, trace
    from factory.report.newest import newest_run
    from factory.report.review import read_reviews
    from factory.report.tables import open_run
    from factory.report.terminal import printable

    folder = run or newest_run(Path("runs"))
    life = trace(open_run(folder, check=False), row_id)
    console = Console(highlight=False, soft_wrap=True)
    colours = {
        Outcome.KEPT: "green",
        Outcome.DROPPED: "red",
        Outcome.NOT_HERE: "dim",
        Outcome.UNKNOWN: "yellow",
    }

    def say(text: str) -> None:
        console.print(text)

    say(f"[bold]{escape(printable(life.id))}[/bold]  {life.kind} in {escape(str(folder))}")
    if life.problem_id and life.problem_id != life.id:
        say(f"of problem {escape(printable(life.problem_id))}")
    width = max([len(event.folder) for event in life.events], default=0)
    for event in life.events:
        colour = colours[event.outcome]
        say(
            f"[{colour}]{event.outcome:<8}[/{colour}]  {escape(event.folder):<{width}}  {escape(printable(event.what))}"
        )
        if event.facts:
            facts = " · ".join(f"{name} {escape(printable(value))}" for name, value in event.facts)
            say(f"[dim]{'':<{width + 12}}{facts}[/dim]")
        if event.evidence:
            say(f"[dim]{'':<{width + 12}}evidence: {escape(printable(event.evidence[:2_000]))}[/dim]")
    marks = read_reviews(folder)
    if life.id in marks:
        mark = marks[life.id]
        say(f"reviewed: {mark.mark} {escape(printable(mark.note))}".rstrip())
