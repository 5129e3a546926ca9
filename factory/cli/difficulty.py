"""`factory difficulty`: how hard problems are for a student."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from factory.engines.engine import EngineName, open_engine
from factory.sampling.defaults import DEFAULT_PROMPT


def command(
    inputs: list[str] = typer.Argument(
        ...,
        metavar="IN...",
        help="Problems: files, folders, globs, hf://datasets/..., procedural:all?count=N.",
    ),
    student: str = typer.Option(
        ..., "--student", help="`student` or `transformers` with --model FOLDER, or any preset."
    ),
    out: Path = typer.Option(..., "--out", help="Folder for the posteriors; rollouts go to OUT/rollouts."),
    model: str | None = typer.Option(None, "--model", help="Checkpoint folder or model id."),
    base_url: str | None = typer.Option(None, "--base-url", help="Endpoint of the student."),
    api_key_env: str | None = typer.Option(None, "--api-key-env", help="Variable that holds the key."),
    min_samples: int = typer.Option(4, "--min-samples", min=1, help="Rollouts every problem gets."),
    max_samples: int = typer.Option(16, "--max-samples", min=1, help="Rollouts no problem exceeds."),
    low: float = typer.Option(0.1, "--low", min=0.0, max=1.0, help="Pass rates below it are too hard."),
    high: float = typer.Option(0.9, "--high", min=0.0, max=1.0, help="Pass rates above it are too easy."),
    confidence: float = typer.Option(
        0.95, "--confidence", help="Stop when one band holds this much posterior probability."
    ),
    temperature: float = typer.Option(1.0, "--temperature", min=0.0),
    top_p: float = typer.Option(1.0, "--top-p", min=0.001, max=1.0),
    max_tokens: int = typer.Option(16_384, "--max-tokens", min=1, help="Completion budget in tokens."),
    batch_size: int = typer.Option(64, "--batch-size", min=1, help="Rollouts generated together."),
    limit: int | None = typer.Option(None, "--limit", min=1, help="At most N problems, drawn by seed."),
    prompt: str = typer.Option(DEFAULT_PROMPT, "--prompt", help="Prompt with {problem} in it."),
    system: str | None = typer.Option(None, "--system", help="System message."),
    problem_field: str = typer.Option("problem", "--problem-field", help="Column with the problem."),
    answer_field: str = typer.Option("answer", "--answer-field", help="Column with the gold answer."),
    store: Path | None = typer.Option(None, "--store", help="Response store; default OUT/store."),
    seed: int = typer.Option(0, "--seed"),
    engine: EngineName = typer.Option(
        EngineName.LOCAL, help="Where the work runs: this machine, or a Ray cluster (a GPU a student)."
    ),
) -> None:
    """Roll a student out on problems until the band of each pass rate is known; rollouts are kept for `pairs`."""
    from pydantic import ValidationError

    from factory.cli.manifest_of import manifest_of
    from factory.config.difficulty import DifficultySection
    from factory.config.problems import ProblemsSection
    from factory.config.verify import VerifySection
    from factory.errors import UsageError
    from factory.sources.paths import refuse_own_input
    from factory.steps import difficulty, problems

    try:
        section = DifficultySection(
            student=student,
            model=model,
            base_url=base_url,
            api_key_env=api_key_env,
            problems=limit,
            min_samples=min_samples,
            max_samples=max_samples,
            low=low,
            high=high,
            confidence=confidence,
            temperature=temperature,
            top_p=top_p,
            max_tokens=max_tokens,
            batch_size=batch_size,
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"--{str(first['loc'][0]).replace('_', '-')}: {first['msg']}") from error
    sources = ProblemsSection(
        sources=inputs, problem_field=problem_field, answer_field=answer_field, held_out=0
    )
    for folder in (out, out / "rollouts"):
        refuse_own_input(folder, inputs)
    before = manifest_of(out)
    problems.run(sources, out / "problems", out / "held_out", seed=seed)
    with open_engine(engine) as opened:
        manifest = difficulty.run(
            out / "problems",
            out,
            out / "rollouts",
            section,
            VerifySection(),
            model=model,
            store=store or out / "store",
            seed=seed,
            prompt=prompt,
            system=system,
            engine=opened,
        )
    if manifest == before:
        typer.echo(f"{out} is up to date, nothing to do")
    _show(manifest, out)


def _show(manifest: dict[str, Any], out: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    totals = manifest["totals"]
    table = Table(title=f"difficulty in {out}", title_justify="left")
    table.add_column("band")
    table.add_column("problems", justify="right")
    for band, count in totals["bands"].items():
        table.add_row(band, f"{count:,}")
    for reason, count in manifest["dropped"].items():
        table.add_row(f"dropped: {reason}", f"{count:,}")
    console = Console()
    console.print(table)
    console.print(
        f"{totals['rollouts']:,} rollouts, {totals['saved']:.0%} fewer than a fixed number a problem; "
        f"{totals['sure']:,} bands are sure, {totals['truncated']:,} rollouts were cut"
    )
