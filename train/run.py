"""The trainer's entry: `python train/run.py --stage midtrain [--recipe RECIPE] [--run RUN]`.

Without `--run` it takes the newest run below `runs/`, without `--recipe` that run's saved one. Reads
`RUN/datasets/<set>/` and the parent stage's `final/`; writes `RUN/train/<stage>/`. A finished stage of the same data,
parent and settings is left alone; with `--resume` an unfinished one resumes from its last checkpoint.
Works alone, under `torchrun` and under `accelerate launch` (configs in `recipes/accelerate/`).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from factory.atomic import write_json
from factory.config.load import load_recipe
from factory.config.recipe import Recipe
from factory.errors import FactoryError, Stopped, UsageError, first_line, is_disk_full
from factory.leftovers import own_torchelastic
from factory.run.folder import newest_run
from factory.run.layout import STAGES, RunLayout
from factory.run.step import Step
from factory.signals import keep_exit_code
from train.say import main_process, say, say_error, silence
from train.stage import Job, Trained, check_inputs, close, stage_step
from train.trackers import tracked


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser("train.run", description="Train one stage of a run, or all of them.")
    parser.add_argument("--stage", required=True, choices=("base", *STAGES, "all"))
    parser.add_argument(
        "--recipe", help="recipe file, or the name of a shipped one; the run's own by default"
    )
    parser.add_argument("--run", type=Path, help="the run's folder; the newest below runs/ by default")
    parser.add_argument(
        "--dry-run", action="store_true", help="preflight only: load no weights, train nothing"
    )
    parser.add_argument("--resume", action="store_true", help="resume from the last checkpoint")
    parser.add_argument("--set", action="append", default=[], metavar="K=V", help="change a recipe value")
    return parser.parse_args(argv)


def run_stage(
    recipe: Recipe,
    run: Path,
    stage: str,
    *,
    resume: bool = False,
    dry_run: bool = False,
    look: Callable[[Path], None] | None = None,
) -> str:
    """Preflight and train one stage; `look` is called with the folder of its checkpoints before they are removed.

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
    step = stage_step(job)
    if not dry_run and step.finished():
        return f"{stage}: already trained, nothing to do"
    with tracked(job):
        return _train(job, step, resume=resume, dry_run=dry_run, look=look)


def _train(
    job: Job, step: Step[Trained], *, resume: bool, dry_run: bool, look: Callable[[Path], None] | None
) -> str:
    """What `run_stage` does once a stage has to be trained; torch and TRL are imported here."""
    stage = job.stage
    silence()
    from train import base, stages

    if stage == "base" and dry_run:
        return "\n".join(f"base: {line}" for line in base.check_student(job))
    check_inputs(step)
    if main_process() and not dry_run:
        step.say_why()
    if stage == "base":
        stages.start(job, step, resume=False)
        measured = base.build_base(job)
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
        checkpoint = stages.start(job, step, resume=resume)
        measured = stages.train_stage(job, prepared, checkpoint) | {"plan": report["plan"]}
        if main_process():
            write_json(job.folder / "preflight.json", report | {"overlong": prepared.rows.overlong})
    if main_process():
        from train.card import write_cards

        if look:
            look(job.checkpoints)
        close(job, step, measured)
        write_cards(job.layout)
    stages.wait()
    return f"{stage}: {measured.get('steps', 0)} steps in {measured.get('seconds', 0):.0f} s -> {job.final}"


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    options = parse(argv)
    own_torchelastic()
    try:
        run = options.run or newest_run(Path("runs"))
        saved = RunLayout(run).recipe
        if options.recipe is None and not saved.exists():
            raise UsageError(
                f"{run} holds no recipe.yaml", do="name a recipe with --recipe, or another run with --run"
            )
        if options.run is None or options.recipe is None:
            say(f"run {run}, recipe {options.recipe or saved}")
        recipe = load_recipe(options.recipe or str(saved), options.set)
        for stage in ("base", *STAGES) if options.stage == "all" else (options.stage,):
            say(run_stage(recipe, run, stage, resume=options.resume, dry_run=options.dry_run))
    except FactoryError as error:
        say_error(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        say("stopped - the same command with --resume resumes from the last checkpoint")
        keep_exit_code()
        return Stopped.exit_code
    except Exception as error:
        if not is_disk_full(error):
            raise
        say_error(f"the disk is full ({first_line(error)}) - free some space, then run again with --resume")
        return Stopped.exit_code
    return 0


def show(report: dict[str, object]) -> None:
    """The preflight report, for people."""
    for name, value in report.items():
        say(f"{name}: {value}" if name != "sample" else f"first row, learnt part marked:\n{value}")


if __name__ == "__main__":
    sys.exit(main())
