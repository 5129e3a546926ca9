"""`factory generate`: long chains of thought from a teacher."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

import typer

from factory.sampling.defaults import DEFAULT_PROMPT


def command(
    inputs: list[str] = typer.Argument(
        ...,
        metavar="IN...",
        help="Problems: files, folders, globs, hf://datasets/..., procedural:all?count=N.",
    ),
    teacher: str = typer.Option("deepseek-r1", "--teacher", help="Preset; `factory teachers` lists them."),
    out: Path = typer.Option(..., "--out", help="Folder for the responses."),
    samples: int = typer.Option(8, "--samples", min=1, help="Responses a problem."),
    temperature: float = typer.Option(0.6, "--temperature", min=0.0),
    top_p: float = typer.Option(0.95, "--top-p", min=0.001, max=1.0),
    max_tokens: int = typer.Option(32_768, "--max-tokens", min=1, help="Completion budget in tokens."),
    prompt: str = typer.Option(DEFAULT_PROMPT, "--prompt", help="Prompt with {problem} in it."),
    system: str | None = typer.Option(None, "--system", help="System message."),
    problem_field: str = typer.Option("problem", "--problem-field", help="Column with the problem."),
    answer_field: str = typer.Option("answer", "--answer-field", help="Column with the gold answer."),
    limit: int | None = typer.Option(None, "--limit", min=1, help="Only the first N problems."),
    base_url: str | None = typer.Option(
        None, "--base-url", help="Endpoint(s), separated by commas; URL=2 gives a double share."
    ),
    model: str | None = typer.Option(None, "--model", help="Model id or checkpoint folder."),
    api_key_env: str | None = typer.Option(None, "--api-key-env", help="Variable that holds the key."),
    concurrency: str = typer.Option("auto", "--concurrency", help="Requests in flight: a number, or auto."),
    rpm: int | None = typer.Option(None, "--rpm", min=1, help="Requests a minute."),
    input_tpm: int | None = typer.Option(None, "--input-tpm", min=1, help="Prompt tokens a minute."),
    output_tpm: int | None = typer.Option(None, "--output-tpm", min=1, help="Completion tokens a minute."),
    max_usd: float | None = typer.Option(
        None, "--max-usd", help="Cap on what this output folder may cost, in dollars."
    ),
    max_tokens_total: int | None = typer.Option(
        None, "--max-tokens-total", help="Cap on completion tokens bought for this output folder."
    ),
    price: str | None = typer.Option(
        None, "--price", metavar="IN,OUT", help="Dollars per million tokens, when not the preset's."
    ),
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
    slip_rate: float = typer.Option(0.25, "--slip-rate", min=0.0, max=1.0, help="Procedural teacher only."),
    store: Path | None = typer.Option(
        None, "--store", help="Response store; default $FACTORY_STORE, else OUT/store."
    ),
    seed: int = typer.Option(0, "--seed", help="Seed of samplers that can be seeded."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Show what would be asked and spent; ask nothing."),
) -> None:
    """Have a teacher answer problems; run it again and it buys only what is missing."""
    from pydantic import ValidationError

    from factory.errors import UsageError
    from factory.recipe.generate import GenerateSection

    try:
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
            rpm=rpm,
            input_tpm=input_tpm,
            output_tpm=output_tpm,
            price=read_price(price),
            max_usd=max_usd,
            max_tokens_total=max_tokens_total,
            accept=accept,
            max_candidates=max_candidates,
            batch=batch,
            serve=serve,
            truncation=truncation,  # type: ignore[arg-type]
            slip_rate=slip_rate,
        )
    except ValidationError as error:
        first = error.errors()[0]
        flag = "--" + str(first["loc"][0]).replace("_", "-")
        raise UsageError(f"{flag}: {first['msg']}") from None
    folder = store or Path(os.environ.get("FACTORY_STORE") or out / "store")
    reading: dict[str, Any] = {"problem_field": problem_field, "answer_field": answer_field, "limit": limit}
    if dry_run:
        _dry_run(inputs, section, reading, seed, folder)
        return
    from factory.steps.generate import run_files

    manifest, fresh = run_files(inputs, out, section, store=folder, seed=seed, **reading)
    if not fresh:
        typer.echo(f"{out} is finished and nothing has changed")
    _show(manifest, out, folder)


def read_concurrency(text: str) -> int | Literal["auto"]:
    """A number of requests in flight, or auto."""
    from factory.errors import UsageError

    if text == "auto":
        return "auto"
    if not text.isdigit() or not int(text):
        raise UsageError(f"--concurrency {text}: give a number, or auto")
    return int(text)


def read_price(text: str | None) -> tuple[float, float] | None:
    """`IN,OUT` as two prices."""
    from factory.errors import UsageError

    if text is None:
        return None
    try:
        prompt, completion = (float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--price {text}: give two numbers, IN,OUT") from None
    return prompt, completion


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
        from factory.sampling.estimate import compare
        from factory.store.atomic import read_json

        for line in compare(read_json(estimate), totals):
            console.print(f"estimate of {line}", soft_wrap=True)
    if failed := manifest["dropped"].get("failed"):
        console.print(
            f"{failed:,} requests failed (see {out}/dropped); run it again to try them again", soft_wrap=True
        )
