"""Steps over files of any origin, as the verbs and the functions of `factory.api` run them: read, prepare, run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict

from factory.config.datasets import DatasetsSection
from factory.config.difficulty import TEACHER, DifficultySection
from factory.config.preference import PreferenceSection, RLPromptsSection
from factory.config.problems import ProblemsSection
from factory.config.prompt import Given
from factory.config.verify import VerifySection
from factory.engines.engine import Engine
from factory.errors import UsageError
from factory.run.step import StepResult
from factory.sources.paths import refuse_own_input
from factory.steps import difficulty, label, preference, problems, rl_prompts, select

Dataset = Literal["midtrain", "sft", "preference", "rl"]


class _Common(TypedDict):
    prompt: Given
    system: str | None
    exclude: Sequence[Path]
    seed: int


def roll_out(
    given: ProblemsSection,
    out: Path,
    section: DifficultySection,
    wording: DatasetsSection,
    *,
    store: Path,
    seed: int,
    engine: Engine | None = None,
) -> StepResult[difficulty.Measured]:
    """A student's rollouts on problems, and how hard they are; rollouts lie in `out/__rollouts`.

    Args:
        given: where the problems are.
        out: folder of DIFFICULTY parts.
        section: the student, and when to stop.
        wording: prompt and system message, as in the student's training rows.
        store: response store.
        seed: of every random choice.
        engine: where the work runs.

    Raises:
        UsageError: `out` is among the input, or the student cannot be used.
    """
    rollouts = out / "__rollouts"
    for folder in (out, rollouts):
        refuse_own_input(folder, given.specs)
    problems.run(given, out / "__problems", out / "__held_out", seed=seed)
    return difficulty.run(
        out / "__problems",
        out,
        rollouts,
        section,
        VerifySection(),
        model=section.model,
        store=store,
        seed=seed,
        prompt=wording.prompt,
        system=wording.system,
        engine=engine,
    )


def pair(
    verdicts: Sequence[str],
    rollouts: Sequence[str],
    out: Path,
    section: PreferenceSection,
    wording: DatasetsSection,
    *,
    exclude: Sequence[Path] = (),
    seed: int,
) -> StepResult[preference.Paired]:
    """Pairs of verified responses, of the teacher and, where there are rollouts, of the student.

    Args:
        verdicts: the teacher's verified responses.
        rollouts: the student's; its wrong answers are rejected, too, unless the section says whose are.
        out: folder of PREFERENCE parts.
        section: rule, limits.
        wording: prompt and system message.
        exclude: folders whose problems must not be paired.
        seed: decides the draw.

    Raises:
        UsageError: `out` is among the input, or columns are missing.
        FactoryError: no pair can be made, or the lint fails.
    """
    if "rejected_from" not in section.model_fields_set:
        section = section.model_copy(update={"rejected_from": "both" if rollouts else "teacher"})
    refuse_own_input(out, [*verdicts, *rollouts, *map(str, exclude)])
    given = preference.take_in(verdicts, out / "__input" / "responses")
    student = preference.take_in(rollouts, out / "__input" / "rollouts") if rollouts else None
    common = _Common(prompt=wording.prompt, system=wording.system, exclude=exclude, seed=seed)
    return preference.run(given, student, out, section, **common)


def select_set(
    verdicts: Sequence[str],
    dataset: Dataset,
    out: Path,
    section: DatasetsSection,
    *,
    pairs: PreferenceSection,
    prompts: RLPromptsSection,
    exclude: Sequence[Path] = (),
    rates: Path | None = None,
    seed: int,
) -> StepResult[Any]:
    """One of the four sets from verified responses; pass rates are those of the responses.

    Args:
        verdicts: verified responses.
        dataset: the set.
        out: folder of its rows.
        section: sizes, balance, wording.
        pairs: for the preference set.
        prompts: for the rl set.
        exclude: folders of sets whose problems must not be used.
        rates: folder that `factory difficulty` wrote, for `max_pass_rate`.
        seed: of every draw.

    Raises:
        UsageError: `out` is among the input, or columns are missing.
        FactoryError: nothing is left; says why.
    """
    refuse_own_input(out, [*verdicts, *map(str, exclude)])
    given = preference.take_in(verdicts, out / "__input")
    common = _Common(prompt=section.prompt, system=section.system, exclude=exclude, seed=seed)
    if dataset == "rl" and section.filter:
        raise UsageError("filter looks at responses, and the rl set takes problems", do="leave it out")
    if dataset == "rl":
        difficulty.run_given(None, given, out / "__difficulty", DifficultySection(student=TEACHER), seed=seed)
        return rl_prompts.run(out / "__difficulty", out, prompts, **common)
    label.run(given, out / "__labelled", section)
    if dataset == "preference":
        own = pairs.model_copy(update={"rejected_from": TEACHER, "chosen_from": TEACHER})
        return preference.run(out / "__labelled", None, out, own, **common)
    return select.run(
        out / "__labelled", out, section, dataset=dataset, seed=seed, exclude=exclude, rates=rates
    )
