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
        0,
        "--review",
        min=0,
        help="Walk so many of the most doubtful hits: keep, drop or skip each. Printed where nobody can answer.",
    ),
    decisions: Path | None = typer.Option(
        None,
        "--decisions",
        help="File of decisions on single hits; OUT/decisions.jsonl by default. Honoured by the next run.",
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
    drop_variants: bool = typer.Option(
        False, "--drop-variants", help="Also drop problems that are much like a benchmark problem."
    ),
    embedding: Path | None = typer.Option(
        None,
        "--embedding",
        help="Folder of a sentence-embedding model: look for paraphrases and translations as well. "
        "Needs --against FILE: indexes hold no text.",
    ),
    threshold: float = typer.Option(0.85, "--threshold", help="Cosine from which a problem is a candidate."),
    judge: str | None = typer.Option(
        None, "--judge", help="Preset of a model that decides on the candidates; else they are reported."
    ),
    judge_model: str | None = typer.Option(None, "--judge-model", help="Model id of the judge."),
    judge_base_url: str | None = typer.Option(None, "--judge-base-url", help="Endpoint of the judge."),
    judge_max_usd: float | None = typer.Option(None, "--judge-max-usd", help="Budget of the judge."),
    engine: EngineName = typer.Option(
        EngineName.LOCAL, help="Where the work runs: this machine, or a Ray cluster (RAY_ADDRESS)."
    ),
) -> None:
    """Drop the rows that hold a benchmark problem, each with benchmark, tier, score and matched span."""
    from pydantic import ValidationError

    from factory.cli.asking import read_judge
    from factory.cli.review_hits import review_hits
    from factory.config.decontamination import DecontaminationSection, EmbeddingSection
    from factory.errors import UsageError
    from factory.steps import decontaminate

    decisions = decisions or out / "decisions.jsonl"
    try:
        near = None
        if embedding:
            near = EmbeddingSection(
                model=str(embedding),
                threshold=threshold,
                judge=read_judge(judge, model=judge_model, base_url=judge_base_url, max_usd=judge_max_usd),
            )
        section = DecontaminationSection(
            against=against,
            coverage=coverage,
            drop_templates=drop_templates,
            drop_variants=drop_variants,
            decisions=str(decisions),
            embedding=near,
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"--{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    if judge and not embedding:
        raise UsageError("--judge decides on what --embedding finds", do="add --embedding FOLDER")
    with open_engine(engine) as opened:
        manifest, fresh = decontaminate.run_files(inputs, out, section, fields=fields, engine=opened)
    if not fresh:
        typer.echo(f"{out} is up to date, nothing to do")
    _report(manifest, out)
    if review:
        review_hits(decontaminate.borderline_hits(out, section), review, decisions)
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
