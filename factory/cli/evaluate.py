"""`factory eval`: pass@1 with intervals, on any benchmark, through any sampler."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer


def command(
    model: str = typer.Argument(..., metavar="MODEL", help="Checkpoint folder, or a sampler preset."),
    benchmark: list[str] = typer.Option(
        ...,
        "--benchmark",
        help="File, folder, aime24, math500, procedural:..., reasoning_gym:... or hf://...; repeatable.",
    ),
    out: Path = typer.Option(..., "--out", help="Folder for graded responses and summary.json."),
    protocol: str = typer.Option("paper", "--protocol", help="Sampling preset: paper (K=3) or paper-64."),
    samples: int | None = typer.Option(None, "--samples", min=1, help="Samples a question."),
    temperature: float | None = typer.Option(None, "--temperature", min=0, help="Sampling temperature."),
    top_p: float | None = typer.Option(None, "--top-p", min=0, max=1, help="Nucleus mass."),
    max_tokens: int | None = typer.Option(None, "--max-tokens", min=1, help="Completion budget."),
    limit: int | None = typer.Option(
        None, "--limit", min=1, help="At most this many questions, drawn by seed."
    ),
    batch_size: int = typer.Option(64, "--batch-size", min=1, help="Questions generated together locally."),
    base_url: str | None = typer.Option(None, "--base-url", help="Endpoint, for a preset."),
    model_id: str | None = typer.Option(None, "--model", help="Model at that endpoint."),
    api_key_env: str | None = typer.Option(None, "--api-key-env", help="Environment variable with the key."),
    prompt: str | None = typer.Option(None, "--prompt", help="Prompt with {problem} in it."),
    system: str | None = typer.Option(None, "--system", help="System message."),
    store: Path | None = typer.Option(None, "--store", help="Response store; OUT/store by default."),
    seed: int = typer.Option(0, "--seed", help="Seed of samples and drawn questions."),
    workers: int | None = typer.Option(None, "--workers", min=1, help="Checker processes."),
    against: Path | None = typer.Option(
        None, "--against", help="An earlier --out folder: print paired deltas with 95% intervals."
    ),
) -> None:
    """Evaluate a model: pass@1 with question-clustered intervals, pass@k, majority@k, truncation, length."""
    from factory.config.evaluation import EvaluationSection
    from factory.config.verify import VerifySection
    from factory.errors import UsageError
    from factory.evaluation import PROTOCOLS
    from factory.evaluation.evaluate import PROMPT
    from factory.steps import evaluate

    if protocol not in PROTOCOLS:
        raise UsageError(f"no protocol {protocol}", do=f"known: {', '.join(PROTOCOLS)}")
    preset = PROTOCOLS[protocol]
    section = EvaluationSection(
        benchmarks=benchmark,
        samples=samples or preset.samples,
        temperature=preset.temperature if temperature is None else temperature,
        top_p=top_p or preset.top_p,
        max_tokens=max_tokens or preset.max_tokens,
        limit=limit,
        batch_size=batch_size,
    )
    summary = evaluate.run(
        model,
        out,
        section,
        VerifySection(workers=workers),
        held_out=None,
        store=store or out / "store",
        seed=seed,
        stage="eval",
        prompt=prompt or PROMPT,
        system=system,
        base_url=base_url,
        model_id=model_id,
        api_key_env=api_key_env,
    )
    _show(summary, out)
    if against is not None:
        _show_deltas(out, against, list(summary["benchmarks"]), seed)


def _show(summary: dict[str, Any], out: Path) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"evaluation in {out}", title_justify="left", box=box.SIMPLE, padding=(0, 1))
    table.add_column("benchmark", overflow="fold")
    for name in ("asked", "pass@1", "95%", "pass@k", "majority", "cut", "tokens"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, row in summary["benchmarks"].items():
        scored = row["pass_at_1"] is not None
        table.add_row(
            name,
            f"{row['questions']:,}",
            f"{row['pass_at_1']:.1%}" if scored else "-",
            f"{row['low']:.1%}-{row['high']:.1%}" if scored else "-",
            _last(row["pass_at_k"]),
            _last(row["majority_at_k"]),
            f"{row['truncated_share']:.1%}",
            f"{row['tokens_mean']:,.0f}" if row["tokens_mean"] is not None else "-",
        )
    console = Console()
    # Text that goes to a file or pipe has no width; a table cut to 80 columns would break the names.
    wide = console if console.is_terminal else Console(width=max(console.width, 120))
    wide.print(table)
    for name, row in summary["benchmarks"].items():
        if row["unscored"]:
            typer.echo(
                f"{name}: {row['unscored']:,} of {row['samples']:,} responses could not be scored and do not count"
            )
    if not summary["made"]:
        typer.echo(f"{out} is up to date, nothing to do")


def _last(shares: dict[str, float]) -> str:
    if not shares:
        return "-"
    k = max(shares, key=int)
    return f"@{k} {shares[k]:.1%}"


def _show_deltas(out: Path, against: Path, names: list[str], seed: int) -> None:
    from factory.evaluation import paired_delta
    from factory.evaluation.ladder import graded_columns

    for name in names:
        if not (against / name).is_dir():
            typer.echo(f"{name}: {against} has no evaluation of it")
            continue
        delta = paired_delta(graded_columns(against / name), graded_columns(out / name), seed=seed)
        typer.echo(
            f"{name}: {delta.delta:+.1%} ({delta.low:+.1%} to {delta.high:+.1%}) on {delta.questions} questions, "
            f"{delta.better} better, {delta.worse} worse"
            + (f"; {delta.dropped} scored on one side only and left out" if delta.dropped else "")
        )
