"""`factory init`: a first recipe for files that are there."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import click
from pydantic import PositiveFloat, PositiveInt

from factory.atomic import atomic_path
from factory.cli.flags import Flag, Use
from factory.cli.params import sources_of
from factory.cli.show import say
from factory.config.base import did_you_mean
from factory.config.problems import ReadingSection
from factory.errors import UsageError

if TYPE_CHECKING:
    from factory.pipeline.new_recipe import Choices
    from factory.steps.look import Seen

SAMPLES = 8
MAX_USD = 20.0


def command(
    inputs: Annotated[
        list[str],
        Flag("Files, folders, globs or Hub sets (hf://datasets/OWNER/NAME).", words=True, metavar="IN..."),
    ],
    settings: Annotated[ReadingSection, Use(only=("layout", "fields", "licence"))],
    out: Annotated[Path | None, Flag("Recipe to write; NAME.yaml by default.")] = None,
    name: Annotated[str | None, Flag("Name of the recipe; that of the first file by default.")] = None,
    teacher: Annotated[
        str | None,
        Flag(
            "Who is asked for responses (factory teachers lists them), or none; none where there are responses, "
            "else deepseek-r1."
        ),
    ] = None,
    model: Annotated[str | None, Flag("The teacher's model id, when it is not the preset's.")] = None,
    base_url: Annotated[str | None, Flag("The teacher's endpoint, when it is not the preset's.")] = None,
    samples: Annotated[PositiveInt | None, Flag("Responses per problem; 8 by default.")] = None,
    max_usd: Annotated[
        PositiveFloat | None,
        Flag("What the run may cost in dollars; 20 by default where the teacher has a price."),
    ] = None,
    against: Annotated[
        list[str], Flag("Benchmarks that the data must not contain; aime24 math500 gpqa_diamond by default.")
    ] = [],  # noqa: B006 - read only
    student: Annotated[
        str | None, Flag("Model to train (Hub id or folder), or none for sets only, which is the default.")
    ] = None,
) -> None:
    """Look at files and write a recipe for them. On a terminal it asks what no flag says.

    factory init traces.parquet
    """
    from factory.pipeline.new_recipe import check_new, new_name, new_recipe
    from factory.steps.look import look

    given = name or new_name(inputs[0])
    target = out or Path(f"{given}.yaml")
    if target.exists():
        raise UsageError(f"{target} is there already", do="choose another with --out, or delete it")
    if not target.parent.is_dir():
        raise UsageError(f"{target.parent} is not a folder", do="make it, or choose another path with --out")
    sources = sources_of(inputs, settings)
    seen = look(sources)
    for each in seen:
        say(f"{each.path}: {each.layout}", *(f"  {line}" for line in each.said))
    if not any(each.problems for each in seen):
        raise UsageError(
            "none of the rows that were looked at holds a problem",
            do="say where it is with --fields problem=COLUMN",
        )
    typed = {
        "teacher": teacher, "model": model, "base_url": base_url, "samples": samples, "max_usd": max_usd,
        "against": tuple(against) or None, "student": student,
    }  # fmt: skip
    text = new_recipe(given, sources, seen, _choices(typed, seen))
    check_new(text, given)
    with atomic_path(target) as temporary:
        temporary.write_text(text, "utf-8")
    say(f"wrote {target}; next: factory run {target} --dry-run")


def _choices(typed: dict[str, Any], seen: Sequence[Seen]) -> Choices:
    """What the flags say, then the answers, then the defaults.

    Raises:
        UsageError: a flag speaks of a teacher, and none is asked.
    """
    from factory.pipeline.new_recipe import AGAINST, NONE, Choices, default_teacher, is_priced

    ask = _ask if sys.stdin.isatty() and sys.stdout.isatty() else lambda question, default, check=str: default
    of_teacher = [flag for flag in ("model", "base_url", "samples", "max_usd") if typed[flag] is not None]
    if typed["teacher"] is None and of_teacher and default_teacher(seen) == NONE:
        raise UsageError(
            f"--{of_teacher[0].replace('_', '-')} is of a teacher, and none is asked where responses are there",
            do="name one with --teacher",
        )
    teacher = typed["teacher"] or ask(
        "Teacher to ask for responses, or none", default_teacher(seen), _teacher
    )
    if _teacher(teacher) == NONE and of_teacher:
        raise UsageError(f"--{of_teacher[0].replace('_', '-')} is of a teacher, and --teacher is none")
    samples, usd = typed["samples"] or SAMPLES, typed["max_usd"]
    if teacher != NONE:
        samples = typed["samples"] or ask("Responses per problem", SAMPLES, _at_least_one)
        if usd is None and is_priced(teacher):
            usd = ask("Most dollars to spend", MAX_USD, _above_zero)
    against = typed["against"] or tuple(
        str(ask("Benchmarks that the data must not contain", " ".join(AGAINST))).replace(",", " ").split()
    )
    student = typed["student"] or ask("Model to train, or none for sets only", NONE)
    return Choices(teacher, typed["model"], typed["base_url"], samples, usd, against, student)


def _ask(question: str, default: Any, check: Any = str) -> Any:
    return click.prompt(question, default=default, value_proc=check)


def _teacher(name: str) -> str:
    from factory.pipeline.new_recipe import NONE
    from factory.sampling.presets import LOCAL, PRESETS

    known = [NONE, *PRESETS, *LOCAL]
    if name not in known:
        raise click.BadParameter(
            f"no teacher {name} - {did_you_mean(name, known) or 'factory teachers lists them'}"
        )
    return name


def _at_least_one(text: str) -> int:
    if not str(text).isdecimal() or int(text) < 1:
        raise click.BadParameter(f"{text} is not a whole number from 1")
    return int(text)


def _above_zero(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise click.BadParameter(f"{text} is not a number above 0")
    return value
