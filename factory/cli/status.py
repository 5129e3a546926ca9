"""`factory status`: what is in a response store, a step's folder or a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer


def command(
    folder: Path = typer.Argument(..., help="A response store, a step's folder, or a run's folder."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Show steps that are done, and the responses that were bought."""
    import json

    from factory.errors import UsageError
    from factory.steps.status import read_status

    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder", do="name a run, a step's folder or a store")
    found = read_status(folder)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        _show(found, folder)


def _show(found: dict[str, Any], folder: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if found["steps"]:
        table = Table(title=f"steps in {folder}", title_justify="left")
        for name in ("step", "folder", "in", "out", "dropped"):
            table.add_column(name, justify="right" if name in ("in", "out") else "left")
        for row in found["steps"]:
            dropped = ", ".join(f"{n:,} {reason}" for reason, n in row["dropped"].items()) or "-"
            table.add_row(row["step"], row["folder"], f"{row['rows_in']:,}", f"{row['rows_out']:,}", dropped)
        console.print(table)
    for store in found["stores"]:
        table = Table(title=f"responses bought, {store['folder']}", title_justify="left")
        for name in ("sampler", "model", "status", "responses", "completion tokens", "$"):
            table.add_column(name, justify="left" if name in ("sampler", "model", "status") else "right")
        for row in store["responses"]:
            usd = "-" if row["usd"] is None else f"{row['usd']:,.4f}"
            tokens = f"{row['completion_tokens'] or 0:,}"
            table.add_row(row["sampler"], row["model"], row["status"], f"{row['responses']:,}", tokens, usd)
        console.print(table)
        console.print(f"{store['bytes'] / 2**20:,.1f} MiB on disk", soft_wrap=True)
