"""`factory run RECIPE`: the whole flow, from problem sets to a trained and evaluated student."""

from __future__ import annotations

import os
from pathlib import Path

import typer

from factory.engines.engine import EngineName


def command(
    recipe: str = typer.Argument(..., help="A recipe YAML, or the name of a shipped one (quickstart)."),
    until: str = typer.Option(None, help="Stop after this step."),
    overrides: list[str] = typer.Option([], "--set", help="Change the recipe: section.key=value."),
    out: Path = typer.Option(None, help="Folder of the run; default runs/NAME."),
    store: Path = typer.Option(
        None, "--store", help="Response store shared by runs; default $FACTORY_STORE, else RUN/store."
    ),
    engine: EngineName = typer.Option(
        EngineName.LOCAL, help="Where the work runs: this machine, or a Ray cluster (RAY_ADDRESS)."
    ),
    dry_run: bool = typer.Option(False, "--dry-run", help="Check the recipe and list the steps; do nothing."),
) -> None:
    """Carry out a recipe; start it again and it goes on where it stopped."""
    from factory.config import load_recipe
    from factory.run.checks import check_engine, check_recipe
    from factory.run.layout import RunLayout
    from factory.run.pipeline import names_until, plan, run_recipe

    loaded = load_recipe(recipe, overrides)
    folder = out or Path("runs") / loaded.name
    if dry_run:
        names = names_until(plan(loaded, RunLayout(folder)), until)
        typer.echo(f"{loaded.name}: {len(names)} steps into {folder}\n  " + "\n  ".join(names))
        check_recipe(loaded, names, RunLayout(folder))
        check_engine(engine)
        return
    shared = store or os.environ.get("FACTORY_STORE")
    changed = run_recipe(
        loaded,
        folder,
        until=until,
        store=Path(shared) if shared else None,
        engine=engine,
        on_step=_say_step,
    )
    if not changed:
        typer.echo(f"{folder} is finished and nothing has changed; report: {folder / 'report.html'}")
        return
    from factory.cli.summary import print_summary

    print_summary(folder)


def _say_step(name: str, index: int, total: int) -> None:
    typer.echo(typer.style(f"[{index}/{total}] {name}", bold=True), err=True)
