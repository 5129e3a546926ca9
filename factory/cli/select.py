"""`factory select`: a training set from verified responses."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from factory.cli.flags import Flag, Use
from factory.cli.params import Inputs, Out, Seed
from factory.cli.show import counts, say
from factory.config.datasets import DatasetsSection
from factory.config.preference import PreferenceSection, RLPromptsSection

SFT = {"max_pass_rate": "max-student-pass-rate"}
PAIRS = {"per_problem": "pairs-per-problem"}
RL = {"low": "min-pass-rate", "high": "max-pass-rate"}


def command(
    inputs: Inputs,
    dataset: Annotated[Literal["midtrain", "sft", "preference", "rl"], Flag("The set to make.", name="set")],
    out: Out,
    settings: Annotated[DatasetsSection, Use(skip=("judge",), names=SFT)],
    pairs: Annotated[PreferenceSection, Use(skip=("rejected_from", "chosen_from"), names=PAIRS)],
    prompts: Annotated[RLPromptsSection, Use(names=RL)],
    exclude: Annotated[
        list[Path], Flag("Folder of another set whose problems must not be used; repeat for more.")
    ] = [],  # noqa: B006 - read only
    rates: Annotated[
        Path | None, Flag("Folder that `factory difficulty` wrote, for --max-student-pass-rate.")
    ] = None,
    seed: Seed = 0,
) -> None:
    """Choose the rows of a training set from verified responses; what is left out is dropped with its reason.

    For rl the pass rates are those of the responses; `factory difficulty` measures a student's.

    factory select verdicts/ --set sft --out sft
    """
    from factory.cli.ending import say_end
    from factory.steps.from_files import select_set

    result = select_set(
        inputs, dataset, out, settings, pairs=pairs, prompts=prompts, exclude=exclude, rates=rates, seed=seed
    )
    say(f"{result.manifest['rows_out']:,} rows of {dataset}; left out: {counts(result.manifest['dropped'])}")
    _say_own(out / "__labelled")
    say_end(result, out)


def _say_own(labelled: Path) -> None:
    """What functions of the user's own did before the choice."""
    from factory.atomic import read_json
    from factory.functions.tries import Tries
    from factory.run.parts import MANIFEST

    found = read_json(labelled / MANIFEST) if (labelled / MANIFEST).exists() else {}
    for name, tries in ((found.get("totals") or {}).get("own") or {}).items():
        if tries["failed"]:
            say(f"your {name} {Tries(**tries).said()}")
    if found.get("dropped"):
        say(f"left out by your filter: {counts(found['dropped'])} (see {labelled}/__dropped)")
