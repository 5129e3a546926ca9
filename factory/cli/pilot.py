"""`factory pilot`: which teacher is worth its price, on a few problems."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from factory.cli.flags import Use
from factory.cli.params import Inputs, Out, Seed, Store, store_folder
from factory.cli.show import say, show
from factory.config.endpoint import Address
from factory.config.generate import GenerateSection
from factory.config.pilot import PilotSection

if TYPE_CHECKING:
    from factory.steps.pilot import Piloted

SKIPPED = (
    *Address.model_fields,
    "teacher",
    "others",
    "samples",
    "reuse",
    "accept",
    "max_candidates",
    "batch",
    "serve",
    "prompts",
)


def command(
    inputs: Inputs,
    out: Out,
    settings: Annotated[GenerateSection, Use(skip=SKIPPED)],
    pilot: Annotated[PilotSection, Use(names={"teachers": "teacher"})],
    store: Store = None,
    seed: Seed = 0,
) -> None:
    """Ask several teachers the same few problems, and show yield, tokens and dollars per accepted answer.

    factory pilot problems.jsonl --teacher deepseek-r1 --teacher qwq --out pilot
    """
    from dataclasses import asdict

    from factory.atomic import write_json
    from factory.pipeline.checks import need
    from factory.steps import pilot as step

    need("a pilot", "stats", "scipy")
    if pilot.student:
        need("a student's view of traces", "train", "torch", "transformers")

    asked = GenerateSection(**settings.model_dump(include=settings.model_fields_set), samples=1)
    found = step.run(inputs, out, asked, pilot, store=store_folder(store, out), seed=seed)
    write_json(out / "pilot.json", {"teachers": [asdict(each) for each in found]})
    _show(found, out)


def _show(found: list[Piloted], out: Path) -> None:
    from factory.numbers import dollars

    rows = [
        (
            each.teacher,
            f"{each.accepted:,} of {each.responses:,}",
            f"{each.yield_:.1%}",
            f"{each.low:.1%}-{each.high:.1%}",
            f"{each.truncated:.1%}",
            f"{'' if each.counted else '~'}{each.tokens:,.0f}",
            "not priced" if each.usd is None else dollars(each.usd_per_accepted) if each.usd_per_accepted is not None else "none accepted",
            f"{each.diversity:.2f}",
            *((f"{each.surprisal:.3f}", f"{each.rank_surprisal_ratio:.2f}") if each.surprisal is not None else ()),
        )
        for each in found
    ]  # fmt: skip
    heads = [
        "teacher",
        ">accepted",
        ">yield",
        ">95%",
        ">cut",
        ">tokens",
        ">$ an accepted answer",
        ">diversity",
    ]
    show(
        "pilot", heads + ([">surprisal", ">rank / surprisal"] if found[0].surprisal is not None else []), rows
    )
    for each in found[1:]:
        say(f"{found[0].teacher} before {each.teacher}: {each.behind}")
    say(f"details: {out / 'pilot.json'}")
