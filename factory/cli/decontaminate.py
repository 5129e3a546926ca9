"""`factory decontaminate`: benchmark problems out of training data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from factory.engines.engine import EngineName, open_engine


def command(
    inputs: list[str] = typer.Argument(..., metavar="IN...", help="Files, folders or globs."),
    out: Path = typer.Option(..., "--out", help="Folder to write."),
    against: list[str] = typer.Option(
        ..., "--against", help="Benchmark name, `paper`, `all`, index, or data file; repeat for more."
    ),
    fields: list[str] = typer.Option(["problem"], "--field", help="Column to look in; repeat for more."),
    coverage: float = typer.Option(
        0.45, "--coverage", help="Share of a longer problem's n-grams that makes a hit."
    ),
    review: int = typer.Option(
        0, "--review", help="Print so many of the most doubtful hits, with their spans."
    ),
    compare: Path | None = typer.Option(
        None,
        "--compare",
        help="Folder of a run of the same files with other settings: print which rows are decided differently.",
    ),
    drop_templates: bool = typer.Option(
        False,
        "--drop-templates",
        help="Also drop problems that differ from a benchmark problem in numbers only.",
    ),
    engine: EngineName = typer.Option(
        EngineName.LOCAL, help="Where the work runs: this machine, or a Ray cluster (RAY_ADDRESS)."
    ),
) -> None:
    """Drop the rows that hold a benchmark problem, each with benchmark, tier, score and matched span."""
    from pydantic import ValidationError

    from factory.errors import UsageError
    from factory.recipe.decontamination import DecontaminationSection
    from factory.steps import decontaminate

    try:
        section = DecontaminationSection(against=against, coverage=coverage, drop_templates=drop_templates)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"--{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    with open_engine(engine) as opened:
        manifest, fresh = decontaminate.run_files(inputs, out, section, fields=fields, engine=opened)
    if not fresh:
        typer.echo(f"{out} is up to date, nothing to do")
    _report(manifest, out)
    if review:
        _review(out, review)
    if compare is not None:
        _compare(decontaminate.differences(out, compare))


def _report(manifest: dict[str, Any], out: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    certificate = manifest["totals"]["certificate"]
    table = Table(title=f"rows of {out} by benchmark and tier", title_justify="left")
    table.add_column("benchmark")
    tiers = sorted({tier for found in certificate["rows_found"].values() for tier in found})
    for tier in tiers:
        table.add_column(tier, justify="right")
    for name, found in certificate["rows_found"].items():
        table.add_row(name, *(f"{found[tier]:,}" if tier in found else "-" for tier in tiers))
    console = Console()
    if certificate["rows_found"]:
        console.print(table)
    console.print(
        f"{manifest['rows_in']:,} rows against {len(certificate['benchmarks'])} benchmarks: "
        f"{manifest['rows_out']:,} kept, {manifest['rows_dropped']:,} dropped"
    )


def _review(out: Path, count: int) -> None:
    """The hits with the lowest scores: those that another threshold would decide differently."""
    import polars as pl
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from factory.steps.decontaminate import HITS

    hits = pl.read_parquet(out / HITS).sort("score", "row").head(count)
    table = Table(
        "score", "tier", "benchmark", "row", "matched span", title="most doubtful hits", title_justify="left"
    )
    for hit in hits.iter_rows(named=True):
        span = "".join(c if c.isprintable() else " " for c in hit["span"])
        name = f"{hit['benchmark']} {hit['benchmark_id']}"
        table.add_row(f"{hit['score']:.3f}", hit["tier"], name, str(hit["row"] + 1), Text(span))
    Console().print(table)


def _compare(differences: Any) -> None:
    """Which rows this run and another drop, and why."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    only = {side: differences.filter(differences["dropped_by"] == side).height for side in ("this", "other")}
    console = Console()
    console.print(
        f"dropped here only: {only['this']:,} rows; dropped by the other run only: {only['other']:,}"
    )
    if differences.is_empty():
        return
    table = Table("row", "dropped by", "tier", "score", "benchmark", "matched span")
    for hit in differences.head(50).iter_rows(named=True):
        span = "".join(c if c.isprintable() else " " for c in hit["span"])
        name = f"{hit['benchmark']} {hit['benchmark_id']}"
        table.add_row(
            str(hit["row"] + 1), hit["dropped_by"], hit["tier"], f"{hit['score']:.3f}", name, Text(span)
        )
    console.print(table)
