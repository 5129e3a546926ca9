"""What the steps of a run do, in the order of `layout.PLAN`.

A run is a list of named steps over one folder. Each step skips itself when its key is unchanged, so running again is
resuming, and changing one setting redoes only what depends on it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from factory.config.base import did_you_mean
from factory.config.load import save_recipe
from factory.config.recipe import Recipe
from factory.config.train import OWN
from factory.engines.child import run_child
from factory.engines.engine import Engine, EngineName, open_engine
from factory.errors import UsageError
from factory.pipeline.calls import calls, report
from factory.pipeline.checks import check_engine, check_recipe
from factory.run.folder import is_finished, locked, mark_finished
from factory.run.layout import Kind, RunLayout, expected_places
from factory.run.ledger import close_ledger
from factory.run.out_folder import OutFolder
from factory.run.parts import MANIFEST
from factory.run.review import NOTHING, rejected_ids
from factory.sampling.store.backup import adopt


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
    """Run a recipe in folder `run`, resuming an earlier attempt.

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
        UsageError: `until` names no step, the recipe cannot work here (`check_recipe`), or another process works on this run.
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
    if (run / MANIFEST).exists():
        raise UsageError(
            f"{run} is the folder of a single step, not of a run", do="choose another --out folder"
        )
    with locked(run), open_engine(engine) as opened:
        _check_folders(recipe, run)
        # Former versions kept the judge's replies, and what they cost, in a store of their own.
        adopt(layout.verdicts.with_name(f"{layout.verdicts.name}-judge"), layout.store)
        save_recipe(recipe, layout.recipe)
        check_student(recipe, layout.recipe, layout, names)
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


def check_student(recipe: Recipe, recipe_file: Path, at: RunLayout, steps: Collection[str]) -> None:
    """Try a public student's tokens and template before a teacher is paid for data that it could not learn from.

    Raises:
        UsageError: it cannot be trained; what is wrong was said.
    """
    bought = (at.responses / MANIFEST).exists() or (at.checkpoint("base") / MANIFEST).exists()
    if recipe.train is None or "train-base" not in steps or bought or recipe.train.student.model in OWN:
        return
    words = ["--stage", "base", "--recipe", str(recipe_file), "--run", str(at.run), "--dry-run"]
    run_child("train.run", words, what="the check of the student", do="fix what is said above and run again")


def _check_folders(recipe: Recipe, run: Path) -> None:
    """Refuse folders that a later step could not write to, before the first step is paid for.

    Raises:
        UsageError: a step's folder holds files of others.
    """
    for place in expected_places(recipe.model_dump(mode="json")):
        if place.kind not in (Kind.TRAIN, Kind.EVALUATE):
            OutFolder(run / place.folder, place.step, key="").check()


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
    call_of = calls(recipe, layout, rejected)
    names = list(dict.fromkeys(place.part_of for place in expected_places(recipe.model_dump(mode="json"))))
    if recipe.datasets.max_pass_rate is not None and "difficulty" in names:
        names.remove("difficulty")
        names.insert(names.index("sft-set"), "difficulty")
    return [*(Step(name, call_of(name)) for name in names), Step("report", lambda engine: report(layout))]
