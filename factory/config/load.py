"""Reading a recipe from YAML, with `a.b=c` overrides, and saving the resolved copy."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from factory.atomic import atomic_path
from factory.config.recipe import Recipe
from factory.errors import UsageError


def load_recipe(path_or_name: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe file, or a recipe that ships with the package by its bare name (`quickstart`).

    Args:
        path_or_name: a YAML file, or the name of a shipped recipe.
        overrides: `section.key=value`; the value is read as YAML, so `null`, lists and numbers work.

    Raises:
        UsageError: the file is absent or malformed, a key is unknown, or a value is out of range; names the key.
    """
    path = find_recipe(path_or_name)
    try:
        data = yaml.safe_load(path.read_text("utf-8"))
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        where = f"{path}:{place.line + 1}" if place else str(path)
        raise UsageError(f"{where}: not valid YAML ({getattr(error, 'problem', error)})") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read recipe {path}: {error}") from error
    if not isinstance(data, dict):
        raise UsageError(f"{path}: a recipe is a mapping of sections", do="see recipes/quickstart.yaml")
    for override in overrides:
        _override(data, override)
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        raise UsageError(f"{path}: {_first_problem(error)}") from error


def find_recipe(path_or_name: str | Path) -> Path:
    """The file behind a path or a shipped recipe's name.

    Raises:
        UsageError: neither exists; lists the shipped recipes.
    """
    path = Path(path_or_name)
    if path.is_file():
        return path
    folder = Path(str(resources.files("recipes")))
    shipped = folder / f"{path.name.removesuffix('.yaml')}.yaml"
    if len(path.parts) == 1 and shipped.is_file():
        return shipped
    names = ", ".join(sorted(p.stem for p in folder.glob("*.yaml")))
    raise UsageError(
        f"no recipe {path_or_name}", do=f"give a YAML file or one of the shipped recipes: {names}"
    )


def save_recipe(recipe: Recipe, path: Path) -> None:
    """Write the resolved recipe, every default spelled out."""
    text = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=110)
    with atomic_path(path) as temporary:
        temporary.write_text(text, "utf-8")


def _override(data: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise UsageError(f"--set {override}: not of the form section.key=value")
    *sections, last = key.split(".")
    for section in sections:
        if data.get(section) is None:
            data[section] = {}
        data = data[section]
        if not isinstance(data, dict):
            raise UsageError(f"--set {override}: {section} is not a section")
    data[last] = yaml.safe_load(value)


def _first_problem(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"unknown key {where} - remove it, or run `factory schema recipe` for the known ones"
    return f"{where}: {first['msg']}"
