"""`factory generate`: long chains of thought from a teacher."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from factory.cli import asking
from factory.engines.engine import EngineName, open_engine
from factory.sampling.defaults import DEFAULT_PROMPT


def command(
    inputs: asking.Inputs,
    out: Path = typer.Option(..., "--out", help="Folder for the responses."),
    teacher: asking.Teacher = "deepseek-r1",
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
    rpm: int | None = typer.Option(None, "--rpm", min=1, help="Requests a minute."),
    input_tpm: int | None = typer.Option(None, "--input-tpm", min=1, help="Prompt tokens a minute."),
    output_tpm: int | None = typer.Option(None, "--output-tpm", min=1, help="Completion tokens a minute."),
    max_usd: asking.MaxUsd = None,
    max_tokens_total: int | None = typer.Option(
        None, "--max-tokens-total", help="Cap on completion tokens bought for this output folder."
    ),
    price: asking.Price = None,
    accept: int | None = typer.Option(None, "--accept", min=1, help="Stop at N verified-correct responses."),
    max_candidates: int | None = typer.Option(
        None, "--max-candidates", min=1, help="With --accept: never ask for more responses than this."
    ),
    batch: bool = typer.Option(
        False, "--batch", help="Use the provider's Batch API: half price, up to a day."
    ),
    serve: str | None = typer.Option(
        None, "--serve", metavar="MODEL", help="Start a vLLM or SGLang server for MODEL, stop it at the end."
    ),
    truncation: str = typer.Option(
        "keep", "--truncation", help="Cut answers: keep, continue, or ask anew with a larger budget."
    ),
    slip_rate: asking.SlipRate = 0.25,
    store: asking.Store = None,
    seed: asking.Seed = 0,
    workers: int | None = typer.Option(
        None,
        "--workers",
        min=1,
        help="Processes that ask at the same time, on one budget and one rate limit; one a node.",
    ),
    engine: EngineName = typer.Option(
        EngineName.LOCAL, help="Where the workers run: this machine, or a Ray cluster (RAY_ADDRESS)."
    ),
    dry_run: bool = typer.Option(False, "--dry-run", help="Show what would be asked and spent; ask nothing."),
) -> None:
    """Have a teacher answer problems; run it again and it buys only what is missing."""
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
        rpm=rpm,
        input_tpm=input_tpm,
        output_tpm=output_tpm,
        price=price,
        max_usd=max_usd,
        max_tokens_total=max_tokens_total,
        accept=accept,
        max_candidates=max_candidates,
        batch=batch,
        serve=serve,
        truncation=truncation,
        slip_rate=slip_rate,
    )
    folder = asking.store_folder(store, out)
    reading: dict[str, Any] = {"problem_field": problem_field, "answer_field": answer_field, "limit": limit}
    if dry_run:
        _dry_run(inputs, section, reading, seed, folder)
        return
    from factory.steps.generate import run_files

    with open_engine(engine, workers) as opened:
        manifest, fresh = run_files(
            inputs, out, section, store=folder, seed=seed, engine=opened, workers=workers, **reading
        )
    if not fresh:
        typer.echo(f"{out} is finished and nothing has changed")
    _show(manifest, out, folder)


def _dry_run(inputs: list[str], section: Any, reading: dict[str, Any], seed: int, store: Path) -> None:
    from factory.steps.generate_preview import preview

    seen = preview(inputs, section, store=store, seed=seed, **reading)
    typer.echo(f"{seen.problems:,} problems x {section.samples} samples = {seen.requests:,} responses")
    typer.echo(f"already in the store: {seen.stored:,}; to be bought: {seen.requests - seen.stored:,}")
    if seen.worst_usd is not None:
        typer.echo(f"at the very most ${seen.worst_usd:,.2f} (every answer as long as --max-tokens)")
    typer.echo("first request, as it would be sent:")
    typer.echo(seen.first)


def _show(manifest: dict[str, Any], out: Path, store: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    totals = manifest["totals"]
    table = Table(title=f"responses in {out}", title_justify="left")
    table.add_column("status")
    table.add_column("responses", justify="right")
    table.add_column("share", justify="right")
    total = sum(totals["statuses"].values()) or 1
    for name, count in sorted(totals["statuses"].items(), key=lambda item: -item[1]):
        table.add_row(name, f"{count:,}", f"{count / total:.1%}")
    for reason, count in manifest["dropped"].items():
        if reason != "failed":
            table.add_row(f"input dropped: {reason}", f"{count:,}", "")
    console = Console()
    console.print(table)
    usd = f", ${totals['usd']:,.4f}" if totals["usd"] else ""
    console.print(
        f"{totals['model']} ({totals['teacher']}): {totals['prompt_tokens']:,} prompt and "
        f"{totals['completion_tokens']:,} completion tokens{usd}; store {store}",
        soft_wrap=True,
    )
    if "accepted" in totals:
        console.print(f"{totals['accepted']:,} verified correct of {totals['candidates']:,} asked for")
    if saved := totals.get("loop_tokens_saved"):
        console.print(f"loops were cut short with {saved:,} tokens of their budgets left", soft_wrap=True)
    for alarm in totals["alarms"]:
        console.print(f"alarm: {alarm}", style="bold", soft_wrap=True, markup=False)
    estimate = out / "_estimate.json"
    if estimate.exists():
        from factory.atomic import read_json
        from factory.sampling.estimate import compare

        for line in compare(read_json(estimate), totals):
            console.print(f"estimate of {line}", soft_wrap=True)
    if failed := manifest["dropped"].get("failed"):
        console.print(
            f"{failed:,} requests failed (see {out}/dropped); run it again to try them again", soft_wrap=True
        )
