"""What a run needs before anything is spent: packages, and questions to evaluate on."""

from __future__ import annotations

from importlib.util import find_spec

from factory.config import Recipe
from factory.engines.engine import EngineName
from factory.errors import UsageError


def check_held_out(recipe: Recipe) -> None:
    """Refuse a run whose first evaluation would have no questions.

    Raises:
        UsageError: `held_out` is to be evaluated, but no problems are set aside.
    """
    wanted = (
        recipe.train is not None and "held_out" in recipe.evaluation.benchmarks and recipe.evaluation.stages
    )
    if wanted and not recipe.problems.held_out:
        raise UsageError(
            "evaluation.benchmarks names held_out, but problems.held_out is 0",
            do="set problems.held_out, or name other benchmarks",
        )


def check_packages(recipe: Recipe, steps: list[str]) -> None:
    """Refuse a run that would fail hours later for want of a package.

    Raises:
        UsageError: names the package and the command that brings it.
    """
    trains = any(name.startswith(("train-", "eval-", "difficulty")) for name in steps)
    missing = [name for name in ("torch", "transformers", "trl", "datasets") if find_spec(name) is None]
    if trains and missing:
        raise UsageError(
            f"this recipe trains a student, but {', '.join(missing)} is not installed",
            do="pip install 'cot-factory[train]', or leave the training out with --set train=null",
        )


def check_engine(name: str) -> None:
    """Refuse an engine whose package is missing, before anything else is done.

    Raises:
        UsageError: names the package and the command that brings it.
    """
    if name == EngineName.RAY:
        from factory.engines.ray import check_ray

        check_ray()
