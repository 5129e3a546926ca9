"""`factory estimate`: what a generation job will cost, from a small pilot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from factory.cli import asking
from factory.sampling.defaults import DEFAULT_PROMPT


def command(
    inputs: asking.Inputs,
    out: Path = typer.Option(..., "--out", help="Output folder of the job that is estimated."),
    teacher: asking.Teacher = "deepseek-r1",
    pilot: int = typer.Option(20, "--pilot", min=4, help="Problems that are asked once."),
    samples: asking.Samples = 8,
    temperature: asking.Temperature = 0.6,
    top_p: asking.TopP = 0.95,
    max_tokens: asking.MaxTokens = 32_768,
    prompt: asking.Prompt = DEFAULT_PROMPT,
    system: asking.System = None,
    problem_field: asking.ProblemField = "problem",
    answer_field: asking.AnswerField = "answer",
    limit: asking.Limit = None,
    base_url: asking.BaseUrl = None,
    model: asking.Model = None,
    api_key_env: asking.ApiKeyEnv = None,
    concurrency: asking.Concurrency = "auto",
    price: asking.Price = None,
    max_usd: asking.MaxUsd = None,
    slip_rate: asking.SlipRate = 0.25,
    store: asking.Store = None,
    seed: asking.Seed = 0,
) -> None:
    """Ask a few problems once, and forecast dollars, tokens, hours and accepted responses of the whole job."""
    from factory.steps import estimate as step

    section = asking.read_section(
        teacher=teacher,
        samples=samples,
        temperature=temperature,
        top_p=top_p,
        max_tokens=max_tokens,
        prompt=prompt,
        system=system,
        base_url=base_url,
        model=model,
        api_key_env=api_key_env,
        concurrency=concurrency,
        price=price,
        max_usd=max_usd,
        slip_rate=slip_rate,
    )
    found = step.run(
        inputs,
        out,
        section,
        store=asking.store_folder(store, out),
        seed=seed,
        pilot=pilot,
        problem_field=problem_field,
        answer_field=answer_field,
        limit=limit,
    )
    _show(found)


def _show(found: Any) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{found.requests:,} responses, from a pilot of {found.pilot}", title_justify="left")
    for name in ("", "expected", "95% interval"):
        table.add_column(name, justify="right" if name else "left")
    rows = (
        ("dollars", found.usd, "{:,.2f}"),
        ("completion tokens", found.completion_tokens, "{:,.0f}"),
        ("prompt tokens", found.prompt_tokens, "{:,.0f}"),
        ("hours", found.hours, "{:,.2f}"),
        ("verified correct", found.accepted, "{:,.0f}"),
    )
    for name, interval, shape in rows:
        if interval is not None:
            low, high = shape.format(interval.low), shape.format(interval.high)
            table.add_row(name, shape.format(interval.expected), f"{low} to {high}")
    if found.usd_per_accepted is not None:
        table.add_row("dollars a correct response", f"{found.usd_per_accepted:,.4f}", "")
    Console().print(table)
    typer.echo("the pilot's answers are in the store and will not be bought again")
