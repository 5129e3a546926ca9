"""`factory select`: a training set from verified responses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

from factory.cli.flags import Flag, Use
from factory.cli.params import Inputs, Out, Seed
from factory.cli.show import counts, say
from factory.config.datasets import DatasetsSection
from factory.config.difficulty import TEACHER, DifficultySection
from factory.config.preference import PreferenceSection, RLPromptsSection

if TYPE_CHECKING:
    from factory.run.step import StepResult

SFT = {"max_pass_rate": "max-student-pass-rate"}
PAIRS = {"per_problem": "pairs-per-problem"}
RL = {"low": "min-pass-rate", "high": "max-pass-rate"}


class _Common(TypedDict):
    prompt: str
    system: str | None
    exclude: list[Path]
    seed: int


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
    from factory.sources.paths import refuse_own_input
    from factory.steps import difficulty, label, preference, rl_prompts, select

    refuse_own_input(out, [*inputs, *map(str, exclude)])
    given = preference.take_in(inputs, out / "__input")
    asked = _Common(prompt=settings.prompt, system=settings.system, exclude=exclude, seed=seed)
    result: StepResult[Any]
    if dataset == "rl":
        own_rates = DifficultySection(student=TEACHER)
        difficulty.run_given(None, given, out / "__difficulty", own_rates, seed=seed)
        result = rl_prompts.run(out / "__difficulty", out, prompts, **asked)
    else:
        label.run(given, out / "__labelled", settings)
        if dataset == "preference":
            own = pairs.model_copy(update={"rejected_from": TEACHER, "chosen_from": TEACHER})
            result = preference.run(out / "__labelled", None, out, own, **asked)
        else:
            result = select.run(
                out / "__labelled", out, settings, dataset=dataset, seed=seed, exclude=exclude, rates=rates
            )
    say(f"{result.manifest['rows_out']:,} rows of {dataset}; left out: {counts(result.manifest['dropped'])}")
    say_end(result, out)
