"""`factory card RUN`: the data card, computed from the run's manifests and tables."""

from __future__ import annotations

from pathlib import Path

import typer


def command(
    run: Path = typer.Argument(..., help="Folder of a run."),
    out: Path = typer.Option(None, help="File to write or check; default RUN/README.md."),
    check: bool = typer.Option(False, "--check", help="Fail when the card and the data disagree."),
    repo: str = typer.Option(None, help="Hub repository for the loading example."),
) -> None:
    """Write a run's data card, or check that an existing one still agrees with the data."""
    from factory.atomic import atomic_path
    from factory.publishing.card import check_card, notes_of, render_card

    path = out or run / "README.md"
    if check:
        check_card(run, path, repo=repo)
        typer.echo(f"{path} agrees with the data in {run}")
        return
    notes = notes_of(path.read_text("utf-8")) if path.is_file() else ""
    text = render_card(run, repo=repo, notes=notes)
    with atomic_path(path) as temporary:
        temporary.write_text(text, "utf-8")
    typer.echo(f"{path}: {len(text.splitlines()):,} lines")
