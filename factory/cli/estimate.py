"""`factory estimate`: what a generation job will cost, from a small pilot."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from factory.cli.flags import Flag, Use
from factory.cli.params import Problems, Seed, Store, store_folder
from factory.cli.show import say, show
from factory.config.generate import GenerateSection

NOT_USED = (
    "others",
    "rpm",
    "input_tpm",
    "output_tpm",
    "max_tokens_total",
    "accept",
    "max_candidates",
    "batch",
    "serve",
)
"""Settings of a job that its pilot cannot tell anything about."""


def command(
    problems: Problems,
    out: Annotated[Path, Flag("Output folder of the job that is estimated.")],
    settings: Annotated[GenerateSection, Use(skip=NOT_USED)],
    pilot: Annotated[int, Field(ge=4), Flag("Number of problems to sample once for the pilot.")] = 20,
    store: Store = None,
    seed: Seed = 0,
) -> None:
    """Sample a few problems once, and forecast dollars, tokens, hours and accepted responses of the whole job.

    factory estimate problems.jsonl --teacher deepseek-r1 --out responses
    """
    from factory.steps import estimate as step

    found, _ = step.run(
        problems.specs,
        out,
        settings,
        store=store_folder(store, out),
        seed=seed,
        pilot=pilot,
        **problems.model_dump(include={"problem_field", "answer_field", "limit"}),
    )
    show_estimate(found)


def show_estimate(found: Any) -> None:
    """Print the forecast."""
    figures = (
        ("dollars", found.usd, "{:,.2f}"),
        ("completion tokens", found.completion_tokens, "{:,.0f}"),
        ("prompt tokens", found.prompt_tokens, "{:,.0f}"),
        ("hours", found.hours, "{:,.2f}"),
        ("verified correct", found.accepted, "{:,.0f}"),
    )
    rows = [
        (name, shape.format(each.expected), f"{shape.format(each.low)} to {shape.format(each.high)}")
        for name, each, shape in figures
        if each is not None
    ]
    if found.usd_per_accepted is not None:
        rows.append(("dollars per correct response", f"{found.usd_per_accepted:,.4f}", ""))
    title = f"{found.requests:,} responses, from a pilot of {found.pilot}"
    show(title, ("", ">expected", ">95% interval"), rows)
    if found.spared:
        usd = f", about ${found.usd_spared:,.2f}" if found.usd_spared else ""
        say(f"responses that are there already (--reuse) spare {found.spared:,} requests{usd}")
    say("the pilot's responses are in the store and will not be paid for again")
