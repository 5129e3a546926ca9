"""The training ladder with its intervals, what every stage changed, the paper's figures beside both, training curves.

The paper's: "Phi-4-Mini-Reasoning: Exploring the Limits of Small Reasoning Language Models in Math" (arXiv:2504.21233),
stage ablation and main table (Pass@1, percent, average of 3 runs). The later ones are the same authors' own
re-evaluation of that model, 64 samples on AIME and 8 elsewhere (Phi-4-mini-flash-reasoning model card).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeGuard

import polars as pl

from factory.errors import FactoryError, first_line
from factory.evaluation.stages import Score, StageDelta, evaluated_stages, stage_deltas, stage_scores
from factory.evaluation.statistics import Interval
from factory.numbers import percent
from factory.report.blocks import Block, Figure, Fold, Grid, Note, Section, grid
from factory.report.plots import Line, curves, intervals
from factory.report.step_folders import RunTables, State, read_metrics
from factory.run.layout import PAPER, trained_stages

BENCHMARKS = ("AIME24", "MATH-500", "GPQA-D")
LADDER: tuple[tuple[str, str, tuple[float, float, float]], ...] = (
    ("base", "Phi-4-Mini", (10.0, 71.8, 36.9)),
    ("midtrain", "+ distill mid-training", (30.0, 82.9, 42.6)),
    ("sft", "+ distill fine-tuning", (43.3, 89.3, 48.3)),
    ("dpo", "+ Rollout DPO", (50.0, 93.6, 49.0)),
    ("rl", "+ RL", (57.5, 94.6, 52.0)),
)
"""Stage of ours, the paper's name for it, Pass@1 on `BENCHMARKS`."""
LATER = (
    "Phi-4-mini-reasoning, the authors' later figures (64 samples on AIME, 8 elsewhere)",
    (48.13, 91.20, 44.51),
)
CITATION = (
    "Phi-4-Mini-Reasoning (arXiv:2504.21233), stage ablation, average of 3 runs; "
    "later figures: Phi-4-mini-flash-reasoning model card"
)
CURVES = {
    "loss": ("loss", "eval_loss"),
    "mean token accuracy": ("mean_token_accuracy",),
    "preference accuracy": ("rewards/accuracies",),
    "preference margin": ("rewards/margins",),
    "reward": ("reward", "rewards/mean", "rewards/reward/mean"),
    "live share: groups with a signal": ("dead_groups", "dead_group_share", "frac_reward_zero_std"),
    "entropy": ("entropy",),
    "completion length": ("completions/mean_length", "completion_length"),
    "gradient norm": ("grad_norm",),
}
"""Panel title to the names under which trainers log it; the first that is there is drawn."""
LIVE = "live share: groups with a signal"
"""Drawn as 1 less what is logged, the share of groups whose answers are all right or all wrong."""
CHIEF = (
    (("midtrain", "loss"), ("sft", "loss"), ("distill", "loss")),
    (("dpo", "preference accuracy"),),
    (("rl", "reward"), ("rl", LIVE)),
)
"""Plots that stand open, each of (stage, figure) lines; all other figures are folded."""
MOST_ROWS = 10
"""Rows of a table that stands open."""
CORRECTED = (
    "Choice questions: pass@1 is corrected for guessing, 0 for a student that draws an option and 100 for one that is "
    "always right; beside it the raw share of right answers and what guessing alone would reach."
)


def training(run: RunTables) -> Section | None:
    """Pass@1 with intervals over the stages, what each stage changed, the paper's ladder beside it, the training curves."""
    scores, faults = stage_scores(run.run)
    blocks: list[Block] = []
    chief, rest = _curves(run)
    deltas, incomparable = read_deltas(run)
    if scores:
        groups: dict[str, dict[str, Interval]] = {}
        for s in scores:
            share = Interval(100 * s.value, 100 * s.low, 100 * s.high)
            groups.setdefault(s.benchmark, {})[s.stage] = share
        caption = "Pass@1 after every stage, with 95% intervals"
        blocks.append(intervals("ladder", groups, ylabel="pass@1, %", caption=caption))
    if deltas:
        blocks.append(_long(deltas_grid(deltas)))
    if scores:
        guessed = any(s.guess_rate for s in scores)
        columns: tuple[str, ...] = (
            "stage",
            "pass@1",
            "95% interval",
            "questions",
            "responses",
            "truncated",
            "raw",
            "guessing",
        )
        columns = columns if guessed else columns[:-2]
        several = len(groups) > 1
        table = grid(
            columns, [_row(s, several)[: len(columns)] for s in scores], "Pass@1 after every stage, percent"
        )
        # Beside the plot one table is enough: what changed, or else the figures themselves.
        (rest.insert(0, _fold(table)) if deltas else blocks.append(_long(table)))
        blocks += chief
        if guessed:
            blocks.append(Note(CORRECTED))
    blocks += [Note(fault, warning=True) for fault in (*faults, *incomparable)]
    if scores:
        blocks += _beside_the_paper(scores)
    blocks += rest if scores else chief + rest
    if not blocks:
        return None
    return Section("training", "Training", "eval/*/summary.json, train/*/metrics.jsonl", tuple(blocks))


def _long(table: Grid) -> Block:
    """A table of many benchmarks is folded: the plot and the findings have told the most of it."""
    return table if len(table.rows) <= MOST_ROWS else _fold(table)


def _fold(table: Grid) -> Fold:
    return Fold(table.caption, (replace(table, caption=""),))


def _curves(run: RunTables) -> tuple[list[Block], list[Block]]:
    """The chief figures, lines of one kind in one plot, and all others behind a fold."""
    logged = {
        (stage, title): line
        for stage in trained_stages(run.recipe)
        for title, line in _panels(read_metrics(run.layout.stage(stage) / "metrics.jsonl")).items()
    }
    shown: list[Block] = []
    for plot in CHIEF:
        if lines := {each: logged.pop(each) for each in plot if each in logged}:
            shown.append(_plot(lines))
    rest: list[Block] = [_plot({each: line}) for each, line in logged.items()]
    said = (
        "RL draws its prompts in batches of like length, so the completion length rises and falls with them."
    )
    return shown, [Fold("More training curves", (*rest, Note(said)))] if rest else []


def _plot(lines: dict[tuple[str, str], Line]) -> Figure:
    """Lines of several stages, or several figures of one stage."""
    stages, titles = (list(dict.fromkeys(names)) for names in zip(*lines, strict=True))
    if len(stages) > 1:
        caption, labels = f"{titles[0]}: {', '.join(stages)}", stages
    else:
        caption, labels = f"{stages[0]}: {' and '.join(titles)}", [each.partition(":")[0] for each in titles]
    name = "-".join(("curve", *stages, *(each.partition(":")[0].replace(" ", "-") for each in titles)))
    return curves(name, caption, dict(zip(labels, lines.values(), strict=True)))


def read_deltas(run: RunTables) -> tuple[list[StageDelta], list[str]]:
    """Neighbouring stages and, where there are more than two, the first against the last; and what could not be compared.

    Stages with an incomplete or corrupt evaluation are passed over: their questions would not be all there.
    """
    stages = [stage for stage in evaluated_stages(run.run)[0] if _complete(run, stage)]
    seed = run.recipe.get("seed")
    pairs = list(itertools.pairwise(stages)) + ([(stages[0], stages[-1])] if len(stages) > 2 else [])
    found: list[StageDelta] = []
    faults: list[str] = []
    for names in pairs:
        try:
            found += stage_deltas(run.run, names, seed=seed if isinstance(seed, int) else 0)
        except (FactoryError, pl.exceptions.PolarsError, OSError) as error:
            faults.append(f"{names[0]} and {names[1]} could not be compared: {first_line(error)}")
    return found, faults


def deltas_grid(deltas: Sequence[StageDelta]) -> Grid:
    """One row per benchmark and step; changes in percentage points."""
    several = len({delta.benchmark for delta in deltas}) > 1
    rows = [
        (
            f"{delta.before}\u00a0to\u00a0{delta.after}" + (f", {delta.benchmark}" if several else ""),
            f"{100 * delta.change.delta:+.1f}",
            f"{100 * delta.change.low:+.1f} to {100 * delta.change.high:+.1f}",
            meaning(delta),
            f"{delta.change.better:,} / {delta.change.worse:,}",
        )
        for delta in sorted(deltas, key=lambda d: d.benchmark)
    ]
    caption = "What each stage changed, in points, over the same questions"
    if left_out := sum(delta.change.dropped for delta in deltas):
        caption += f" ({left_out:,} that only one side scored are left out)"
    return grid(("step", "change", "95% interval", "that is a", "questions better / worse"), rows, caption)


def meaning(delta: StageDelta) -> str:
    """What the interval lets one say."""
    if delta.change.low > 0:
        return "rise"
    return "fall" if delta.change.high < 0 else "unclear"


def paper_change(before: str, after: str) -> tuple[str, ...] | None:
    """The paper's change between two stages on `BENCHMARKS`, points; None for stages that it does not have."""
    scores = {stage: values for stage, _, values in LADDER}
    if before not in scores or after not in scores:
        return None
    return tuple(f"{new - old:+.1f}" for old, new in zip(scores[before], scores[after], strict=True))


def _complete(run: RunTables, stage: str) -> bool:
    folder = run.layout.evaluation(stage)
    parts = [step for step in run.folders.values() if step.path.parent == folder]
    whole = bool(parts) and all(step.state == State.COMPLETE for step in parts)
    return whole and (folder / "summary.json").is_file()


def _row(score: Score, several: bool) -> tuple[Any, ...]:
    cut = score.truncated_share
    return (
        f"{score.stage}, {score.benchmark}" if several else score.stage,
        f"{100 * score.value:.1f}",
        f"{100 * score.low:.1f} – {100 * score.high:.1f}",
        score.questions,
        score.samples,
        None if cut is None else percent(cut, 1),
        f"{100 * score.raw:.1f}",
        f"{100 * score.guess_rate:.1f}",
    )


def _beside_the_paper(scores: Sequence[Score]) -> list[Block]:
    ours: dict[str, list[str]] = {}
    for s in scores:
        ours.setdefault(s.stage, []).append(f"{s.benchmark} {100 * s.value:.1f}")
    rows: list[tuple[Any, ...]] = [
        (stage, ", ".join(ours.get(stage, ())) or None, name, *map(str, figures))
        for stage, name, figures in LADDER
    ]
    rows.append(("", None, LATER[0], *(f"{x:.2f}" for x in LATER[1])))
    steps = itertools.pairwise(("base", *PAPER))
    changes = [(f"{old} to {new}", *(paper_change(old, new) or ())) for old, new in steps]
    columns = ("stage", "this run, pass@1\u00a0%", "the paper's step", *BENCHMARKS)
    return [
        Fold(
            "Beside the paper",
            (
                grid(columns, rows, CITATION),
                grid(("the paper's step", *BENCHMARKS), changes, "Points that the paper's stages changed"),
                Note(
                    "The paper trained a 3.8-billion-parameter model and measured other benchmarks: compare the shape of the "
                    "ladder, not its height, unless this run's benchmarks are the same ones."
                ),
            ),
        ),
    ]


def _panels(metrics: Sequence[Mapping[str, Any]]) -> dict[str, Line]:
    """Panel title to steps and values."""
    panels: dict[str, Line] = {}
    for title, names in CURVES.items():
        for name in names:
            points = [(m.get("step"), m.get(name)) for m in metrics]
            known = [(float(x), float(y)) for x, y in points if _is_number(x) and _is_number(y)]
            if len(known) > 1:
                panels[title] = ([x for x, _ in known], [1 - y if title == LIVE else y for _, y in known])
                break
    return panels


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value
