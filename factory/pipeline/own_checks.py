"""Functions and prompts of the user's own, before a run: they can be loaded, and the rows have the fields that they ask for."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from factory.config.base import did_you_mean
from factory.config.prompt import is_function
from factory.config.recipe import Recipe
from factory.errors import UsageError
from factory.functions.own import OwnFunction
from factory.sampling.prompt import wanted_by
from factory.steps.problems import first_fields
from factory.verification.own import FIELDS
from schemas import LABELLED, PROBLEM

OF_RESPONSES = frozenset({*LABELLED.names, *FIELDS})


def own_faults(recipe: Recipe, *, reads: bool) -> Iterator[str]:
    """What is wrong with a recipe's functions and prompts.

    Args:
        recipe: the recipe.
        reads: its sources are there to be looked at.
    """
    section = recipe.generate

    @cache
    def given() -> frozenset[str] | None:
        """Fields of the sources' first rows, beyond the columns that every problem has."""
        return first_fields(recipe.problems) if reads else None

    asked = {
        "verify.checker": (recipe.verify.checker, OF_RESPONSES),
        "datasets.label": (recipe.datasets.label, {*PROBLEM.names, "problem_id"}),
        "datasets.filter": (recipe.datasets.filter, OF_RESPONSES),
        "generate.prompt": (section.prompt if is_function(section.prompt) else None, {*PROBLEM.names}),
    }
    for key, (reference, known) in asked.items():
        if reference is None:
            continue
        try:
            with OwnFunction(str(reference), count=1) as function:
                wanted = {*function.load()["required"]} - known - {"row"}
                fields = given() if wanted else None
                if fields is not None:
                    function.wants({*known, *fields})
        except UsageError as error:
            yield f"{key}: {error}"
    train, asks = recipe.train, sorted(wanted_by(recipe.datasets.prompt) - {"problem"})
    if train and recipe.evaluation.stages and asks and {*recipe.evaluation.benchmarks} - {"held_out"}:
        yield (
            f"datasets.prompt asks for {{{asks[0]}}}, which benchmarks do not have - name only held_out in "
            "evaluation.benchmarks, or leave it out of the prompt"
        )
    prompts = {f"generate.prompts.{kind}": each for kind, each in section.prompts.items()}
    prompts |= {"datasets.prompt": recipe.datasets.prompt}
    prompts |= {} if is_function(section.prompt) else {"generate.prompt": section.prompt}
    for key, prompt in prompts.items():
        wanted = wanted_by(prompt) - {*PROBLEM.names}
        fields = given() if wanted else None
        for name in sorted(wanted - fields) if fields is not None else ():
            near = did_you_mean(name, [*fields, *PROBLEM.names] if fields else PROBLEM.names)
            yield (
                f"{key} asks for {{{name}}}, and the problems have no such field - "
                f"{near + '; ' if near else ''}write {{{{{name}}}}} for braces that are text"
            )
