"""`factory report`: write the HTML report of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from factory.cli.flags import Flag
from factory.cli.params import Run, run_folder
from factory.cli.show import say


def command(
    run: Run = None,
    against: Annotated[Path | None, Flag("Folder of another run to set this one beside.")] = None,
    out: Annotated[Path | None, Flag("File to write; report.html in the run's folder by default.")] = None,
) -> None:
    """Write the report of a run, finished or not: one self-contained HTML page.

    factory report runs/quickstart
    """
    from factory.report import build_report
    from factory.report.step_folders import open_run
    from factory.report.svg import can_draw

    run = run_folder(run)
    path = build_report(run, out=out, against=against)
    faults = open_run(run, check=False).faults
    say(f"report  {path}  {path.stat().st_size / 1024:,.0f} KB")
    say(f"next    open it in a browser; factory view {run}")
    if not can_draw():
        say("figures are left out: pip install 'cot-factory[plots]'", err=True)
    if faults:
        say(f"incomplete: {len(faults)} faults, named at the top of the report", err=True)
