"""Reading a recipe from YAML, with `a.b=c` overrides, and saving the resolved copy."""

from __future__ import annotations

import sys
from collections.abc import Hashable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from factory.atomic import atomic_path
from factory.config.base import did_you_mean, faults
from factory.config.recipe import Recipe
from factory.errors import UsageError
from factory.redaction import redact

REMOVED: dict[str, tuple[Any, str]] = {
    "rl_prompts.group_size": (8, "train.rl.group_size is used"),
    **{
        f"{section}.{key}": why
        for section in ("deduplication", "response_deduplication")
        for key, why in {
            "permutations": (128, "128 MinHash permutations are used"),
            "backend": ("fast", "pairs are proposed by our own MinHash"),
            "false_negative_weight": (0.99, "missed pairs weigh 0.99 where the LSH bands are chosen"),
        }.items()
    },
}
"""Keys of earlier versions: what they were by default, and what holds instead. They are read, and said when they differ."""


def load_recipe(path_or_name: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe file, or a recipe that ships with the package by its bare name (`quickstart`).

    Args:
        path_or_name: a YAML file, or the name of a shipped recipe.
        overrides: `section.key=value`; the value is read as YAML, so `null`, lists and numbers work.

    Raises:
        UsageError: the file is absent or malformed, a key is unknown or stands twice, a value is out of range, or two
            values contradict each other; one line for each mistake, with the key.
    """
    path = find_recipe(path_or_name)
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read recipe {path}: {error}") from error
    data = _read(text, str(path))
    if not isinstance(data, dict) or not data.keys() & Recipe.model_fields.keys():
        raise UsageError(
            f"{path} is not a recipe: no section of one is in it", do="see recipes/quickstart.yaml"
        )
    given = {tuple(_override(data, override)): f"--set {override}" for override in overrides}
    _leave_out_removed(data, str(path))
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        lines = []
        for key, what, do in faults(error, Recipe):
            where = next((word for own, word in given.items() if own[: len(key)] == key), str(path))
            named = f"unknown key {'.'.join(key)}" if what == "unknown key" else f"{'.'.join(key)}: {what}"
            lines.append(f"{where}: {named.removeprefix(': ')}" + (f" - {do}" if do else ""))
        raise UsageError("\n".join(lines)) from error
    except RecursionError:
        raise UsageError(f"{path}: nested too deeply") from None


def find_recipe(path_or_name: str | Path) -> Path:
    """The file behind a path or a shipped recipe's name.

    Raises:
        UsageError: neither exists; lists the shipped recipes.
    """
    path = Path(path_or_name)
    folder = Path(str(resources.files("recipes")))
    names = sorted(p.stem for p in folder.glob("*.yaml"))
    try:
        if path.is_file():
            return path
        shipped = folder / f"{path.name.removesuffix('.yaml')}.yaml"
        if len(path.parts) == 1 and shipped.is_file():
            return shipped
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read recipe {str(path)!r}: {error}") from error
    near = did_you_mean(path.name, names)
    raise UsageError(
        f"no recipe {path_or_name}",
        do=f"{near + ' ' if near else ''}give a YAML file or one of the shipped recipes: {', '.join(names)}",
    )


def save_recipe(recipe: Recipe, path: Path) -> None:
    """Write the resolved recipe, every default spelled out; passwords and keys in addresses are left out."""
    text = yaml.safe_dump(
        _without_secrets(recipe.model_dump(mode="json")), sort_keys=False, allow_unicode=True, width=110
    )
    with atomic_path(path) as temporary:
        temporary.write_text(text, "utf-8")


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: redact(each) if name == "base_url" and each else _without_secrets(each)
            for name, each in value.items()
        }
    return value


class _Loader(yaml.SafeLoader):
    """YAML in which a key may stand once: a second `generate:` would silently replace the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        lines: dict[str, int] = {}
        for key, _ in node.value:
            name = str(key.value)
            if name in lines and name != "<<":
                raise yaml.MarkedYAMLError(
                    problem=f"the key {name} stands twice, first in line {lines[name]}",
                    problem_mark=key.start_mark,
                )
            lines[name] = key.start_mark.line + 1
        return super().construct_mapping(node, deep)


def _read(text: str, where: str) -> Any:
    """What a YAML text says.

    Raises:
        UsageError: it is not YAML, has a key twice, or is nested too deeply.
    """
    try:
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark and "\n" in text else ""
        raise UsageError(f"{where}{line}: not valid YAML ({error.problem})") from error
    except yaml.YAMLError as error:
        raise UsageError(f"{where}: not valid YAML ({str(error).splitlines()[0]})") from error
    except RecursionError:
        raise UsageError(f"{where}: nested too deeply") from None
    except ValueError as error:  # dates that do not exist, numbers of millions of digits
        raise UsageError(f"{where}: not valid YAML ({error})") from error


def _leave_out_removed(data: dict[str, Any], where: str) -> None:
    """Drop keys of earlier versions; one line for each that asked for something else than what is done now."""
    for key, (default, instead) in REMOVED.items():
        section, _, name = key.partition(".")
        inner = data.get(section)
        if isinstance(inner, dict) and name in inner and inner.pop(name) != default:
            sys.stderr.write(f"factory: {where}: {key} is no longer a setting: {instead}\n")


def _override(data: dict[str, Any], override: str) -> list[str]:
    """Put `section.key=value` into the data; returns the path of the key."""
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise UsageError(f"--set {override}: not of the form section.key=value")
    path = key.split(".")
    *sections, last = path
    for section in sections:
        if data.get(section) is None:
            data[section] = {}
        if section == "judge" and isinstance(data[section], str):
            data[section] = {"preset": data[section]}
        data = data[section]
        if not isinstance(data, dict):
            raise UsageError(f"--set {override}: {section} is not a section")
    data[last] = _read(value, f"--set {override}")
    return path
