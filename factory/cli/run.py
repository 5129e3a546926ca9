"""`factory run`: run a recipe, from problem sets to a trained and evaluated student."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

from factory.cli.flags import Flag
from factory.cli.params import Engine
from factory.cli.show import say
from factory.engines.engine import EngineName

if TYPE_CHECKING:
    from factory.config.recipe import Recipe


def command(
    recipe: Annotated[
        str, Flag("A recipe YAML, or the name of a shipped one (quickstart).", words=True, metavar="RECIPE")
    ],
    until: Annotated[str | None, Flag("Stop after this step.", metavar="STEP")] = None,
    overrides: Annotated[
        list[str], Flag("Change the recipe; repeat for more.", name="set", metavar="SECTION.KEY=VALUE")
    ] = [],  # noqa: B006
    out: Annotated[Path | None, Flag("Folder of the run; runs/NAME by default.")] = None,
    store: Annotated[
        Path | None, Flag("Response store shared by runs; $FACTORY_STORE or OUT/store by default.")
    ] = None,
    engine: Engine = EngineName.LOCAL,
    dry_run: Annotated[bool, Flag("Check the recipe and list the steps; do nothing.")] = False,
) -> None:
    """Run a recipe; run the same command again to resume.

    factory run quickstart --until sft-set --set generate.samples=8
    """
    from factory.config.load import load_recipe, save_recipe
    from factory.pipeline.checks import check_engine, check_recipe
    from factory.pipeline.run import check_student, names_until, plan, run_recipe
    from factory.run.layout import RunLayout

    loaded = load_recipe(recipe, overrides)
    folder = out or Path("runs") / loaded.name
    if dry_run:
        names = names_until(plan(loaded, RunLayout(folder)), until)
        say(f"{loaded.name}: {len(names)} steps into {folder}", *(f"  {name}" for name in names))
        layout = RunLayout(folder)
        needs = check_recipe(loaded, names, layout, elsewhere=True)
        check_engine(engine)
        if "problems" in names:
            _say_given(loaded)
        with TemporaryDirectory() as place:
            save_recipe(loaded, Path(place) / "recipe.yaml")
            check_student(loaded, Path(place) / "recipe.yaml", layout, names)
        if needs:
            say("On the machine that runs it:", *(f"  {need}" for need in needs))
        return
    shared = store or os.environ.get("FACTORY_STORE")
    since = datetime.now(UTC).isoformat(timespec="seconds")
    changed = run_recipe(
        loaded,
        folder,
        until=until,
        store=Path(shared) if shared else None,
        engine=engine,
        on_step=lambda name, index, total: say(f"[{index}/{total}] {name}", style="bold", err=True),
    )
    if not changed:
        say(f"{folder} is finished and nothing has changed; report: {folder / 'report.html'}")
        return
    from factory.cli.summary import print_summary

    print_summary(folder, since)


def _say_given(recipe: Recipe) -> None:
    """What the sources hold already, and what is left to request."""
    from factory.steps.problems import look

    samples = recipe.generate.samples
    need = recipe.datasets.need_reasoning
    found = look(recipe.problems, samples, need_reasoning=need, seed=recipe.seed)
    if found is None:
        return
    wanted = found.problems * samples
    say(*(f"layout of {path}: {shown}" for path, shown in found.layouts.items()))
    if not samples:
        say(
            f"{found.problems:,} problems; {found.responses:,} responses came with them, and none is requested"
        )
        return
    say(
        f"{found.problems:,} problems x {samples} samples = {wanted:,} responses",
        f"{found.responses:,} responses came with the problems: {found.count:,} of these samples are there, "
        f"{wanted - found.count:,} are missing (before duplicates and benchmark problems are dropped)",
    )
