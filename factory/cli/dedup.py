"""`factory dedup`: keep one row of every cluster of duplicates."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import NonNegativeInt

from factory.cli.flags import Flag, Use
from factory.cli.params import Engine, Inputs, Out
from factory.cli.show import show
from factory.config.deduplication import DeduplicationSection
from factory.engines.engine import EngineName, open_engine

if TYPE_CHECKING:
    from factory.run.step import StepResult
    from factory.steps.deduplicate import Deduplicated

NAMES = {"sources": "prefer-source", "numbers_differ": "numbers-differ/numbers-may-differ"}


def command(
    inputs: Inputs,
    out: Out,
    settings: Annotated[DeduplicationSection, Use(names=NAMES)],
    field: Annotated[str, Flag("Column to compare by; reasoning compares responses.")] = "problem",
    show_pairs: Annotated[
        NonNegativeInt, Flag("Print N of the least similar merged pairs, side by side.", name="show")
    ] = 0,
    rethreshold: Annotated[
        bool,
        Flag("Cluster the finished run in --out again with another --threshold, from its stored pairs."),
    ] = False,
    engine: Engine = EngineName.LOCAL,
) -> None:
    """Drop exact and near-duplicates; every merged pair is verified by its exact Jaccard similarity.

    factory dedup problems.jsonl --out unique
    """
    from factory.cli.ending import say_end
    from factory.engines.local import threads_unless_ray
    from factory.steps import deduplicate

    with open_engine(engine) as opened:
        where = threads_unless_ray(opened)
        if rethreshold:
            result = deduplicate.rethreshold(inputs, out, settings, field=field, engine=where)
        else:
            result = deduplicate.run(inputs, out, settings, field=field, engine=where)
    _report(result, out)
    if show_pairs:
        _show(out, field, show_pairs)
    say_end(result, out)


def _report(result: StepResult[Deduplicated], out: Path) -> None:
    audit, manifest = result.summary, result.manifest
    found = f"{audit.audit_found or 0:,} of {audit.audit_pairs or 0:,} pairs"
    recall = audit.recall
    rows = [("rows in", f"{manifest['rows_in']:,}"), ("kept", f"{manifest['rows_out']:,}")]
    rows += [(f"dropped: {reason}", f"{count:,}") for reason, count in manifest["dropped"].items()]
    rows += [
        ("clusters with contradicting golds", f"{audit.conflicts:,}"),
        ("pairs compared exactly", f"{audit.candidate_pairs:,}"),
        (
            "self-audit by brute force",
            f"recall {recall:.3f} ({found})" if recall is not None else "no pair in the sample",
        ),
    ]
    show(f"unique rows in {out}", ("", ""), rows)


def _show(out: Path, field: str, count: int) -> None:
    """The least similar pairs of a dropped row and its survivor."""
    import json

    import polars as pl

    from factory.deduplication.deduplicate import text_of
    from factory.run.parts import dropped_folder, part_paths, scan_parts

    if not part_paths(dropped_folder(out)):
        return
    proof = pl.col("evidence").str.json_decode(
        pl.Struct({"cluster_id": pl.String, "survivor": pl.String, "similarity": pl.Float64})
    )
    near = scan_parts(dropped_folder(out)).filter(pl.col("reason") == "near_duplicate")
    found = near.select("row_id", "row", proof.alias("proof")).unnest("proof")
    pairs = found.sort("similarity", "row_id").head(count).collect(engine="streaming")
    kept = scan_parts(out).filter(pl.col("cluster_id").is_in(pairs["cluster_id"].implode()))
    survivors = kept.collect(engine="streaming")
    texts = dict(zip(survivors["cluster_id"], text_of(survivors, field), strict=True))
    rows = []
    for pair in pairs.iter_rows(named=True):
        text = text_of(pl.DataFrame([json.loads(pair["row"])], strict=False), field)[0]
        other = texts.get(pair["cluster_id"], "(in a file given with --against)")
        dropped, survivor = f"{pair['row_id']}: {text}", f"{pair['survivor']}: {other}"
        rows.append((f"{pair['similarity']:.3f}", dropped[:600], survivor[:600]))
    show("least similar merged pairs", (">similarity", "dropped", "kept"), rows)
