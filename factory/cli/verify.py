"""`factory verify`: check answers against gold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from factory.engines.engine import EngineName, open_engine


def command(
    inputs: list[str] = typer.Argument(
        ..., metavar="IN...", help="Files, folders or globs with a gold (`answer`, `gold`) and a response."
    ),
    out: Path = typer.Option(..., "--out", help="Folder for the verdicts."),
    workers: int | None = typer.Option(
        None, "--workers", min=1, help="Worker processes; one a core by default."
    ),
    seconds: float = typer.Option(5.0, "--seconds", min=0.1, help="Processor time that one check may take."),
    majority: bool = typer.Option(
        False, "--majority", help="Fill missing golds with the samples' majority answer."
    ),
    judge: str | None = typer.Option(
        None, "--judge", help="Preset of a model that re-examines what is not correct (`factory teachers`)."
    ),
    judge_model: str | None = typer.Option(None, "--judge-model", help="Model id of the judge."),
    judge_base_url: str | None = typer.Option(None, "--judge-base-url", help="Endpoint of the judge."),
    judge_max_usd: float | None = typer.Option(
        None, "--judge-max-usd", min=0, help="Hard budget of the judge."
    ),
    engine: EngineName = typer.Option(
        EngineName.LOCAL, help="Where the work runs: this machine, or a Ray cluster (RAY_ADDRESS)."
    ),
) -> None:
    """Add a verdict to every response: correct, incorrect, unverifiable, no_answer or timeout.

    Input that has verdicts already is verified anew, and what changed is shown.
    """
    from factory.cli.asking import read_judge
    from factory.config.verify import VerifySection
    from factory.steps import verify

    section = VerifySection(
        workers=workers,
        seconds=seconds,
        majority=majority,
        judge=read_judge(judge, model=judge_model, base_url=judge_base_url, max_usd=judge_max_usd),
    )
    with open_engine(engine, workers) as opened:
        manifest, fresh = verify.run_files(inputs, out, section, engine=opened)
    if not fresh:
        typer.echo(f"{out} is up to date, nothing to do")
    _show(manifest, out)


def _show(manifest: dict[str, Any], out: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"verdicts in {out}", title_justify="left")
    table.add_column("verdict")
    table.add_column("responses", justify="right")
    table.add_column("share", justify="right")
    verdicts = manifest["totals"]["verdicts"]
    total = sum(verdicts.values()) or 1
    for name, count in sorted(verdicts.items(), key=lambda item: -item[1]):
        table.add_row(name, f"{count:,}", f"{count / total:.1%}")
    for reason, count in manifest["dropped"].items():
        table.add_row(f"dropped: {reason}", f"{count:,}", "")
    console = Console()
    console.print(table)
    totals = manifest["totals"]
    if totals.get("judge"):
        console.print(f"judge: {_counts(totals['judge'])}; {totals['usd']:.4f} dollars")
    if totals.get("gold_flags"):
        console.print(f"doubtful golds ({out / 'gold_audit.parquet'}): {_counts(totals['gold_flags'])}")
    if totals.get("flips"):
        _show_flips(console, totals["flips"])


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in counts.items())


def _show_flips(console: Any, flips: dict[str, Any]) -> None:
    from rich.markup import escape
    from rich.table import Table

    changed = sum(flips["counts"].values())
    console.print(
        f"against former verdicts: {changed:,} of {flips['compared']:,} changed. {_counts(flips['counts'])}"
    )
    if not flips["examples"]:
        return
    table = Table("id", "was", "now", "gold", "answer", "why")
    for row in flips["examples"]:
        table.add_row(
            *(escape(str(row[name] or "")) for name in ("id", "was", "now", "gold", "answer", "why"))
        )
    console.print(table)
