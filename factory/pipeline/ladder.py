"""`factory ladder`: run a recipe with one data decision changed at a time, and compare each set with the recipe's own."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl

from factory.atomic import read_json, write_json
from factory.config.ladder import LadderSection
from factory.config.load import load_recipe
from factory.config.recipe import Recipe
from factory.datasets.selection import tokens
from factory.errors import NothingLeft, UsageError, warn
from factory.evaluation.comparison import Comparison, Worth
from factory.pipeline.checks import check_recipe, need
from factory.pipeline.compare import check_fits, compare
from factory.pipeline.run import names_until, plan, run_recipe
from factory.pipeline.training_checks import TRAINER
from factory.run.layout import RunLayout
from factory.run.parts import MANIFEST, scan_parts
from factory.steps.compare_sets import set_names

AS_IT_IS = "as-it-is"
"""The recipe without a change."""
LADDER = "ladder.json"
LAST = "sft-set"
"""The step that ends a run of the ladder."""
ALONE = ("train=null", "preference.chosen_from=teacher", "preference.rejected_from=teacher")
"""What holds for all its runs: no student is trained before the sets are compared, and no pair is made of its rollouts."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A change of the recipe: what a reader calls it, and the keys."""

    name: str
    changes: tuple[str, ...]


def ladder(
    recipe: str | Path,
    out: Path,
    section: LadderSection,
    *,
    overrides: Sequence[str] = (),
    store: Path | None = None,
    on_run: Callable[[str, int, int], None] = lambda name, index, total: None,
) -> tuple[list[Worth], Comparison | None]:
    """Run the recipe once for every decision and compare the sets; what is done already is not done again.

    All runs share a response store and one budget account, so a change asks a teacher only for what no run before it has.

    Args:
        recipe: a recipe file, or the name of a shipped one.
        out: folder to work in.
        section: decisions, student, questions, seeds, tokens.
        overrides: changes of the recipe that hold for all runs.
        store: response store; `out/store` when None.
        on_run: called before each run with its name, its number from 1, and how many there are.

    Returns:
        What each decision is worth, best first, those that make the same set or leave no row last; and the comparison behind
        it, None where no change makes another set.

    Raises:
        UsageError: the recipe, a change, the student or the questions cannot be used; nothing was asked or trained then.
        Stopped: stopped, or the budget is spent; the same call resumes.
    """
    need("a ladder", "train", *TRAINER)
    own = [Decision(_short(each), tuple(each.split())) for each in section.change]
    if any(not each.changes for each in own):
        raise UsageError("--change is empty", do="write --change datasets.keep=all")
    first = Decision(AS_IT_IS, ())
    for each in (first, *own):
        _check(recipe, [*overrides, *each.changes], out)
    base = RunLayout(out / "runs" / AS_IT_IS)
    shared = store or out / "store"
    loaded = _load(recipe, overrides)
    on_run(AS_IT_IS, 1, 1 + len(own) if own else 0)
    run_recipe(loaded, base.run, until=LAST, store=shared)
    if not (out / "comparison").exists():
        check_fits(AS_IT_IS, str(base.dataset(section.dataset)), out / "check", section)
    decisions = own or usual(loaded, base)
    for each in decisions:
        _check(recipe, [*overrides, *each.changes], out)
    names = set_names([AS_IT_IS, *(each.name for each in decisions)])
    empty: set[str] = set()
    for number, (name, each) in enumerate(zip(names[1:], decisions, strict=True), start=2):
        on_run(each.name, number, len(names))
        at = out / "runs" / name
        if not at.exists():
            # Steps that the change does not touch are there already, and so is the account of the budget.
            half = at.with_name(f".{name}")
            shutil.rmtree(half, ignore_errors=True)
            shutil.copytree(base.run, half)
            half.rename(at)
        try:
            run_recipe(_load(recipe, [*overrides, *each.changes]), at, until=LAST, store=shared)
        except NothingLeft as nothing:
            warn(f"{each.name}: {nothing}")
            empty.add(name)
    sets = {
        name: RunLayout(out / "runs" / name).dataset(section.dataset) for name in names if name not in empty
    }
    made = {name: read_json(folder / MANIFEST) for name, folder in sets.items()}
    same = made[AS_IT_IS]["output_digest"]
    other = {name: folder for name, folder in sets.items() if made[name]["output_digest"] != same}
    found = None
    if other:
        asked = section.model_copy(update={"change": []})
        paths = [str(sets[AS_IT_IS]), *map(str, other.values())]
        found = compare(paths, out / "comparison", asked, [AS_IT_IS, *other], base=AS_IT_IS)
    worths = [
        _worth(each, name, made[name]["rows_out"] if name in made else 0, found)
        for name, each in zip(names[1:], decisions, strict=True)
    ]
    worths.sort(key=lambda each: (each.value is None, -(each.value or 0)))
    write_json(out / LADDER, {"decisions": [asdict(each) | {"verdict": each.verdict} for each in worths]})
    return worths, found


def usual(recipe: Recipe, base: RunLayout) -> list[Decision]:
    """The decisions that a recipe takes, each turned the other way: what is kept, merged, asked for and chosen.

    Args:
        recipe: the recipe as it is.
        base: its run, which has come to the sft set.
    """
    data = recipe.datasets
    responses = scan_parts(base.labelled).filter(pl.col("verdict") == "correct")
    sizes = responses.select(tokens()).collect().to_series()
    per_problem = scan_parts(base.responses).group_by("problem_id").len().collect()["len"].max()
    samples = int(per_problem) if isinstance(per_problem, int) else 0
    rows = int(read_json(base.dataset("sft") / MANIFEST)["rows_out"])
    found: list[tuple[str, str, bool]] = [
        ("wrong answers kept", "datasets.keep=all", data.keep != "all"),
        ("majority instead of gold", "datasets.keep=majority", data.keep != "majority" and samples >= 3),
        ("only correct answers", "datasets.keep=correct", data.keep != "correct"),
        (
            "near-duplicates kept",
            "deduplication.threshold=1.0 response_deduplication.threshold=1.0",
            recipe.deduplication.threshold < 1 or recipe.response_deduplication.threshold < 1,
        ),
        (
            "looser duplicates dropped",
            "deduplication.threshold=0.6 response_deduplication.threshold=0.6",
            recipe.deduplication.threshold > 0.6,
        ),
        ("one response per problem", "generate.samples=1", recipe.generate.samples > 1),
        ("several responses per problem", f"datasets.sft_per_problem={samples}", samples > data.sft_per_problem),
        ("hard problems only", "datasets.max_pass_rate=0.5 difficulty.student=teacher", samples > 1),
        ("random rows", "datasets.sft_order=random", data.sft_order != "random"),
        ("hardest rows first", "datasets.sft_order=hardest", data.sft_order != "hardest"),
        ("not balanced", "datasets.balance=[]", bool(data.balance)),
        ("half as many rows", f"datasets.sft_rows={rows // 2}", rows >= 4),
    ]  # fmt: skip
    if len(sizes) and (middle := int(sizes.median() or 0)):  # type: ignore[arg-type]
        found += [
            ("long responses only", f"datasets.min_tokens={middle}", data.min_tokens is None),
            ("short responses only", f"datasets.max_tokens={middle}", data.max_tokens is None),
        ]
    return [Decision(name, tuple(changes.split())) for name, changes, fits in found if fits]


def _short(change: str) -> str:
    """`datasets.keep=all` is called keep=all."""
    return " ".join(re.sub(r"^[\w.]*\.(?=\w+=)", "", each) for each in change.split())


def _load(recipe: str | Path, overrides: Sequence[str]) -> Recipe:
    return load_recipe(recipe, [*overrides, *ALONE])


def _check(recipe: str | Path, overrides: Sequence[str], out: Path) -> None:
    loaded, layout = _load(recipe, overrides), RunLayout(out / "runs" / AS_IT_IS)
    check_recipe(loaded, names_until(plan(loaded, layout), LAST), layout)


def _worth(decision: Decision, name: str, rows: int, found: Comparison | None) -> Worth:
    pair = next((p for p in found.pairs if name in (p.first, p.second)), None) if found else None
    if pair is None:
        return Worth(decision.name, decision.changes, rows, None, None, None)
    sign = 1 if pair.first == name else -1
    low, high = sorted((sign * pair.low, sign * pair.high))
    return Worth(decision.name, decision.changes, rows, sign * pair.value, low, high)
