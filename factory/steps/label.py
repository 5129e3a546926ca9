"""Label: domain and level of every problem, repetition of every trace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from factory.labels.apply import label_problems, measure_repetition, unlabelled
from factory.progress import watch
from factory.recipe.datasets import DatasetsSection
from factory.store.parts import finished, input_digest, iter_parts, scan_parts
from factory.store.writer import StepWriter, step_key
from schemas import LABELLED

STEP = "label"


def run(verdicts: Path, out: Path, section: DatasetsSection, *, store: Path | None = None) -> dict[str, Any]:
    """Fill in domain and level where the source says nothing and score every trace for repetition; drops nothing.

    Args:
        verdicts: folder of VERDICT parts.
        out: folder of LABELLED parts.
        section: `max_loop_score` is the limit of `repetitive`; `judge` labels instead of the rules when given.
        store: the response store, for the judge's answers; beside `out` by default.

    Returns:
        The manifest; `totals` counts responses by domain, level and label source, and the repetitive ones.
    """
    judge = section.judge
    settings: dict[str, Any] = {"max_loop_score": section.max_loop_score, "rules": RULES_VERSION}
    settings |= {"judge": judge.model_dump(mode="json") if judge else None}
    inputs = {"verdicts": input_digest(verdicts)}
    if done := finished(out, step_key(STEP, settings, inputs)):
        return done
    wanted = ["problem_id", "problem", "domain", "level"]
    problems = scan_parts(verdicts).select(wanted).unique("problem_id", maintain_order=True).collect()
    judged = None
    if judge is not None:
        from factory.labels.judge import judge_problems

        judged = judge_problems(unlabelled(problems), judge, store or out.parent / "store")
    labels = label_problems(problems, judged, judge.preset if judge else "")
    with StepWriter(out, STEP, LABELLED, settings=settings, inputs=inputs) as writer:
        kept = []
        with watch("label", None, "responses") as task:
            for batch in iter_parts(verdicts, rows=2_000):
                rows = batch.drop("domain", "level", "label_source", strict=False).join(
                    labels, on="problem_id", how="left", maintain_order="left"
                )
                rows = measure_repetition(rows, section.max_loop_score)
                writer.keep(rows)
                kept.append(rows.select("domain", "level", "label_source", "repetitive"))
                task.advance(rows.height)
        if not kept:
            writer.keep(LABELLED.empty())
        light = pl.concat(kept) if kept else pl.DataFrame(schema={"domain": pl.String})
        return writer.finish(
            rows_in=light.height,
            totals={
                **_totals(light),
                "usd": float(judged["usd"].sum() or 0.0) if judged is not None else 0.0,
            },
        )


RULES_VERSION = 2
"""Rises when a rule changes, so that finished folders are labelled again."""


def _totals(light: pl.DataFrame) -> dict[str, Any]:
    if light.height == 0:
        return {"domain": {}, "level": {}, "label_source": {}, "balance": [], "repetitive": 0}
    counts = {
        name: dict(light.group_by(name).len().sort(name).iter_rows())
        for name in ("domain", "level", "label_source")
    }
    cells = light.group_by("domain", "level").len("responses").sort("domain", "level")
    return {**counts, "balance": cells.to_dicts(), "repetitive": int(light["repetitive"].sum())}
