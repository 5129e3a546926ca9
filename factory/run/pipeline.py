"""The only place that knows the order of steps.

A run is a list of named steps over one folder. Each step skips itself when its key is unchanged, so running again is
resuming, and changing one setting redoes only what depends on it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from factory.config import Recipe, save_recipe
from factory.config.base import did_you_mean
from factory.config.deduplication import DeduplicationSection
from factory.engines.child import run_child
from factory.engines.engine import Engine, EngineName, open_engine
from factory.errors import UsageError
from factory.run.checks import check_engine, check_recipe
from factory.run.folder import is_finished, locked, mark_finished
from factory.run.layout import STAGES, RunLayout
from factory.run.ledger import close_ledger
from factory.run.parts import MANIFEST
from factory.run.review import NOTHING, rejected_ids


@dataclass(frozen=True, slots=True)
class Step:
    """One named step of a run; `call` does the work, on the engine, and returns nothing that anyone needs."""

    name: str
    call: Callable[[Engine], Any]


def run_recipe(
    recipe: Recipe,
    run: Path,
    *,
    until: str | None = None,
    store: Path | None = None,
    engine: str = EngineName.LOCAL,
    on_step: Callable[[str, int, int], None] = lambda name, index, total: None,
) -> bool:
    """Carry out a recipe in folder `run`, going on where an earlier attempt stopped.

    Args:
        recipe: what to make.
        run: the run's folder; created when absent.
        until: name of the last step to do; all when None.
        store: response store shared with other runs; `run/store` when None. It does not decide what comes out.
        engine: where the data steps run (`EngineName`). It does not decide what comes out either.
        on_step: called before each step with its name, its number from 1, and how many there are.

    Returns:
        False when the run was already finished and nothing had to be done.

    Raises:
        UsageError: `until` is no step, the recipe cannot work here (`check_recipe`), or another process works on this run.
        FactoryError: a step failed, or the ledger does not balance.
    """
    layout = RunLayout(run, store)
    rejected = rejected_ids(run)
    steps = plan(recipe, layout, rejected)
    names = names_until(steps, until)
    if until is None and is_finished(recipe, run):
        return False
    check_recipe(recipe, names, layout)
    check_engine(engine)
    with locked(run), open_engine(engine) as opened:
        save_recipe(recipe, layout.recipe)
        for index, step in enumerate(steps, start=1):
            on_step(step.name, index, len(steps))
            if step.name.startswith(("train-", "eval-")):
                # The trainer wants the memory that idle workers hold.
                opened.rest()
            step.call(opened)
            if step.name == until:
                break
        close_ledger(run)
        if until is None:
            mark_finished(recipe, run, rejected)
    return True


def names_until(steps: Sequence[Step], until: str | None) -> list[str]:
    """Names of the steps up to and with `until`; of all when None.

    Raises:
        UsageError: there is no such step.
    """
    names = [step.name for step in steps]
    if until is None:
        return names
    if until not in names:
        near = did_you_mean(until, names)
        raise UsageError(
            f"no step {until} in this recipe", do=f"{near or ''} choose one of: {', '.join(names)}".strip()
        )
    return names[: names.index(until) + 1]


def plan(recipe: Recipe, layout: RunLayout, rejected: Collection[str] = NOTHING) -> list[Step]:
    """The steps of a recipe, in order. Nothing heavy is imported until a step is called.

    `rejected` are the ids that a reviewer rejected: no training set takes them.
    """
    steps = _data_steps(recipe, layout, rejected)
    if recipe.train is not None:
        steps += _training_steps(recipe, layout, rejected)
    return [*steps, Step("report", lambda engine: _report(layout))]


def _data_steps(recipe: Recipe, at: RunLayout, rejected: Collection[str]) -> list[Step]:
    def problems(engine: Engine) -> None:
        from factory.steps import problems as step

        step.run(recipe.problems, at.problems, at.held_out, seed=recipe.seed)

    def dedup(
        engine: Engine, name: str, rows: Path, out: Path, section: DeduplicationSection, field: str
    ) -> None:
        from factory.engines.threads import threads_unless_ray
        from factory.steps import deduplicate as step

        step.run(rows, out, section, field=field, step=name, engine=threads_unless_ray(engine))

    def decontaminate(engine: Engine, name: str, rows: Path, out: Path, fields: list[str]) -> None:
        from factory.steps import decontaminate as step

        section = recipe.decontamination
        step.run(rows, out, section, fields=fields, step=name, engine=engine, store=at.store)

    def problems_once(engine: Engine) -> None:
        dedup(engine, "dedup", at.problems, at.unique_problems, recipe.deduplication, "problem")

    def problems_clean(engine: Engine) -> None:
        decontaminate(engine, "decontaminate", at.unique_problems, at.clean_problems, ["problem"])

    def generate(engine: Engine) -> None:
        from factory.steps import generate as step

        step.run(
            at.clean_problems,
            at.responses,
            recipe.generate,
            store=at.store,
            seed=recipe.seed,
            verify=recipe.verify,
            engine=engine,
        )

    def verify(engine: Engine) -> None:
        from factory.steps import verify as step

        step.run(at.responses, at.verdicts, recipe.verify, engine=engine)

    def responses_once(engine: Engine) -> None:
        section = recipe.response_deduplication
        dedup(engine, "dedup-responses", at.verdicts, at.unique_verdicts, section, "reasoning")

    def responses_clean(engine: Engine) -> None:
        name, fields = "decontaminate-responses", ["reasoning", "content"]
        decontaminate(engine, name, at.unique_verdicts, at.clean_verdicts, fields)

    def label(engine: Engine) -> None:
        from factory.steps import label as step

        step.run(at.clean_verdicts, at.labelled, recipe.datasets, store=at.store, engine=engine)

    return [
        Step("problems", problems),
        Step("dedup", problems_once),
        Step("decontaminate", problems_clean),
        Step("generate", generate),
        Step("verify", verify),
        Step("dedup-responses", responses_once),
        Step("decontaminate-responses", responses_clean),
        Step("label", label),
        Step("midtrain-set", lambda engine: _select(recipe, at, "midtrain", rejected, engine)),
        Step("sft-set", lambda engine: _select(recipe, at, "sft", rejected, engine)),
    ]


def _training_steps(recipe: Recipe, at: RunLayout, rejected: Collection[str]) -> list[Step]:
    assert recipe.train is not None
    enabled = [stage for stage in STAGES if getattr(recipe.train, stage).enabled]
    student = next((stage for stage in ("sft", "midtrain") if stage in enabled), "base")

    def train(stage: str) -> Step:
        return Step(f"train-{stage}", lambda engine: _train(at, stage))

    def evaluate(stage: str) -> list[Step]:
        wanted = stage in recipe.evaluation.stages
        return [Step(f"eval-{stage}", lambda engine: _evaluate(recipe, at, stage))] if wanted else []

    steps = [train("base"), *evaluate("base")]
    for stage in enabled:
        if stage == "dpo":
            steps.append(Step("difficulty", lambda engine: _difficulty(recipe, at, student, engine)))
            steps.append(Step("pairs", lambda engine: _pairs(recipe, at, rejected)))
        if stage == "rl":
            if "dpo" not in enabled:
                steps.append(Step("difficulty", lambda engine: _difficulty(recipe, at, student, engine)))
            steps.append(Step("rl-prompts", lambda engine: _rl_prompts(recipe, at, rejected)))
        steps += [train(stage), *evaluate(stage)]
    return steps


def _select(recipe: Recipe, at: RunLayout, dataset: str, rejected: Collection[str], engine: Engine) -> None:
    from factory.steps import export, select
    from schemas import COMPLETION

    select.run(
        at.labelled,
        at.selected(dataset),
        recipe.datasets,
        dataset=dataset,
        seed=recipe.seed,
        rejected=rejected,
        engine=engine,
    )
    export.run(at.selected(dataset), at.dataset(dataset), COMPLETION)


def _difficulty(recipe: Recipe, at: RunLayout, student: str, engine: Engine) -> None:
    from factory.steps import difficulty as step

    step.run(
        at.clean_problems,
        at.difficulty,
        at.rollouts,
        recipe.difficulty,
        recipe.verify,
        model=str(at.checkpoint(student)),
        store=at.store,
        seed=recipe.seed,
        prompt=recipe.datasets.prompt,
        system=recipe.datasets.system,
        engine=engine,
    )


def _pairs(recipe: Recipe, at: RunLayout, rejected: Collection[str]) -> None:
    from factory.steps import export, preference
    from schemas import PREFERENCE

    preference.run(
        at.labelled,
        at.rollouts,
        at.selected("preference"),
        recipe.preference,
        seed=recipe.seed,
        prompt=recipe.datasets.prompt,
        system=recipe.datasets.system,
        exclude=[path for path in [at.held_out] if (path / MANIFEST).exists()],
        rejected=rejected,
    )
    export.run(at.selected("preference"), at.dataset("preference"), PREFERENCE)


def _rl_prompts(recipe: Recipe, at: RunLayout, rejected: Collection[str]) -> None:
    from factory.steps import export, rl_prompts
    from schemas import RL_PROMPT

    exclude = [at.selected("sft"), at.selected("preference"), at.held_out]
    rl_prompts.run(
        at.difficulty,
        at.selected("rl"),
        recipe.rl_prompts,
        seed=recipe.seed,
        exclude=[path for path in exclude if (path / MANIFEST).exists()],
        prompt=recipe.datasets.prompt,
        system=recipe.datasets.system,
        rejected=rejected,
    )
    export.run(at.selected("rl"), at.dataset("rl"), RL_PROMPT)


def _train(at: RunLayout, stage: str) -> None:
    arguments = ["--stage", stage, "--recipe", str(at.recipe), "--run", str(at.run), "--resume"]
    run_child(
        "train.run", arguments, what=f"training stage {stage}", do="mend what it says above and run again"
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


def _report(at: RunLayout) -> None:
    from factory.report import build_report

    close_ledger(at.run)
    build_report(at.run)
