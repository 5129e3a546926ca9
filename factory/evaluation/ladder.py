"""The staircase of a run: pass@1 after every training stage, and what each changed, question by question."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from factory.evaluation.paired import PairedDelta, paired_delta
from factory.evaluation.summary import corrected
from factory.run.layout import STAGES, RunLayout
from factory.run.parts import part_paths

COLUMNS = ("problem_id", "verdict", "status")


@dataclass(frozen=True, slots=True)
class Score:
    """Pass@1 on one benchmark after one stage, a share with its 95% interval, corrected for guessing.

    `raw` is the share of right answers, `guess_rate` what guessing alone would reach. Other figures may be absent.
    """

    stage: str
    benchmark: str
    value: float
    low: float
    high: float
    questions: int | None
    samples: int | None
    truncated_share: float | None
    raw: float
    guess_rate: float

    @property
    def beside(self) -> str:
        """The raw share as a remark, where options can be guessed."""
        return f" (raw {self.raw:.1%})" if self.guess_rate else ""


@dataclass(frozen=True, slots=True)
class StageDelta:
    """Change of pass@1 on one benchmark from stage `before` to stage `after`."""

    benchmark: str
    before: str
    after: str
    change: PairedDelta


def read_ladder(run: Path) -> tuple[list[Score], list[str]]:
    """Every score of every stage's `summary.json`, in the order of the stages; and which of those are unreadable."""
    scores, faults = [], []
    for stage in ("base", *STAGES):
        path = RunLayout(run).evaluation(stage) / "summary.json"
        if not path.exists():
            continue
        try:
            benchmarks = json.loads(path.read_text("utf-8"))["benchmarks"].items()
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            faults.append(f"{path.relative_to(run)} is unreadable; the evaluation of {stage} is left out")
            continue
        for name, figures in benchmarks:
            shown = corrected(figures)
            names = ("pass_at_1", "low", "high", "questions", "samples")
            value, low, high, questions, samples = (_figure(shown, name) for name in names)
            if value is not None:
                low, high = value if low is None else low, value if high is None else high
                cut = _figure(figures, "truncated_share")
                raw, guess = _figure(figures, "pass_at_1"), _figure(shown, "guess_rate") or 0.0
                scores.append(Score(stage, str(name), value, low, high, questions, samples, cut, raw, guess))
    return scores, faults


def _figure(row: Any, name: str) -> Any:
    value = row.get(name) if isinstance(row, dict) else None
    return (
        value if isinstance(value, int | float) and not isinstance(value, bool) and value == value else None
    )


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
