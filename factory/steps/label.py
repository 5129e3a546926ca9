"""Label: domain and level of every problem, repetition of every trace."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from factory.atomic import atomic_path
from factory.config.datasets import DatasetsSection, LabelJudge
from factory.datasets.labels import label_problems, measure_repetition, source_subject, unlabelled
from factory.engines.engine import Engine
from factory.errors import UsageError
from factory.run.by_part import run_by_part
from factory.run.part_writer import PartWriter
from factory.run.parts import finished, input_digest, iter_part, part_paths, scan_parts
from factory.run.writer import step_key
from schemas import LABELLED

STEP = "label"


def run(
    verdicts: Path,
    out: Path,
    section: DatasetsSection,
    *,
    store: Path | None = None,
    engine: Engine | None = None,
) -> dict[str, Any]:
    """Fill in domain and level where the source says nothing and score every trace for repetition; drops nothing.

    Args:
        verdicts: folder of VERDICT parts.
        out: folder of LABELLED parts.
        section: `max_loop_score` is the limit of `repetitive`; `judge` labels instead of the rules when given.
        store: the response store, for the judge's answers; beside `out` by default.
        engine: where the parts are labelled; the judge is asked from this process.

    Returns:
        The manifest; `totals` counts responses by domain, level and label source, and the repetitive ones.

    Raises:
        UsageError: `verdicts` holds no parts.
    """
    judge = section.judge
    settings: dict[str, Any] = {"max_loop_score": section.max_loop_score, "rules": RULES_VERSION}
    settings |= {"judge": judge.identity() if judge else None}
    inputs = {"verdicts": input_digest(verdicts)}
    if done := finished(out, step_key(STEP, settings, inputs)):
        return done
    if not (parts := part_paths(verdicts)):
        raise UsageError(f"{verdicts} holds no part-*.parquet", do="run the step that writes it first")
    judged, usd = _judged(verdicts, out, judge, store or out.parent / "store") if judge else (None, 0.0)
    return run_by_part(
        parts,
        out,
        STEP,
        partial(_label, section.max_loop_score, judged, judge.preset if judge else ""),
        schema=LABELLED,
        settings=settings,
        inputs=inputs,
        engine=engine,
        close=lambda done: {**_totals([books.notes for books in done.books]), "usd": usd},
    )


def _judged(verdicts: Path, out: Path, judge: LabelJudge, store: Path) -> tuple[Path, float]:
    """What the judge says of the problems that have no labels, as a file, and its price."""
    from factory.datasets.label_judge import judge_problems

    wanted = scan_parts(verdicts).select("problem_id", "problem", "domain", "level")
    problems = wanted.unique("problem_id", maintain_order=True).collect()
    labels = judge_problems(unlabelled(problems), judge, store)
    path = (out / "judged.parquet").resolve()
    with atomic_path(path) as temporary:
        labels.write_parquet(temporary)
    return path, float(labels["usd"].sum() or 0.0)


def _label(
    max_loop_score: float, judged: Path | None, judge: str, path: Path, part: PartWriter
) -> dict[str, Any]:
    """One part; a problem's labels depend on the problem alone, so it gets the same in every part."""
    said = pl.read_parquet(judged) if judged else None
    light = [pl.DataFrame(schema={**dict.fromkeys(LABELS, pl.String), "repetitive": pl.Boolean})]
    for batch in iter_part(path, BATCH_ROWS):
        wanted = ("problem_id", "problem", "domain", "level", "answer_kind", source_subject())
        problems = batch.select(*wanted).unique("problem_id", maintain_order=True)
        labels = label_problems(problems, said, judge)
        rows = batch.drop("domain", "level", "label_source", strict=False).join(
            labels, on="problem_id", how="left", maintain_order="left"
        )
        rows = measure_repetition(rows, max_loop_score)
        part.keep(rows)
        light.append(rows.select(*LABELS, "repetitive"))
    rows = pl.concat(light)
    cells = rows.group_by(LABELS).agg(responses=pl.len(), repetitive=pl.col("repetitive").sum())
    return {"cells": cells.sort(LABELS).to_dicts()}


LABELS = ["domain", "level", "label_source"]
BATCH_ROWS = 2_000
"""Rows whose texts are in memory together."""
RULES_VERSION = 3
"""Rises when a rule changes, so that finished folders are labelled again."""


def _totals(notes: list[dict[str, Any]]) -> dict[str, Any]:
    kinds = {**dict.fromkeys(LABELS, pl.String), "responses": pl.Int64, "repetitive": pl.Int64}
    cells = pl.DataFrame([cell for each in notes for cell in each["cells"]], schema=kinds)
    counts = {
        name: dict(cells.group_by(name).agg(pl.col("responses").sum()).sort(name).iter_rows())
        for name in LABELS
    }
    balance = cells.group_by("domain", "level").agg(pl.col("responses").sum()).sort("domain", "level")
    return {**counts, "balance": balance.to_dicts(), "repetitive": int(cells["repetitive"].sum())}
