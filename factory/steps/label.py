"""Step `label`: domain and level of every problem, repetition of every trace. Drops what a filter of the user's own refuses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from factory.atomic import atomic_path
from factory.config.datasets import DatasetsSection, LabelJudge
from factory.datasets.labels import label_problems, measure_repetition, source_subject, unlabelled
from factory.engines.engine import Engine
from factory.errors import FactoryError
from factory.functions.source import check_unchanged, function_settings
from factory.functions.tries import Tries
from factory.progress.parts import tick
from factory.run.keys import deciding
from factory.run.parts import iter_part, require_parts, scan_parts
from factory.run.step import Step, StepResult
from factory.run.step_writer import StepWriter
from factory.run.tables import dropped_rows
from factory.run.writer import Writer
from factory.steps.own_rows import opened, own_filter, own_labels
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
    own: dict[str, dict[str, Any]] | None = None
    """Rows that functions of the user's own were given, at how many of them they failed, and how the first time."""


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
        section: `max_loop_score` is the limit of `repetitive`; `judge` labels instead of the rules when given; `label` and
            `filter` are functions of the user's own.
        store: the response store, for the judge's answers; beside `out` by default.
        engine: where the parts are labelled; the judge is asked from this process.

    Raises:
        UsageError: `verdicts` holds no parts, or a function of the user's own cannot be used.
        FactoryError: such a function failed at every row, or keeps none.
    """
    source = open_source(verdicts, out)
    settings: dict[str, Any] = {"max_loop_score": section.max_loop_score, "rules": RULES_VERSION}
    settings |= {"judge": deciding(section.judge) or None}
    settings |= function_settings(label=section.label, filter=section.filter)
    step = Step(STEP, out, Labelled, settings=settings, inputs=source.inputs, schema=LABELLED)

    def make(writer: StepWriter) -> Labelled:
        judge = section.judge
        asked = store or out.parent / "store"
        judged, usd = _judged(verdicts, writer, judge, asked) if judge else (None, 0.0)
        work = partial(_label, section, judged)
        records = writer.map(work, require_parts(verdicts), engine=engine)
        check_unchanged(writer.settings, label=section.label, filter=section.filter)
        notes = [each.notes for each in records]
        own = {name: Tries.sum(each["own"][name] for each in notes) for name in _functions(section)}
        for tries in own.values():
            tries.check()
        found = _summary(notes, usd)
        if "filter" in own and own["filter"].rows and not sum(found.domain.values()):
            raise FactoryError(
                f"{section.filter} keeps none of {own['filter'].rows:,} responses",
                do="look at what it returns",
            )
        return replace(found, own={n: each.as_json() for n, each in own.items()}) if own else found

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


def _functions(section: DatasetsSection) -> list[str]:
    """Which functions of the user's own there are."""
    return [name for name in ("label", "filter") if getattr(section, name)]


def _label(section: DatasetsSection, judged: Path | None, path: Path, part: Writer) -> dict[str, Any]:
    """One part; a problem's labels depend on the problem alone, so it gets the same in every part."""
    said = pl.read_parquet(judged) if judged else None
    judge = section.judge.preset if section.judge else ""
    labelled, filtered = Tries(), Tries()
    light = [pl.DataFrame(schema={**dict.fromkeys(LABELS, pl.String), "repetitive": pl.Boolean})]
    with opened(section.label) as label, opened(section.filter) as keep:
        for batch in iter_part(path, BATCH_ROWS):
            each = batch.unique("problem_id", keep="first", maintain_order=True)
            own = own_labels(each, label, labelled)
            wanted = ("problem_id", "problem", "domain", "level", "answer_kind", source_subject())
            labels = label_problems(each.select(*wanted), said, judge, own)
            rows = batch.drop("domain", "level", "label_source", strict=False).join(
                labels, on="problem_id", how="left", maintain_order="left"
            )
            rows = measure_repetition(rows, section.max_loop_score)
            why = own_filter(rows, keep, filtered)
            gone = why["reason"].is_not_null()
            lost = why.filter(gone)
            part.drop(
                dropped_rows(
                    rows.filter(gone),
                    step=STEP,
                    reason=pl.lit(lost["reason"]),
                    detail=pl.lit(lost["detail"]),
                    id_column="response_id",
                )
            )
            rows = rows.filter(~gone)
            part.keep(rows)
            tick(batch.height)
            light.append(rows.select(*LABELS, "repetitive"))
    rows = pl.concat(light)
    cells = rows.group_by(LABELS).agg(responses=pl.len(), repetitive=pl.col("repetitive").sum())
    tries = {"label": labelled.as_json(), "filter": filtered.as_json()}
    return {"cells": cells.sort(LABELS).to_dicts(), "own": tries}


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
