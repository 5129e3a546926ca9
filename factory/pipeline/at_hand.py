"""Problems that are at hand when a command names none: those of the newest run, or of a recipe in the current folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from factory.config.load import load_recipe
from factory.config.recipe import Recipe
from factory.errors import UsageError
from factory.run.folder import newest_run
from factory.run.layout import RunLayout
from factory.run.parts import MANIFEST
from factory.steps import problems as step


@dataclass(frozen=True, slots=True)
class AtHand:
    """A folder of PROBLEM parts, responses that are there already, and where they come from in words."""

    problems: Path
    responses: list[str]
    said: str


def problems_at_hand(scratch: Path, *, seed: int) -> AtHand:
    """The clean problems of the newest run below `runs/`, else those of the one recipe in the current folder.

    Args:
        scratch: where a recipe's problems are read to.
        seed: of sources that draw.

    Raises:
        UsageError: there is neither, or more than one recipe.
    """
    for run in _newest():
        at = RunLayout(run)
        return AtHand(at.clean_problems, _there(at.given), f"the clean problems of {run}, the newest run")
    recipes = _recipes()
    if not recipes:
        raise UsageError(
            "no problems are named, no run below runs/ has clean ones, and no recipe is here",
            do="name some: factory generate problems.jsonl --out responses",
        )
    if len(recipes) > 1:
        raise UsageError(
            f"no problems are named, and there are several recipes here: {', '.join(recipes)}",
            do="run one with `factory run`, or name the problems: factory generate problems.jsonl --out responses",
        )
    ((path, recipe),) = recipes.items()
    given = scratch / "given"
    step.run(recipe.problems, scratch / "problems", scratch / "held_out", given, seed=seed)
    said = f"the problems of {path}, neither deduplicated nor decontaminated (factory run {path} does both)"
    return AtHand(scratch / "problems", _there(given), said)


def _newest() -> list[Path]:
    """The newest run, if its problems are clean."""
    try:
        run = newest_run(Path("runs"))
    except UsageError:
        return []
    return [run] if (RunLayout(run).clean_problems / MANIFEST).exists() else []


def _recipes() -> dict[str, Recipe]:
    """Files of the current folder that are recipes."""
    found = {}
    for path in sorted(Path().glob("*.y*ml")):
        try:
            found[str(path)] = load_recipe(path)
        except UsageError:
            continue
    return found


def _there(folder: Path) -> list[str]:
    return [str(folder)] if (folder / MANIFEST).exists() else []
