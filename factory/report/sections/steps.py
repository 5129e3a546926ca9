"""How the run was made: time and memory of every step, the recipe, and the software."""

from __future__ import annotations

from typing import Any

import yaml
from markupsafe import Markup

from factory.config.recipe import Recipe
from factory.report.blocks import Block, Fold, Note, Piece, Row, Section, folded
from factory.report.sections.lengths import preflight
from factory.report.step_folders import RunTables, StepFolder, ordered
from factory.report.words import step_words
from factory.run.layout import Kind, place_of

_MOST = 20_000
"""Characters of the recipe that are shown."""


def steps(run: RunTables) -> Section | None:
    """Seconds and memory per step, what the recipe changes from the defaults, versions."""
    folders = [folder for folder in ordered(run) if folder.manifest]
    blocks: list[Block] = []
    timed = [(step_words(folder.name), *_facts(run, folder)) for folder in folders]
    spent = sum(seconds for _, seconds, *_ in timed if seconds is not None)
    if any(seconds is not None for _, seconds, *_ in timed):
        largest = max(timed, key=lambda row: row[1] or 0)
        said = f"{_clock(spent)} of work in all; the longest step was “{largest[0]}” with {_clock(largest[1] or 0)}."
        blocks.append(Note(f"{said} A step that was resumed counts its last attempt."))
    if timed:
        rows = [
            (name, "" if s is None else _clock(s), "" if gib is None else f"{gib:.2f}", at)
            for name, s, gib, at in timed
        ]
        heads = ("step", "time", "memory, GiB", "finished")
        blocks += folded("Time and memory of every step", heads, rows)
    blocks += _recipe(run.recipe)
    packages: dict[str, Any] = {}
    for folder in folders:
        packages |= {"factory": folder.manifest.get("factory_version")}
        found = folder.totals.get("packages")
        packages |= found if isinstance(found, dict) else {}
    if packages:
        blocks += folded(
            "Versions that the run was made with", ("package", "version"), sorted(packages.items())
        )
    return (
        Section("steps", "Recipe and time", "_manifest.json of every step, recipe.yaml", tuple(blocks))
        if blocks
        else None
    )


def _facts(run: RunTables, folder: StepFolder) -> tuple[float | None, float | None, str]:
    """Seconds, peak memory in GiB, and when the step finished."""
    manifest = folder.manifest
    seconds = _number(manifest.get("seconds")) or _number(folder.totals.get("seconds"))
    memory = _number(manifest.get("memory_gib")) or _number(folder.totals.get("peak_gib"))
    place = place_of(folder.name)
    if memory is None and place and place.kind == Kind.TRAIN and place.stage:
        planned = preflight(run, place.stage).get("memory_gib")
        memory = _number(planned.get("total")) if isinstance(planned, dict) else None
    return seconds, memory, str(manifest.get("finished_at", ""))[:19].replace("T", " ")


def _recipe(recipe: dict[str, Any]) -> list[Block]:
    """What differs from the defaults, and the whole recipe."""
    if not recipe:
        return []
    rows = sorted(flat_recipe(recipe).items())
    default = flat_recipe(
        Recipe.model_validate({"name": "x", "problems": {"sources": ["x"]}}).model_dump(mode="json")
    )
    changed = [(key, value, default.get(key, "")) for key, value in rows if default.get(key) != value]
    text = yaml.safe_dump(recipe, allow_unicode=True, sort_keys=False)[:_MOST]
    whole = Row(
        "recipe.yaml", (), (Piece("as it was run", Markup("{}").format(text), Markup(""), len(text)),)
    )
    return [
        *folded(
            f"The recipe: {len(changed):,} of {len(rows):,} settings differ from the defaults",
            ("setting", "this run", "default"),
            changed,
        ),
        Fold("The whole recipe", (whole,)),
    ]


def flat_recipe(value: Any, prefix: str = "") -> dict[str, str]:
    """Dotted keys to their values as YAML, each at most 400 characters."""
    if isinstance(value, dict) and value:
        return {
            k: v
            for key, inner in value.items()
            for k, v in flat_recipe(inner, f"{prefix}.{key}" if prefix else str(key)).items()
        }
    shown = yaml.safe_dump(value, allow_unicode=True, default_flow_style=True, width=10_000)
    return {prefix: shown.removesuffix("...\n").strip()[:400]}


def _clock(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _number(value: Any) -> float | None:
    return (
        float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else None
    )
