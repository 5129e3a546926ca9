"""The trainer's entry: `python -m train.run --stage midtrain --recipe RECIPE --run RUN`.

Reads `RUN/datasets/<set>/` and the parent stage's `final/`; writes `RUN/train/<stage>/`. A finished stage of the same
data, parent and settings is left alone; with `--resume` an unfinished one goes on from its last checkpoint.
Works alone, under `torchrun` and under `accelerate launch` (configs in `recipes/accelerate/`).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from factory.atomic import digest
from factory.config import Recipe, load_recipe
from factory.errors import FactoryError, UsageError
from factory.run.layout import STAGES, RunLayout
from train.manifest import Job, begin, close, finished, job_inputs
from train.say import main_process, say
from train.trackers import tracked


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser("train.run", description="Train one stage of a run, or all of them.")
    parser.add_argument("--stage", required=True, choices=("base", *STAGES, "all"))
    parser.add_argument("--recipe", required=True, help="recipe file, or the name of a shipped one")
    parser.add_argument("--run", required=True, type=Path, help="the run's folder")
    parser.add_argument(
        "--dry-run", action="store_true", help="preflight only: load no weights, train nothing"
    )
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parser.add_argument("--set", action="append", default=[], metavar="K=V", help="change a recipe value")
    return parser.parse_args(argv)


def run_stage(recipe: Recipe, run: Path, stage: str, *, resume: bool = False, dry_run: bool = False) -> str:
    """Preflight and train one stage.

    Returns:
        One line for the user: what was done.

    Raises:
        UsageError: something is missing or set wrongly; nothing was trained.
        Stopped: stopped by the user; resumable.
        FactoryError: training failed.
    """
    if recipe.train is None:
        raise UsageError("this recipe does not train (train: null)")
    job = Job(recipe, RunLayout(run), stage)
    if stage != "base" and not job.section.enabled:
        return f"{stage}: left out by the recipe"
    inputs = job_inputs(job)
    key = digest(inputs)
    if not dry_run and finished(job, key):
        return f"{stage}: already trained, nothing to do"
    with tracked(job):
        return _train(job, key, inputs, resume=resume, dry_run=dry_run)


def _train(job: Job, key: str, inputs: dict[str, Any], *, resume: bool, dry_run: bool) -> str:
    """What `run_stage` does once a stage has to be trained; torch and TRL are imported here."""
    stage = job.stage
    from train.quiet import silence

    silence()
    from train import stages

    if stage == "base":
        if dry_run:
            return "base: nothing to check"
        begin(job, key, resume=False)
        facts = stages.build_base(job)
    else:
        from train.preflight import preflight

        prepared = stages.prepare(job)
        report = preflight(job, prepared.config, prepared.tokenizer, prepared.rows)
        if dry_run:
            show(report)
            return f"{stage}: ready to train"
        if report.get("dead_groups"):
            say(
                f"{stage}: {report['dead_groups']['dead']:.0%} of the groups will give no signal, by their pass rates"
            )
        facts = stages.train_stage(job, prepared, stages.start(job, key, resume=resume))
    if main_process():
        from train.card import write_cards

        close(job, key, inputs, facts.as_dict() | ({"preflight": report} if stage != "base" else {}))
        write_cards(job.layout)
    stages.wait()
    return f"{stage}: {facts.steps} steps in {facts.seconds:.0f} s -> {job.final}"


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    options = parse(argv)
    try:
        recipe = load_recipe(options.recipe, options.set)
        for stage in ("base", *STAGES) if options.stage == "all" else (options.stage,):
            say(run_stage(recipe, options.run, stage, resume=options.resume, dry_run=options.dry_run))
    except FactoryError as error:
        say(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        say("stopped - the same command with --resume goes on from the last checkpoint")
        return 3
    return 0


def show(report: dict[str, object]) -> None:
    """The preflight report, for people."""
    for name, value in report.items():
        say(f"{name}: {value}" if name != "sample" else f"first row, learnt part marked:\n{value}")


if __name__ == "__main__":
    sys.exit(main())
