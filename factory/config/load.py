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

STAGES = ("midtrain", "sft", "dpo", "rl")
_JUDGES = ("verify.judge", "datasets.judge", "decontamination.embedding.judge")
_KEEP = ["verified", "answered", "source", "shorter", "first"]
REMOVED: dict[str, tuple[Any, str]] = {
    "rl_prompts.group_size": (8, "train.rl.group_size is used"),
    "rl_prompts.buckets": (4, "prompts are ordered in 4 length buckets"),
    **{
        f"{section}.{key}": why
        for section in ("deduplication", "response_deduplication")
        for key, why in {
            "permutations": (128, "128 MinHash permutations are used"),
            "backend": ("fast", "pairs are proposed by our own MinHash"),
            "false_negative_weight": (0.99, "missed pairs weigh 0.99 where the LSH bands are chosen"),
            "ngram": (5, "shingles of 5 words are compared; the verb `factory dedup` takes --ngram"),
        }.items()
    },
    "deduplication.across_problems": (
        False,
        "problems are all compared; use response_deduplication.across_problems",
    ),
    "decontamination.coverage": (0.45, "0.45 of a problem's n-grams make a hit"),
    "response_deduplication.numbers_differ": (
        False,
        "responses with other numbers are duplicates all the same",
    ),
    "response_deduplication.keep": (_KEEP, "the rules of deduplication.keep's default decide"),
    "response_deduplication.sources": ([], "use deduplication.sources"),
    "response_deduplication.against": ([], "use deduplication.against, or the verb `factory dedup`"),
    "datasets.max_loop_score": (0.7, "0.7 is the limit of repetition"),
    "difficulty.confidence": (
        0.95,
        "a band is certain at a probability of 0.95; set difficulty.max_samples instead",
    ),
    "difficulty.top_p": (1.0, "rollouts are sampled from the whole distribution, as in RL"),
    "preference.max_similarity": (0.95, "sides that share more than 95% of their 3-grams are no pair"),
    "train.lora.dropout": (0.0, "adapters have no dropout"),
    "train.lora.targets": ("all-linear", "every linear layer gets an adapter"),
    "train.midtrain.group_by_length": (True, "rows of similar length stand in one step"),
    "train.sft.group_by_length": (True, "rows of similar length stand in one step"),
    "train.rl.stop_clipped": (0.9, "0.9 is the limit"),
    "train.rl.patience": (20, "20 steps in a row stop a run that learns nothing"),
    **{
        f"{section}.{key}": why
        for section in ("difficulty", *_JUDGES)
        for key, why in {
            "concurrency": ("auto", "requests in flight adapt to the endpoint"),
            "rpm": (None, "requests adapt to what the endpoint refuses"),
            "input_tpm": (None, "requests adapt to what the endpoint refuses"),
            "output_tpm": (None, "requests adapt to what the endpoint refuses"),
        }.items()
    },
}
"""Keys of earlier versions: what they were by default, and what holds instead. They are read, and said when they differ."""

MOVED: dict[str, tuple[Any, str]] = {
    **{
        f"train.{stage}.{old}": (default[stage], f"train.{stage}.trl.{new}")
        for old, new, default in (
            ("schedule", "lr_scheduler_type", {**dict.fromkeys(STAGES, "linear"), "rl": "constant"}),
            ("warmup", "warmup_steps", {**dict.fromkeys(STAGES, 0.0), "midtrain": 0.1}),
        )
        for stage in STAGES
    },
    "train.rl.epsilon": (0.2, "train.rl.trl.epsilon"),
    "train.rl.epsilon_high": (0.2, "train.rl.trl.epsilon_high"),
    "train.rl.top_p": (1.0, "train.rl.trl.top_p"),
    **{f"train.{stage}.save_every": (0.1, "train.save_every") for stage in STAGES},
}
"""Keys of earlier versions: what they were by default, and where their value is read now. It is said when they differ."""


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
        what = (
            "a recipe is a mapping of sections"
            if not isinstance(data, dict)
            else "no section of a recipe is in it"
        )
        raise UsageError(f"{path}: {what}", do="see recipes/quickstart.yaml")
    given = {tuple(_override(data, override)): f"--set {override}" for override in overrides}
    _read_former(data, str(path))
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


def _read_former(data: dict[str, Any], where: str) -> None:
    """Take out keys of earlier versions; one line for each that asked for something else than its old default."""
    for key, (default, instead) in {**REMOVED, **MOVED}.items():
        *sections, name = key.split(".")
        inner = _inside(data, sections)
        if inner is None or name not in inner or (value := inner.pop(name)) == default:
            continue
        what = f"{key} is no longer a setting: {instead}"
        if key in MOVED:
            *sections, name = instead.split(".")
            target = _inside(data, sections, make=True)
            if target is not None:
                target.setdefault(name, value)
            what = f"{key} is read as {instead}: write it there"
        sys.stderr.write(f"factory: {where}: {what}\n")


def _inside(data: dict[str, Any], sections: Sequence[str], *, make: bool = False) -> dict[str, Any] | None:
    """The mapping at a path, if there is one, or is to be made."""
    for section in sections:
        if make and data.get(section) is None:
            data[section] = {}
        inner = data.get(section)
        if not isinstance(inner, dict):
            return None
        data = inner
    return data


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
