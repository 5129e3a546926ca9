"""Runs: a recipe that is run, or one that was, with its steps and sets as results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from factory.api.result import Result
from factory.errors import UsageError


def run_recipe(
    recipe: str | Path, out: str | Path | None = None, *, until: str | None = None, **overrides: Any
) -> Run:
    """Run a recipe, or what is missing of it (`factory run`).

    Args:
        recipe: a YAML file, or the name of a shipped one.
        out: the run's folder; runs/NAME by default.
        until: stop after this step.
        **overrides: keys with `__` for the dot: `generate__samples=8`.

    Raises:
        UsageError: the recipe cannot work here.
        FactoryError: a step failed.
    """
    from factory.config.load import load_recipe
    from factory.pipeline.run import run_recipe as run

    words = [f"{name.replace('__', '.')}={value}" for name, value in overrides.items()]
    loaded = load_recipe(str(recipe), words)
    folder = Path(out) if out is not None else Path("runs") / loaded.name
    run(loaded, folder, until=until)
    return open_run(folder)


def open_run(run: str | Path | None = None) -> Run:
    """A run that is there; the newest below runs/ by default.

    Raises:
        UsageError: there is none.
    """
    from factory.run.folder import newest_run

    return Run(Path(run) if run is not None else newest_run(Path("runs")))


class Run:
    """A run: its steps and sets as results.

    Attributes:
        folder: where it lies.
        steps: finished steps by their folder below it, such as `verdicts/teacher`.
        sets: training sets by name: midtrain, sft, preference, rl.
    """

    def __init__(self, folder: Path) -> None:
        """Look at a run's folder.

        Raises:
            UsageError: it holds no finished step.
        """
        from factory.run.layout import DATASETS, PLAN
        from factory.run.parts import MANIFEST

        self.folder = folder
        self.steps = {
            place.folder: _opened(folder / place.folder)
            for place in PLAN
            if (folder / place.folder / MANIFEST).exists()
        }
        self.sets = {
            name: self.steps[f"datasets/{name}"] for name in DATASETS if f"datasets/{name}" in self.steps
        }
        if not self.steps:
            raise UsageError(f"{folder} holds no finished step", do="name a run's folder")

    def why(self, row_id: str) -> list[dict[str, Any]]:
        """What every step did with a row, in order: folder, outcome and what was said of it."""
        from factory.report.lineage import trace
        from factory.report.step_folders import open_run as tables

        return [
            {"folder": event.folder, "outcome": str(event.outcome), "what": event.what}
            for event in trace(tables(self.folder, check=False), row_id).events
        ]

    def __repr__(self) -> str:
        """Its folder and sets."""
        sets = ", ".join(f"{name} {len(each):,}" for name, each in self.sets.items())
        return f"run {self.folder}: {len(self.steps)} steps; sets: {sets or 'none'}"


def _opened(folder: Path) -> Result:
    from factory.atomic import read_json
    from factory.run.parts import MANIFEST
    from factory.run.step import StepResult

    manifest = read_json(folder / MANIFEST)
    return Result(folder, StepResult(manifest, False, manifest["totals"]))
