"""`factory train`: a stage of a run, or all of them, by the trainer in a process of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, get_args

from factory.cli.flags import Flag

Stage = Literal["base", "midtrain", "sft", "dpo", "distill", "rl", "all"]


def command(
    stage: Annotated[Stage, Flag("The stage; `all` trains what is missing, in order.")] = "all",
    run: Annotated[Path | None, Flag("Folder of the run; the newest below runs/ by default.")] = None,
    recipe: Annotated[
        str | None, Flag("Recipe file, or the name of a shipped one; the run's own by default.")
    ] = None,
    overrides: Annotated[
        list[str], Flag("Change the recipe; repeat for more.", name="set", metavar="SECTION.KEY=VALUE")
    ] = [],  # noqa: B006
    resume: Annotated[bool, Flag("Resume from the last checkpoint.")] = False,
    dry_run: Annotated[bool, Flag("Preflight only: load no weights, train nothing.")] = False,
) -> None:
    """Train a stage of a run. Over several processes: accelerate launch -m train.run --stage STAGE.

    factory train --stage rl --run runs/quickstart
    """
    import subprocess
    import sys

    import click

    from factory.pipeline.checks import need

    need("training", "train", "torch", "trl", "transformers", "peft", "accelerate", "datasets")
    words = ["--stage", stage]
    for name, value in (("--run", run), ("--recipe", recipe)):
        words += [name, str(value)] if value is not None else []
    for each in overrides:
        words += ["--set", each]
    words += ["--resume"] if resume else []
    words += ["--dry-run"] if dry_run else []
    with subprocess.Popen([sys.executable, "-m", "train.run", *words]) as trainer:
        try:
            code = trainer.wait()
        except KeyboardInterrupt:
            code = trainer.wait()  # it heard Ctrl-C, too, and says so itself
    if code == 0 and not dry_run:
        _say_end(run, stage)
    raise click.exceptions.Exit(code)


def _say_end(run: Path | None, stage: str) -> None:
    """Where the student lies, how it is loaded, and what is next."""
    from factory.cli.show import say
    from factory.run.folder import newest_run
    from factory.run.layout import RunLayout

    folder = run or newest_run(Path("runs"))
    stages = [each for each in get_args(Stage) if RunLayout(folder).checkpoint(each).exists()]
    last = stages[-1] if stage == "all" else stage
    final = RunLayout(folder).checkpoint(last)
    later = stage if stage == "all" else get_args(Stage)[get_args(Stage).index(last) + 1]
    say(f'load it: transformers.AutoModelForCausalLM.from_pretrained("{final}")')
    evaluate = f"factory eval {final} --benchmark aime24 math500 --out eval"
    say(f"next:    {evaluate if later == 'all' else f'factory train --stage {later} --run {folder}'}")
