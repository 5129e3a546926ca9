"""Problems drawn from procedural families: `procedural:FAMILY|all|a+b?count=N&seed=S&levels=a,b&style=terse&...`."""

from __future__ import annotations

import difflib
import json
import random
from typing import Any

from factory.errors import UsageError
from factory.sources.families import EVERY_FAMILY, FAMILIES, Family, Options, Style
from factory.sources.families.scratch import show
from factory.sources.spec import SourceSpec, parse_spec
from schemas import Level

KEYS = ("count", "seed", "levels", "style", "repeats", "steps", "modulus")
DEFAULT_COUNT = 1000
DEFAULT_REPEATS = 0.02
LICENCE = "Apache-2.0"
TRIES = 200


def draw_problems(text: str, *, seed: int = 0, limit: int | None = None) -> list[dict[str, Any]]:
    """Problems of a `procedural:` spec, as rows without `id`.

    Families and their levels take turns. All texts differ; a share `repeats` (0.02 by default) tells an earlier
    problem again with small changes of wording, as real collections do. Row i depends on the seed and on the rows
    before it alone, so a larger count only adds rows.

    Args:
        text: the spec.
        seed: used when the spec names none.
        limit: draw at most this many.

    Raises:
        UsageError: an unknown family, setting or level, or a family that has too few different problems.
    """
    spec = parse_spec(text)
    spec.check_keys(KEYS)
    families = find_families(spec)
    options, style = _options(spec, families), _style(spec)
    turns = [(family, levels) for family in families if (levels := _levels(spec, family))]
    if not turns:
        raise UsageError(f"{text}: no chosen family has level {spec.settings['levels']}")
    seed, repeats = spec.whole("seed", seed), _share(spec, "repeats", DEFAULT_REPEATS)
    count = spec.whole("count", DEFAULT_COUNT, least=1)
    rows: list[dict[str, Any]] = []
    seen: set[str] = set()
    for index in range(min(count, limit or count)):
        rng = random.Random(f"{seed}|{index}|{spec.name}")
        if rows and rng.random() < repeats:
            row = _told_again(rng, rng.choice(rows))
            if row["problem"] not in seen:
                seen.add(row["problem"])
                rows.append(row)
                continue
        family, levels = turns[index % len(turns)]
        level = levels[index // len(turns) % len(levels)]
        rows.append(_fresh(rng, family, level, options, style, seen, text))
    return rows


def find_families(spec: SourceSpec) -> list[Family]:
    """The families that a spec names: `all` (mathematics), one, or several joined by `+`.

    Raises:
        UsageError: a family is unknown; lists the known ones.
    """
    if spec.name == "all":
        return list(FAMILIES.values())
    found = []
    for name in spec.name.split("+"):
        if name not in EVERY_FAMILY:
            close = difflib.get_close_matches(name, EVERY_FAMILY, n=1)
            hint = f"did you mean {close[0]}? " if close else ""
            raise UsageError(
                f"{spec.text}: unknown family {name}",
                do=f"{hint}known: all, {', '.join(sorted(EVERY_FAMILY))}",
            )
        found.append(EVERY_FAMILY[name])
    return found


def _fresh(
    rng: random.Random,
    family: Family,
    level: Level,
    options: Options,
    style: Style,
    seen: set[str],
    text: str,
) -> dict[str, Any]:
    for _ in range(TRIES):
        params = family.draw(rng, level, options)
        told = family.tell(rng, params, options.terse)
        if told not in seen:
            break
    else:
        raise UsageError(
            f"{text}: family {family.name} at level {level} has too few different problems",
            do="ask for a smaller count, more steps or other levels",
        )
    seen.add(told)
    columns = family.columns(params)
    metadata = {"family": family.name, "params": params, "style": style, **columns.pop("metadata", {})}
    return {
        "problem": told,
        "answer": show(family.answer(params)),
        "answer_kind": family.kind.value,
        "answer_source": "given",
        "choices": None,
        "solution": None,
        "source": f"procedural:{family.name}",
        "licence": LICENCE,
        "domain": family.domain,
        "level": level.value,
        "metadata": json.dumps(metadata, ensure_ascii=False),
        **columns,
    }


def _told_again(rng: random.Random, row: dict[str, Any]) -> dict[str, Any]:
    """The same problem as somebody copies it: another opening or ending, other case, other spaces."""
    text = str(row["problem"])
    changes = (
        lambda: f"Question: {text}",
        lambda: f"{text} Show your work.",
        lambda: text.lower(),
        lambda: text.replace(". ", ".  "),
        lambda: f"{text}\n",
        lambda: f"Problem. {text} Explain your answer.",
    )
    return row | {"problem": rng.choice(changes)()}


def _options(spec: SourceSpec, families: list[Family]) -> Options:
    for key in ("steps", "modulus"):
        if key in spec.settings and not any(key in family.options for family in families):
            able = ", ".join(sorted(f.name for f in FAMILIES.values() if key in f.options))
            raise UsageError(f"{spec.text}: no chosen family has {key}", do=f"these have: {able}")
    modulus = spec.whole("modulus", 10, least=2) if "modulus" in spec.settings else None
    return Options(_range(spec, "steps"), modulus, _style(spec) == Style.TERSE)


def _range(spec: SourceSpec, key: str) -> tuple[int, int] | None:
    if key not in spec.settings:
        return None
    low, _, high = spec.settings[key].partition("-")
    try:
        bounds = int(low), int(high or low)
    except ValueError:
        bounds = (0, 0)
    if not 1 <= bounds[0] <= bounds[1] <= 50:
        raise UsageError(f"{spec.text}: {key}={spec.settings[key]} is not like 4 or 3-5 (at most 50)")
    return bounds


def _style(spec: SourceSpec) -> Style:
    raw = spec.settings.get("style", Style.LONG)
    if raw not in list(Style):
        raise UsageError(f"{spec.text}: style={raw} is not one of: {', '.join(Style)}")
    return Style(raw)


def _levels(spec: SourceSpec, family: Family) -> list[Level]:
    if "levels" not in spec.settings:
        return list(family.levels)
    asked = spec.settings["levels"].split(",")
    for level in asked:
        if level not in list(Level):
            raise UsageError(f"{spec.text}: level {level} is not one of: {', '.join(Level)}")
    return [level for level in family.levels if level in asked]


def _share(spec: SourceSpec, key: str, default: float) -> float:
    raw = spec.settings.get(key, str(default))
    try:
        value = float(raw)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise UsageError(f"{spec.text}: {key}={raw} is not a share from 0 to below 1")
    return value
