"""`factory benchmarks`: list the benchmark indexes, or build some."""

from __future__ import annotations

from pathlib import Path

import typer


def command(
    words: list[str] = typer.Argument(
        None, metavar="[build PATH...]", help="Nothing lists; `build` and files make indexes."
    ),
    out: Path = typer.Option(None, "--out", help="Folder for the indexes that are built."),
    licences: Path = typer.Option(
        None, "--facts", help="JSON of {benchmark: {licence, revision, source}} to write into the indexes."
    ),
) -> None:
    """List the shipped benchmark indexes, or build indexes of data files: salted hashes, no plain text."""
    from factory.errors import UsageError

    if not words:
        _list()
        return
    if words[0] != "build" or len(words) < 2 or out is None:
        raise UsageError(
            "unknown form", do="factory benchmarks, or: factory benchmarks build PATH... --out FOLDER"
        )
    from factory.decontamination.load import build_indexes

    for benchmark in build_indexes(words[1:], out, licences):
        typer.echo(f"{benchmark.name}: {len(benchmark.ids):,} problems")
    typer.echo(f"indexes in {out}")


def _list() -> None:
    from rich.console import Console
    from rich.table import Table

    from factory.decontamination.index import read_facts
    from factory.decontamination.load import SETS, shipped

    table = Table(title="benchmark indexes", title_justify="left")
    for name in ("name", "rows", "licence", "source"):
        table.add_column(name, justify="right" if name == "rows" else "left")
    for path in shipped().values():
        facts = read_facts(path)
        table.add_row(
            facts["name"], f"{facts['rows']:,}", facts.get("licence", "-"), facts.get("source", "-")
        )
    console = Console()
    console.print(table)
    for name, members in SETS.items():
        console.print(f"{name}: {', '.join(members)}")
