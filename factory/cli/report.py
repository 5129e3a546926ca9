"""`factory report RUN`: write the HTML report of a run."""

from __future__ import annotations

from pathlib import Path

import typer


def command(
    run: Path = typer.Argument(..., help="Run folder, such as runs/quickstart."),
    out: Path | None = typer.Option(None, help="File to write; report.html in the run folder by default."),
) -> None:
    """Write the report of a run, finished or not: one self-contained HTML page."""
    from factory.report import build_report
    from factory.report.tables import open_run

    path = build_report(run, out=out)
    faults = open_run(run, check=False).faults
    typer.echo(f"report  {path}  {path.stat().st_size / 1024:,.0f} KB")
    if faults:
        typer.echo(f"not whole: {len(faults)} faults, named at the top of the report", err=True)
