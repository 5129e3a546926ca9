"""`factory estimate`: what a generation job will cost, from a small pilot."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import typer

from factory.sampling.defaults import DEFAULT_PROMPT


def command(
    inputs: list[str] = typer.Argument(..., metavar="IN...", help="Problems, as for `factory generate`."),
    teacher: str = typer.Option("deepseek-r1", "--teacher", help="Preset; `factory teachers` lists them."),
    out: Path = typer.Option(..., "--out", help="Output folder of the job that is estimated."),
    pilot: int = typer.Option(20, "--pilot", min=4, help="Problems that are asked once."),
    samples: int = typer.Option(8, "--samples", min=1, help="Responses a problem of the whole job."),
    temperature: float = typer.Option(0.6, "--temperature", min=0.0),
    top_p: float = typer.Option(0.95, "--top-p", min=0.001, max=1.0),
    max_tokens: int = typer.Option(32_768, "--max-tokens", min=1),
    prompt: str = typer.Option(DEFAULT_PROMPT, "--prompt", help="Prompt with {problem} in it."),
    system: str | None = typer.Option(None, "--system"),
    problem_field: str = typer.Option("problem", "--problem-field"),
    answer_field: str = typer.Option("answer", "--answer-field"),
    limit: int | None = typer.Option(None, "--limit", min=1),
    base_url: str | None = typer.Option(None, "--base-url"),
    model: str | None = typer.Option(None, "--model"),
    api_key_env: str | None = typer.Option(None, "--api-key-env"),
    concurrency: str = typer.Option("auto", "--concurrency"),
    price: str | None = typer.Option(None, "--price", metavar="IN,OUT"),
    max_usd: float | None = typer.Option(None, "--max-usd", help="Cap that the pilot keeps to."),
    slip_rate: float = typer.Option(0.25, "--slip-rate", min=0.0, max=1.0),
    store: Path | None = typer.Option(
        None, "--store", help="Store of the job; default $FACTORY_STORE, else OUT/store."
    ),
    seed: int = typer.Option(0, "--seed"),
) -> None:
    """Ask a few problems once, and forecast dollars, tokens, hours and accepted responses of the whole job."""
    from factory.cli.generate import read_concurrency, read_price
    from factory.recipe.generate import GenerateSection
    from factory.steps import estimate as step

    section = GenerateSection(
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
        concurrency=read_concurrency(concurrency),
        price=read_price(price),
        max_usd=max_usd,
        slip_rate=slip_rate,
    )
    found = step.run(
        inputs,
        out,
        section,
        store=store or Path(os.environ.get("FACTORY_STORE") or out / "store"),
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
