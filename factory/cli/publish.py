"""`factory publish REPO --run RUN`: the release of a run, checked, then sent to the Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer


def command(
    repo: str = typer.Argument(..., help="Repository on the Hub: OWNER/NAME."),
    run: Path = typer.Option(..., "--run", help="Folder of the run."),
    private: bool = typer.Option(False, "--private", help="Create the repository private."),
    revision: str = typer.Option(None, help="Name (tag) of this version; a digest of the data by default."),
    vouch: list[str] = typer.Option([], help="Source that you may publish whatever licence it states."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Build, check and compare; send nothing."),
) -> None:
    """Publish a run's training sets; refuses what must not leave the house."""
    from factory.publishing.gate import check_files, check_run
    from factory.publishing.hub import compare, open_hub, publish, version_tag
    from factory.publishing.release import build_release

    api = open_hub()
    check_run(run)
    release = build_release(run, repo=repo)
    looked = check_files(release.paths, vouched=vouch)
    typer.echo(
        f"{release.folder}: {len(release.files)} files; {looked['texts']:,} questions checked against "
        f"{looked['benchmark_problems']:,} benchmark problems"
    )
    if dry_run:
        before, there = _asked(api, repo)
        _print(compare(release.files, before.files))
        typer.echo(f"{there}; version {revision or version_tag(release)}; nothing was sent")
        return
    note = f"Published on the publisher's word: {', '.join(sorted(vouch))}" if vouch else ""
    done = publish(api, repo, release, private=private, tag=revision, note=note)
    what = f"{done.sent} files, {done.bytes / 2**20:,.1f} MB sent" if done.sent else "nothing had changed"
    typer.echo(f"{repo}: {what}; version {done.tag}, commit {done.commit[:12]}")


def _asked(api: Any, repo: str) -> tuple[Any, str]:
    """The repository as it is and a word on it; an empty one when the Hub cannot be asked."""
    from factory.errors import FactoryError
    from factory.publishing.hub import Repository, read_repository

    try:
        before = read_repository(api, repo)
    except FactoryError as error:
        return Repository(None, {}, {}), f"not compared with {repo} ({error})"
    return before, f"{repo} exists" if before.head else f"{repo} does not exist yet"


def _print(changes: list) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="what would change", title_justify="left")
    table.add_column("", style="bold")
    table.add_column("file")
    table.add_column("bytes", justify="right")
    for change in changes:
        table.add_row(change.action.value, change.path, f"{change.bytes:,}")
    Console().print(table)
