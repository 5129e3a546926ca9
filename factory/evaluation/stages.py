"""The staircase of a run: pass@1 after every training stage, and what each changed, question by question."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from factory.atomic import read_json
from factory.errors import FactoryError
from factory.evaluation.paired import PairedDelta, paired_delta
from factory.evaluation.summary import corrected
from factory.run.folder import saved_recipe
from factory.run.layout import STAGES, RunLayout, trained_stages
from factory.run.parts import MANIFEST, part_paths

SUMMARY = "summary.json"
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


def evaluated_stages(run: Path) -> tuple[list[str], list[str]]:
    """Stages with an evaluation of the model that the run has now, in order.

    Left out are evaluations of stages that the recipe no longer has, and of a checkpoint that was trained again since.

    Returns:
        The stages, and a line for each evaluation that is left out.
    """
    layout = RunLayout(run)
    trained = trained_stages(saved_recipe(run)[0])
    stages, left_out = [], []
    for stage in ("base", *STAGES):
        if not (layout.evaluation(stage) / SUMMARY).exists():
            continue
        if stage not in trained:
            left_out.append(f"eval/{stage} is of a former recipe, which had this stage; it is left out")
        elif _of_another_model(layout, stage):
            left_out.append(
                f"eval/{stage} is of a former checkpoint of {stage}; it is left out until the run evaluates again"
            )
        else:
            stages.append(stage)
    return stages, left_out


def _of_another_model(layout: RunLayout, stage: str) -> bool:
    """True when an evaluation names other weights than the checkpoint has; False where either does not say."""
    folder, now = layout.evaluation(stage), _manifest(layout.checkpoint(stage)).get("output_digest")
    asked = [_manifest(folder / name).get("inputs") for name in benchmark_folders(folder)]
    models = [each["model"] for each in asked if isinstance(each, dict) and "model" in each]
    return now is not None and any(model != now for model in models)


def _manifest(folder: Path) -> dict[str, Any]:
    """A step's manifest; empty when there is none that can be read, which is told elsewhere."""
    try:
        found = read_json(folder / MANIFEST)
    except FactoryError:
        return {}
    return found if isinstance(found, dict) else {}


def stage_scores(run: Path) -> tuple[list[Score], list[str]]:
    """Every score of `evaluated_stages`, in the order of the stages; and which evaluations are left out or unreadable."""
    stages, faults = evaluated_stages(run)
    scores = []
    for stage in stages:
        path = RunLayout(run).evaluation(stage) / SUMMARY
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


def stage_deltas(run: Path, stages: Sequence[str] | None = None, *, seed: int = 0) -> list[StageDelta]:
    """Paired deltas between neighbouring stages, for every benchmark that both have.

    Args:
        run: the run's folder.
        stages: names in order, each with an evaluation; all `evaluated_stages` by default.
        seed: of the bootstrap.
    """
    deltas = []
    at = RunLayout(run).evaluation
    for before, after in itertools.pairwise(evaluated_stages(run)[0] if stages is None else stages):
        for name in benchmark_folders(at(before)):
            old, new = at(before) / name, at(after) / name
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
