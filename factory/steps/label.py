"""Step `label`: domain and level of every problem, repetition of every trace. Drops nothing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from factory.atomic import atomic_path
from factory.config.datasets import DatasetsSection, LabelJudge
from factory.datasets.labels import label_problems, measure_repetition, source_subject, unlabelled
from factory.engines.engine import Engine
from factory.run.keys import deciding
from factory.run.parts import iter_part, require_parts, scan_parts
from factory.run.step import Step, StepResult, StepWriter
from factory.run.writer import Writer
from factory.steps.source import open_source
from schemas import LABELLED

STEP = "label"
LABELS = ["domain", "level", "label_source"]
BATCH_ROWS = 2_000
"""Rows whose texts are in memory together."""
RULES_VERSION = 4
"""Rises when a rule changes, so that finished folders are labelled again."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """Responses by domain, level, label source and cell of domain and level; repetitive ones; the judge's dollars."""

    domain: dict[str, int]
    level: dict[str, int]
    label_source: dict[str, int]
    balance: list[dict[str, Any]]
    repetitive: int
    usd: float


def run(
    verdicts: Path,
    out: Path,
    section: DatasetsSection,
    *,
    store: Path | None = None,
    engine: Engine | None = None,
) -> StepResult[Labelled]:
    """Fill in domain and level where the source says nothing, and score every trace for repetition.

    Args:
        verdicts: folder of VERDICT parts.
        out: folder of LABELLED parts.
        section: `max_loop_score` is the limit of `repetitive`; `judge` labels instead of the rules when given.
        store: the response store, for the judge's answers; beside `out` by default.
        engine: where the parts are labelled; the judge is asked from this process.

    Raises:
        UsageError: `verdicts` holds no parts.
    """
    source = open_source(verdicts, out)
    settings: dict[str, Any] = {"max_loop_score": section.max_loop_score, "rules": RULES_VERSION}
    settings |= {"judge": deciding(section.judge) or None}
    step = Step(STEP, out, Labelled, settings=settings, inputs=source.inputs, schema=LABELLED)

    def make(writer: StepWriter) -> Labelled:
        judge = section.judge
        asked = store or out.parent / "store"
        judged, usd = _judged(verdicts, writer, judge, asked) if judge else (None, 0.0)
        work = partial(_label, section.max_loop_score, judged, judge.preset if judge else "")
        records = writer.map(work, require_parts(verdicts), engine=engine)
        return _summary([each.notes for each in records], usd)

    return step.run(make)


def _judged(verdicts: Path, writer: StepWriter, judge: LabelJudge, store: Path) -> tuple[Path, float]:
    """What the judge says of the problems that have no labels, as a file, and its price."""
    from factory.datasets.label_judge import judge_problems

    wanted = scan_parts(verdicts).select("problem_id", "problem", "domain", "level")
    problems = wanted.unique("problem_id", maintain_order=True).collect()
    labels = judge_problems(unlabelled(problems), judge, store)
    path = writer.side_file("judged.parquet")
    with atomic_path(path) as temporary:
        labels.write_parquet(temporary)
    return path, float(labels["usd"].sum() or 0.0)


def _label(
    max_loop_score: float, judged: Path | None, judge: str, path: Path, part: Writer
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


def _summary(notes: list[dict[str, Any]], usd: float) -> Labelled:
    kinds = {**dict.fromkeys(LABELS, pl.String), "responses": pl.Int64, "repetitive": pl.Int64}
    cells = pl.DataFrame([cell for each in notes for cell in each["cells"]], schema=kinds)
    domain, level, label_source = (
        dict(
            cells.group_by(pl.col(name).fill_null("(none)"))
            .agg(pl.col("responses").sum())
            .sort(name)
            .iter_rows()
        )
        for name in LABELS
    )
    balance = cells.group_by("domain", "level").agg(pl.col("responses").sum()).sort("domain", "level")
    return Labelled(domain, level, label_source, balance.to_dicts(), int(cells["repetitive"].sum()), usd)
