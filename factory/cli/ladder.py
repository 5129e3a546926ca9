"""`factory ladder`: what each data decision of a recipe is worth to a student."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from factory.cli.flags import Flag
from factory.cli.params import Out
from factory.cli.show import NARROW, say, show, terminal_width
from factory.config.ladder import LadderSection


def command(
    recipe: Annotated[
        str, Flag("A recipe YAML, or the name of a shipped one.", words=True, metavar="RECIPE")
    ],
    out: Out,
    settings: LadderSection,
    overrides: Annotated[
        list[str],
        Flag("Change the recipe for all runs; repeat for more.", name="set", metavar="SECTION.KEY=VALUE"),
    ] = [],  # noqa: B006
    store: Annotated[
        Path | None, Flag("Response store of all runs; $FACTORY_STORE or OUT/store by default.")
    ] = None,
) -> None:
    """Run a recipe with one data decision changed at a time, and say what each is worth to a student.

    factory ladder quickstart --change datasets.keep=all --out ladder
    """
    from factory.pipeline.ladder import ladder
    from factory.report.comparison import build_comparison

    shared = store or os.environ.get("FACTORY_STORE")
    worths, found = ladder(
        recipe,
        out,
        settings,
        overrides=overrides,
        store=Path(shared) if shared else None,
        on_run=lambda name, index, total: say(f"[{index}/{total or '?'}] {name}", style="bold", err=True),
    )
    heads = ("decision", "change", ">rows", ">points", ">interval", "verdict")
    # The keys of a change take more room than a narrow terminal has; its name and the page say what it is.
    shown = [at for at, head in enumerate(heads) if head != "change" or terminal_width() >= NARROW]
    show(
        "Points of pass@1 against the recipe as it is",
        [heads[at] for at in shown],
        [[each.cells[at] for at in shown] for each in worths],
    )
    if found:
        say(*found.warnings)
        say(f"report: {build_comparison(found, out / 'comparison', worths)}")
