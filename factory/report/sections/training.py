"""The training ladder with its intervals beside the paper's, and the curves of every stage."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from factory.report.blocks import Block, Note, Section, grid, percent
from factory.report.paper import BENCHMARKS, CITATION, LADDER, LATER
from factory.report.plots import Interval, intervals, lines
from factory.report.sections.deltas import deltas_grid, read_deltas
from factory.report.step_folders import STAGES, RunTables, read_metrics

CURVES = {
    "loss": ("loss", "eval_loss"),
    "mean token accuracy": ("mean_token_accuracy",),
    "preference accuracy": ("rewards/accuracies",),
    "preference margin": ("rewards/margins",),
    "reward": ("reward", "rewards/mean", "rewards/reward/mean"),
    "entropy": ("entropy",),
    "completion length": ("completions/mean_length", "completion_length"),
    "share of groups without signal": ("dead_groups", "dead_group_share", "frac_reward_zero_std"),
    "gradient norm": ("grad_norm",),
}
"""Panel title to the names under which trainers log it; the first that is there is drawn."""


@dataclass(frozen=True, slots=True)
class LadderPoint:
    """Pass@1 of one benchmark after one stage, in percent, with its 95% interval."""

    stage: str
    benchmark: str
    value: float
    low: float
    high: float
    facts: dict[str, Any]


def read_ladder(run: RunTables) -> tuple[list[LadderPoint], list[str]]:
    """Every benchmark of every stage's `summary.json`, and which summaries are unreadable."""
    points = []
    faults = []
    for stage in ("base", *STAGES):
        path = run.layout.evaluation(stage) / "summary.json"
        if not path.exists():
            continue
        try:
            benchmarks = json.loads(path.read_text("utf-8"))["benchmarks"]
        except (OSError, ValueError, KeyError, TypeError):
            faults.append(f"{path.relative_to(run.run)} is unreadable; the evaluation of {stage} is left out")
            continue
        for name, row in benchmarks.items() if isinstance(benchmarks, dict) else ():
            value = _number(row, "pass_at_1")
            if value is not None:
                low, high = _number(row, "low"), _number(row, "high")
                points.append(
                    LadderPoint(
                        stage,
                        str(name),
                        100 * value,
                        100 * (value if low is None else low),
                        100 * (value if high is None else high),
                        row,
                    )
                )
    return points, faults


def training(run: RunTables) -> Section | None:
    """Pass@1 with intervals over the stages, what each stage changed, the paper's ladder beside it, the training curves."""
    points, faults = read_ladder(run)
    curves = {stage: read_metrics(run.layout.stage(stage) / "metrics.jsonl") for stage in STAGES}
    blocks: list[Block] = []
    if points:
        groups: dict[str, list[Interval]] = {}
        for p in points:
            groups.setdefault(p.benchmark, []).append(Interval(p.stage, p.value, p.low, p.high))
        caption = "Pass@1 after every stage, percent, with 95% intervals"
        blocks.append(intervals("ladder", groups, ylabel="pass@1, %", caption=caption))
        columns = (
            "stage",
            "benchmark",
            "pass@1",
            "95% interval",
            "questions",
            "responses",
            "truncated",
        )
        blocks.append(grid(columns, [_row(p) for p in points], "This run"))
    deltas, incomparable = read_deltas(run)
    if deltas:
        blocks.append(deltas_grid(deltas))
    blocks += [Note(fault, warning=True) for fault in (*faults, *incomparable)]
    ours = {stage: [p for p in points if p.stage == stage] for stage in ("base", *STAGES)}
    if points:
        rows = [
            (
                stage,
                ", ".join(f"{p.benchmark} {p.value:.1f}" for p in ours[stage]) or None,
                name,
                *map(str, scores),
            )
            for stage, name, scores in LADDER
        ]
        rows.append(("", None, LATER[0], *(f"{x:.2f}" for x in LATER[1])))
        blocks.append(
            grid(
                ("stage", "this run, pass@1 %", "the paper's step", *BENCHMARKS),
                rows,
                f"Beside the paper. {CITATION}",
            )
        )
        blocks.append(
            Note(
                "The paper trained a 3.8-billion-parameter model and measured other benchmarks: compare the shape of the "
                "ladder, not its height, unless this run's benchmarks are the same ones."
            )
        )
    for stage, metrics in curves.items():
        panels = _panels(metrics)
        if panels:
            blocks.append(
                lines(
                    f"curves-{stage}",
                    panels,
                    caption=f"Training curves of {stage} ({len(metrics):,} log lines)",
                )
            )
    if not blocks:
        return None
    return Section("training", "Training ladder", "eval/*/summary.json, train/*/metrics.jsonl", tuple(blocks))


def _panels(metrics: list[dict[str, Any]]) -> dict[str, dict[str, tuple[list[float], list[float]]]]:
    panels: dict[str, dict[str, tuple[list[float], list[float]]]] = {}
    for title, names in CURVES.items():
        for name in names:
            pairs = [(_number(m, "step"), _number(m, name)) for m in metrics]
            known = [(x, y) for x, y in pairs if x is not None and y is not None]
            if len(known) > 1:
                panels[title] = {name: ([x for x, _ in known], [y for _, y in known])}
                break
    return panels


def _row(p: LadderPoint) -> tuple[Any, ...]:
    cut = _number(p.facts, "truncated_share")
    return (
        p.stage,
        p.benchmark,
        f"{p.value:.1f}",
        f"{p.low:.1f} – {p.high:.1f}",
        _number(p.facts, "questions"),
        _number(p.facts, "samples"),
        None if cut is None else percent(cut, 1),
    )


def _number(row: Any, key: str) -> float | None:
    value = row.get(key) if isinstance(row, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        return None
    return float(value)
