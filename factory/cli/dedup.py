"""`factory dedup`: one row of every cluster of duplicates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer


def command(
    inputs: list[str] = typer.Argument(..., metavar="IN...", help="Files, folders or globs."),
    out: Path = typer.Option(..., "--out", help="Folder to write."),
    field: str = typer.Option(
        "problem", "--field", help="Column to compare by; reasoning compares responses."
    ),
    threshold: float = typer.Option(
        0.8, "--threshold", help="Jaccard similarity from which texts are duplicates."
    ),
    ngram: int = typer.Option(5, "--ngram", help="Words a shingle."),
    numbers_differ: bool = typer.Option(
        True,
        "--numbers-differ/--numbers-may-differ",
        help="Whether texts with other numbers are other problems.",
    ),
    across_problems: bool = typer.Option(
        False, "--across-problems", help="Compare responses to different problems too."
    ),
    against: list[str] = typer.Option(
        [], "--against", help="Data already published; its duplicates are dropped."
    ),
    sources: list[str] = typer.Option([], "--prefer-source", help="Sources to keep first, in order."),
) -> None:
    """Drop exact and near-duplicates; every merged pair is verified by its exact Jaccard similarity."""
    from pydantic import ValidationError

    from factory.errors import UsageError
    from factory.recipe.deduplication import DeduplicationSection
    from factory.steps import deduplicate

    try:
        section = DeduplicationSection(
            threshold=threshold,
            ngram=ngram,
            numbers_differ=numbers_differ,
            across_problems=across_problems,
            against=against,
            sources=sources,
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"--{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    manifest, fresh = deduplicate.run_files(inputs, out, section, field=field)
    if not fresh:
        typer.echo(f"{out} is up to date, nothing to do")
    _report(manifest, out)


def _report(manifest: dict[str, Any], out: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    audit = manifest["totals"]
    table = Table(title=f"unique rows in {out}", title_justify="left", show_header=False)
    table.add_row("rows in", f"{manifest['rows_in']:,}")
    table.add_row("kept", f"{manifest['rows_out']:,}")
    for reason, count in manifest["dropped"].items():
        table.add_row(f"dropped: {reason}", f"{count:,}")
    table.add_row("pairs compared exactly", f"{audit['candidate_pairs']:,}")
    recall = audit["recall"]
    found = f"{audit['audit_found']:,} of {audit['audit_pairs']:,} pairs"
    table.add_row(
        "self-audit by brute force",
        f"recall {recall:.3f} ({found})" if recall is not None else "no pair in the sample",
    )
    Console().print(table)
