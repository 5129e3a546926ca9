"""`factory dedup`: one row of every cluster of duplicates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from factory.engines.engine import EngineName, open_engine


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
    backend: str = typer.Option(
        "fast", "--backend", help="What proposes pairs: fast, or datasketch as a slow reference."
    ),
    numbers_differ: bool = typer.Option(
        True,
        "--numbers-differ/--numbers-may-differ",
        help="Whether texts with other numbers, or words and marks that turn the meaning round, are other problems.",
    ),
    across_problems: bool = typer.Option(
        False, "--across-problems", help="Compare responses to different problems too."
    ),
    against: list[str] = typer.Option(
        [], "--against", help="Data already published; its duplicates are dropped."
    ),
    show: int = typer.Option(
        0, "--show", min=0, help="Print so many of the least similar merged pairs, side by side."
    ),
    rethreshold: bool = typer.Option(
        False,
        "--rethreshold",
        help="Cluster the finished run in --out again with another --threshold, from its stored pairs.",
    ),
    sources: list[str] = typer.Option([], "--prefer-source", help="Sources to keep first, in order."),
    engine: EngineName = typer.Option(
        EngineName.LOCAL, help="Where the work runs: this machine, or a Ray cluster (RAY_ADDRESS)."
    ),
) -> None:
    """Drop exact and near-duplicates; every merged pair is verified by its exact Jaccard similarity."""
    from pydantic import ValidationError

    from factory.config.deduplication import DeduplicationSection
    from factory.engines.threads import threads_unless_ray
    from factory.errors import UsageError
    from factory.steps import deduplicate

    try:
        section = DeduplicationSection(
            threshold=threshold,
            ngram=ngram,
            backend=backend,  # type: ignore[arg-type]  # pydantic checks it
            numbers_differ=numbers_differ,
            across_problems=across_problems,
            against=against,
            sources=sources,
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"--{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    with open_engine(engine) as opened:
        where = threads_unless_ray(opened)
        if rethreshold:
            manifest = deduplicate.rethreshold(inputs, out, section, field=field, engine=where)
            fresh = True
        else:
            manifest, fresh = deduplicate.run_files(inputs, out, section, field=field, engine=where)
    if not fresh:
        typer.echo(f"{out} is up to date, nothing to do")
    _report(manifest, out)
    if show:
        _show(out, field, show)


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
    found = f"{audit.get('audit_found', 0):,} of {audit.get('audit_pairs', 0):,} pairs"
    table.add_row(
        "self-audit by brute force",
        f"recall {recall:.3f} ({found})" if recall is not None else "no pair in the sample",
    )
    Console().print(table)


def _show(out: Path, field: str, count: int) -> None:
    """The least similar pairs of a dropped row and its survivor."""
    import json

    import polars as pl
    from rich.console import Console
    from rich.table import Table

    from factory.deduplication.deduplicate import text_of
    from factory.run.parts import part_paths, scan_parts

    if not part_paths(out / "dropped"):
        return
    proof = pl.col("evidence").str.json_decode(
        pl.Struct({"cluster_id": pl.String, "survivor": pl.String, "similarity": pl.Float64})
    )
    near = scan_parts(out / "dropped").filter(pl.col("reason") == "near_duplicate")
    found = near.select("row_id", "row", proof.alias("proof")).unnest("proof")
    pairs = found.sort("similarity", "row_id").head(count).collect(engine="streaming")
    kept = scan_parts(out).filter(pl.col("cluster_id").is_in(pairs["cluster_id"].implode()))
    survivors = kept.collect(engine="streaming")
    texts = dict(zip(survivors["cluster_id"], text_of(survivors, field), strict=True))
    table = Table("similarity", "dropped", "kept", title="least similar merged pairs", title_justify="left")
    for pair in pairs.iter_rows(named=True):
        text = text_of(pl.DataFrame([json.loads(pair["row"])], strict=False), field)[0]
        other = texts.get(pair["cluster_id"], "(in a file given with --against)")
        table.add_row(
            f"{pair['similarity']:.3f}",
            _plain(f"{pair['row_id']}: {text}"),
            _plain(f"{pair['survivor']}: {other}"),
        )
    Console().print(table)


def _plain(text: str) -> Any:
    """Text of a data set is shown as it is: no markup, no control characters."""
    from rich.text import Text

    return Text("".join(c if c.isprintable() or c == "\n" else " " for c in text[:600]))
