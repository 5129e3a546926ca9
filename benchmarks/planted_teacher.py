"""Verdicts and pairs against planted truth: the embedded teacher knows which of its answers are right.

python -m benchmarks.run planted_teacher runs/quickstart runs/code runs/science

Only the teacher's complete responses count; a student's truth is not planted.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.markdown import table
from benchmarks.result import Result

READ = ["problem_id", "response_id", "sample_index", "metadata", "domain", "answer_kind", "status", "verdict"]


def measure(args: list[str]) -> dict[str, Any]:
    """Counts per domain of each run, and its pairs."""
    return {Path(run).name: _measure(Path(run)) for run in args}


def _measure(run: Path) -> dict[str, Any]:
    import polars as pl

    from factory.config.load import load_recipe
    from factory.run.layout import RunLayout
    from factory.run.parts import scan_parts
    from factory.sampling.sampler import SampleRequest, SamplingParams
    from factory.steps.teacher import teacher
    from schemas import AnswerKind

    at, recipe = RunLayout(run), load_recipe(str(run / "recipe.yaml"))
    sampler: Any = teacher(recipe.generate, recipe.seed)
    rows = scan_parts(at.verdicts).select(READ).filter(pl.col("status") == "complete").collect()
    truth = [
        sampler.reaches_answer(
            SampleRequest(row["problem_id"], row["sample_index"], (), SamplingParams(seed=recipe.seed), row)
        )
        for row in rows.iter_rows(named=True)
    ]
    rows = rows.with_columns(
        right=pl.Series(truth, dtype=pl.Boolean),
        said=pl.col("verdict") == "correct",
        domain=pl.when(pl.col("answer_kind") == AnswerKind.MATH)
        .then(pl.lit("mathematics"))
        .otherwise("domain"),
    )
    domains = rows.group_by("domain").agg(
        responses=pl.len(),
        right=pl.col("right").sum(),
        said=pl.col("said").sum(),
        both=(pl.col("right") & pl.col("said")).sum(),
    )
    pairs = scan_parts(at.selected("preference")).select("rejected_response_id").collect()
    known = pairs.join(rows, left_on="rejected_response_id", right_on="response_id")
    return {
        "domains": domains.sort("domain").to_dicts(),
        "pairs": pairs.height,
        "pairs_rejecting_teacher": known.height,
        "right_rejected": int(known["right"].sum()),
    }


def render(result: Result) -> dict[str, str]:
    """The block of docs/domains.md."""
    rows = [
        (
            run,
            each["domain"],
            each["responses"],
            f"{each['both'] / each['right']:.4f}",
            f"{each['both'] / each['said']:.4f}",
        )
        for run, found in result.figures.items()
        for each in found["domains"]
    ]
    pairs = ", ".join(
        f"{run} {found['right_rejected']} of {found['pairs_rejecting_teacher']:,}"
        for run, found in result.figures.items()
    )
    head = ["run", "domain", "complete responses", "recall", "precision"]
    return {
        "planted-teacher": f"{table(head, rows, (2, 3, 4))}\n\nPairs whose rejected side (the teacher's) is in truth right: {pairs}."
    }
