"""`factory verify`: check answers against gold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer


def command(
    inputs: list[str] = typer.Argument(
        ..., metavar="IN...", help="Files, folders or globs with a gold (`answer`, `gold`) and a response."
    ),
    out: Path = typer.Option(..., "--out", help="Folder for the verdicts."),
    workers: int | None = typer.Option(
        None, "--workers", min=1, help="Worker processes; one a core by default."
    ),
    seconds: float = typer.Option(5.0, "--seconds", min=0.1, help="Wall-clock limit of one check."),
) -> None:
    """Add a verdict to every response: correct, incorrect, unverifiable, no_answer or timeout."""
    from factory.recipe.verify import VerifySection
    from factory.steps import verify

    section = VerifySection(workers=workers, seconds=seconds)
    manifest, fresh = verify.run_files(inputs, out, section)
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
    Console().print(table)
