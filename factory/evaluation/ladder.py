"""The staircase of a run: what every training stage changed against the one before, question by question."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from factory.evaluation.paired import PairedDelta, paired_delta
from factory.run.layout import STAGES
from factory.run.parts import part_paths

COLUMNS = ("problem_id", "verdict", "status")


@dataclass(frozen=True, slots=True)
class StageDelta:
    """Change of pass@1 on one benchmark from stage `before` to stage `after`."""

    benchmark: str
    before: str
    after: str
    change: PairedDelta


def stage_deltas(
    evaluations: Path, stages: Sequence[str] = ("base", *STAGES), *, seed: int = 0
) -> list[StageDelta]:
    """Paired deltas between neighbouring stages that were evaluated, for every benchmark that both have.

    Args:
        evaluations: folder with one evaluation a stage (`RunLayout.run / "eval"`).
        stages: names in order; a stage without an evaluation is passed over.
        seed: of the bootstrap.
    """
    deltas = []
    present = [stage for stage in stages if (evaluations / stage / "summary.json").exists()]
    for before, after in itertools.pairwise(present):
        for name in benchmark_folders(evaluations / before):
            old, new = evaluations / before / name, evaluations / after / name
            if part_paths(new):
                change = paired_delta(graded_columns(old), graded_columns(new), seed=seed)
                deltas.append(StageDelta(name, before, after, change))
    return deltas


def benchmark_folders(evaluation: Path) -> list[str]:
    """Benchmarks with graded responses in one evaluation's folder."""
    return sorted(path.name for path in evaluation.iterdir() if path.is_dir() and part_paths(path))


def graded_columns(folder: Path) -> pl.DataFrame:
    """The columns of graded responses that a paired comparison needs; traces stay on disk."""
    return pl.scan_parquet(part_paths(folder)).select(COLUMNS).collect()
