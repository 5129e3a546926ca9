"""What every step of a run does: the steps' own modules, called with the recipe's sections and the run's folders."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from factory.config.base import Section
from factory.config.deduplication import DeduplicationSection
from factory.config.difficulty import TEACHER, DifficultySection
from factory.config.endpoint import Budget
from factory.config.recipe import Recipe
from factory.engines.child import run_child
from factory.engines.engine import Engine
from factory.run.layout import STAGES, RunLayout
from factory.run.ledger import close_ledger
from factory.run.parts import MANIFEST


def calls(
    recipe: Recipe, at: RunLayout, rejected: Collection[str]
) -> Callable[[str], Callable[[Engine], Any]]:
    """What every step of `layout.PLAN` does, by its name."""
    paid = cache(lambda: within_budget(recipe, at))

    def problems(engine: Engine) -> None:
        from factory.steps import problems as step

        step.run(recipe.problems, at.problems, at.held_out, at.given, seed=recipe.seed)

    def dedup(
        name: str, rows: Path, out: Path, section: DeduplicationSection, field: str
    ) -> Callable[[Engine], Any]:
        def call(engine: Engine) -> None:
            from factory.engines.local import threads_unless_ray
            from factory.steps import deduplicate as step

            step.run(rows, out, section, field=field, step=name, engine=threads_unless_ray(engine))

        return call

    def decontaminate(name: str, rows: Path, out: Path, *fields: str) -> Callable[[Engine], Any]:
        def call(engine: Engine) -> None:
            from factory.steps import decontaminate as step

            section = paid().decontamination if recipe.decontamination.embedding else recipe.decontamination
            step.run(rows, out, section, fields=fields, step=name, engine=engine, store=at.store)

        return call

    def generate(engine: Engine) -> None:
        from factory.steps import generate as step

        section = paid().generate
        if (at.given / MANIFEST).exists():
            section = section.model_copy(update={"reuse": [*section.reuse, str(at.given)]})
        step.run(
            at.clean_problems,
            at.responses,
            section,
            store=at.store,
            seed=recipe.seed,
            verify=recipe.verify,
            need_reasoning=recipe.datasets.need_reasoning,
            engine=engine,
        )

    def verify(engine: Engine) -> None:
        from factory.steps import verify as step

        step.run(at.responses, at.verdicts, paid().verify, store=at.store, engine=engine)

    def label(engine: Engine) -> None:
        from factory.steps import label as step

        step.run(at.clean_verdicts, at.labelled, paid().datasets, store=at.store, engine=engine)

    twice, again = "dedup-responses", "decontaminate-responses"
    known: dict[str, Callable[[Engine], Any]] = {
        "problems": problems,
        "dedup": dedup("dedup", at.problems, at.unique_problems, recipe.deduplication.rules, "problem"),
        "decontaminate": decontaminate("decontaminate", at.unique_problems, at.clean_problems, "problem"),
        "generate": generate,
        "verify": verify,
        twice: dedup(
            twice, at.verdicts, at.unique_verdicts, recipe.response_deduplication.rules, "reasoning"
        ),
        again: decontaminate(again, at.unique_verdicts, at.clean_verdicts, "reasoning", "content"),
        "label": label,
        "midtrain-set": lambda engine: _select(recipe, at, "midtrain", rejected, engine),
        "sft-set": lambda engine: _select(recipe, at, "sft", rejected, engine),
        "difficulty": lambda engine: _difficulty(recipe, at, engine),
        "rl-difficulty": lambda engine: _difficulty_again(recipe, at, engine),
        "pairs": lambda engine: _pairs(recipe, at, rejected),
        "rl-prompts": lambda engine: _rl_prompts(recipe, at, rejected),
    }

    def call(name: str) -> Callable[[Engine], Any]:
        verb, _, stage = name.partition("-")
        if verb == "train":
            return lambda engine: _train(at, stage)
        return (lambda engine: _evaluate(recipe, at, stage)) if verb == "eval" else known[name]

    return call


def within_budget(recipe: Recipe, at: RunLayout) -> Recipe:
    """The recipe with every section that costs money under the run's one account and its caps."""
    from factory.steps.generate import job_name

    account = job_name(at.responses)

    def under(section: Any) -> Any:
        changed = {
            name: under(inner)
            for name in type(section).model_fields
            if isinstance(inner := getattr(section, name), Section)
        }
        section = section.model_copy(update=changed)
        return section.within(recipe.budget, account) if isinstance(section, Budget) else section

    done: Recipe = under(recipe)
    return done


def _select(recipe: Recipe, at: RunLayout, dataset: str, rejected: Collection[str], engine: Engine) -> None:
    from factory.steps import export, select
    from schemas import COMPLETION

    select.run(
        at.labelled,
        at.selected(dataset),
        recipe.datasets,
        dataset=dataset,
        seed=recipe.seed,
        rates=at.difficulty,
        rejected=rejected,
        engine=engine,
    )
    export.run(at.selected(dataset), at.dataset(dataset), COMPLETION)


def _difficulty(recipe: Recipe, at: RunLayout, engine: Engine) -> None:
    from factory.steps import difficulty as step

    if recipe.difficulty.student == TEACHER:
        step.run_given(at.clean_problems, at.verdicts, at.difficulty, recipe.difficulty, seed=recipe.seed)
        return
    student = str(at.checkpoint(_latest(recipe, "sft"))) if recipe.train else recipe.difficulty.model
    _roll_out(recipe, at, engine, student, at.difficulty, at.rollouts, within_budget(recipe, at).difficulty)


def _difficulty_again(recipe: Recipe, at: RunLayout, engine: Engine) -> None:
    """Of the student that RL starts from, on the problems that no set holds yet."""
    from factory.steps.difficulty_part import CHECKPOINTS

    section = within_budget(recipe, at).difficulty
    if section.student not in CHECKPOINTS:
        section = section.model_copy(update={"student": "student", "model": None, "base_url": None})
    student = str(at.checkpoint(_latest(recipe, "dpo")))
    _roll_out(recipe, at, engine, student, at.rl_difficulty, at.rl_rollouts, section, _used(at))


def _roll_out(
    recipe: Recipe,
    at: RunLayout,
    engine: Engine,
    student: str | None,
    out: Path,
    rollouts: Path,
    section: DifficultySection,
    exclude: Sequence[Path] = (),
) -> None:
    from factory.steps import difficulty as step

    step.run(
        at.clean_problems,
        out,
        rollouts,
        section,
        recipe.verify,
        model=student,
        store=at.store,
        seed=recipe.seed,
        prompt=recipe.datasets.prompt,
        system=recipe.datasets.system,
        exclude=exclude,
        engine=engine,
    )


def _latest(recipe: Recipe, stage: str) -> str:
    """The last enabled stage up to `stage`; base where none is."""
    on = [
        each
        for each in STAGES[: STAGES.index(stage) + 1]
        if recipe.train and getattr(recipe.train, each).enabled
    ]
    return on[-1] if on else "base"


def _used(at: RunLayout) -> list[Path]:
    """Sets whose problems RL must not see again."""
    return [
        path
        for path in (at.selected("sft"), at.selected("preference"), at.held_out)
        if (path / MANIFEST).exists()
    ]


def _pairs(recipe: Recipe, at: RunLayout, rejected: Collection[str]) -> None:
    from factory.steps import export, preference
    from schemas import PREFERENCE

    alone = recipe.difficulty.student == TEACHER
    section = recipe.preference
    if alone:
        section = section.model_copy(update={"rejected_from": TEACHER, "chosen_from": TEACHER})
    preference.run(
        at.labelled,
        None if alone else at.rollouts,
        at.selected("preference"),
        section,
        seed=recipe.seed,
        prompt=recipe.datasets.prompt,
        system=recipe.datasets.system,
        exclude=[path for path in [at.held_out] if (path / MANIFEST).exists()],
        rejected=rejected,
        may_be_empty=recipe.train is None,
    )
    export.run(at.selected("preference"), at.dataset("preference"), PREFERENCE)


def _rl_prompts(recipe: Recipe, at: RunLayout, rejected: Collection[str]) -> None:
    from factory.steps import export, rl_prompts
    from schemas import RL_PROMPT

    again = recipe.train is not None and recipe.rl_prompts.remeasure
    rl_prompts.run(
        at.rl_difficulty if again else at.difficulty,
        at.selected("rl"),
        recipe.rl_prompts,
        seed=recipe.seed,
        exclude=_used(at),
        prompt=recipe.datasets.prompt,
        system=recipe.datasets.system,
        rejected=rejected,
        remeasured=again,
        group_size=recipe.train.rl.group_size if recipe.train else 8,
        may_be_empty=recipe.train is None,
    )
    export.run(at.selected("rl"), at.dataset("rl"), RL_PROMPT)


def _train(at: RunLayout, stage: str) -> None:
    arguments = ["--stage", stage, "--recipe", str(at.recipe), "--run", str(at.run), "--resume"]
    run_child(
        "train.run", arguments, what=f"training stage {stage}", do="fix what is said above and run again"
    )


def _evaluate(recipe: Recipe, at: RunLayout, stage: str) -> None:
    from factory.steps import evaluate as step

    step.run(
        str(at.checkpoint(stage)),
        at.evaluation(stage),
        recipe.evaluation,
        recipe.verify,
        held_out=at.held_out,
        store=at.store,
        seed=recipe.seed,
        stage=stage,
        prompt=recipe.datasets.prompt,
        system=recipe.datasets.system,
    )


def report(at: RunLayout) -> None:
    """Close the ledger and build the report."""
    from factory.report import build_report

    close_ledger(at.run)
    build_report(at.run)
