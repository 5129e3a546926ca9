"""The tables and the plot of docs/staircase.md, and what docs/training.md and docs/paper.md take from them."""

from __future__ import annotations

import io
import itertools
from typing import Any

import numpy as np

from benchmarks.markdown import table
from benchmarks.staircase import LADDER


def page(figures: dict[str, Any]) -> dict[str, str]:
    """Blocks by name."""
    return {
        "staircase-ladder": _ladder(figures),
        "staircase-rl": _spending(figures),
        "staircase-changes": _changes(figures),
        "paper_outcomes": _outcomes(figures),
        "docs/images/staircase.svg": plot(figures),
    }


def _ladder(figures: dict[str, Any]) -> str:
    seeds = [f"seed {seed}" for seed in figures["seeds"]]
    rows = []
    for before, stage in itertools.pairwise((None, *LADDER)):
        one, step = figures["ladder"][stage], figures["steps"].get(f"{before}->{stage}")
        rows.append(
            [
                stage,
                *(f"{100 * each:.1f}" for each in one["pass_at_1"]),
                f"{100 * np.mean(one['pass_at_1']):.1f}",
                f"{100 * np.mean(one['validation']):.1f}",
                told(step) if step else "-",
                "; ".join(told(each) for each in step["seeds"]) if step else "-",
                " / ".join(str(each) for each in one.get("steps", ["-"])),
            ]
        )
    heads = ["stage", *seeds, "mean", "validation, mean", "change", "change of each seed", "steps"]
    flat = [name.partition("->")[2] for name, step in figures["steps"].items() if step["low"] <= 0]
    risen = "Every stage rises." if not flat else f"Not shown to rise: {', '.join(flat)}."
    minutes = " / ".join(f"{each:.0f}" for each in figures["seed_minutes"])
    return (
        f"{table(heads, rows)}\n\n{risen} pass@1 in percent on {figures['questions']} test questions x 2, temperature 0.6; "
        f"changes in points with 95% intervals that count seeds and questions. A run took {minutes} minutes on one core of a "
        "machine that had other work."
    )


def _spending(figures: dict[str, Any]) -> str:
    """Other ways to spend rl's tokens, beside the recipe's own."""
    dpo, own = figures["ladder"]["dpo"]["pass_at_1"], figures["ladder"]["rl"]
    changes = [c for c in figures["changes"].values() if c["stage"] in ("rl", "distill")]
    rows = []
    for what, one, step in [("the recipe's rl", own, None), *((c["what"], c, c["step"]) for c in changes)]:
        live = one.get("with_advantage")
        rows.append(
            [
                what,
                " / ".join(f"{100 * each:.1f}" for each in one["pass_at_1"]),
                told(step) if step else "-",
                f"{100 * (np.mean(one['pass_at_1']) - np.mean(dpo)):+.1f}",
                " / ".join(str(each) for each in one["steps"]),
                f"{np.mean(one['sampled_tokens']) / 1000:,.0f}",
                " / ".join(f"{100 * each:.0f}" for each in live) if live else "-",
            ]
        )
    heads = [
        "rl",
        "pass@1 by seed",
        "against the recipe's",
        "over dpo",
        "steps",
        "thousand tokens",
        "rollouts with advantage %",
    ]
    forecast = " / ".join(f"{100 * (1 - each):.0f}" for each in own["forecast_dead"])
    teacher = " / ".join(f"{100 * each:.1f}" for each in figures["changes"]["distill"]["teacher"])
    return (
        f"{table(heads, rows)}\n\nBefore it began the recipe's rl expected {forecast}% of its groups to give a signal. "
        f"The teacher of distillation has four layers for the student's two, and {teacher}% of the test questions."
    )


def _changes(figures: dict[str, Any]) -> str:
    changes = [c for c in figures["changes"].values() if c["stage"] not in ("rl", "distill")]
    rows = [
        [c["what"], c["against"], " / ".join(f"{100 * each:.1f}" for each in c["pass_at_1"]), told(c["step"]),
         "; ".join(told(each) for each in c["step"]["seeds"])]
        for c in changes
    ]  # fmt: skip
    return table(["change", "set against", "pass@1 by seed", "difference", "difference of each seed"], rows)


CLAIMS = (
    ("the chosen side of a pair is the teacher's", "teacher_chosen"),
    ("plain DPO, no supervised term", "no_supervised_term"),
    ("reward rebalancing, annealed temperature, prompts of at most 50%", "paper"),
    ("dpo before rl", "no_dpo"),
)
"""What the paper does, and the change that does it where the recipe does not, or leaves it out."""
LEFT_OUT = ("no_dpo",)


def _outcomes(figures: dict[str, Any]) -> str:
    """What the paper does beside what came out: points of pass@1 that doing so was worth, with its interval."""
    steps = [(f"{name.partition('->')[2]} raises pass@1", step) for name, step in figures["steps"].items()]
    for claim, name in CLAIMS:
        if name in figures["changes"]:
            step = figures["changes"][name]["step"]
            left_out = {"value": -step["value"], "low": -step["high"], "high": -step["low"]}
            steps.append((claim, left_out if name in LEFT_OUT else step))
    rows = [[claim, told(step), _judged(step)] for claim, step in steps]
    return table(["the paper", "worth here, points of pass@1 (95% interval, three seeds)", "so"], rows)


def _judged(step: dict[str, float]) -> str:
    if step["low"] > 0:
        return "holds"
    return "the reverse" if step["high"] < 0 else "no difference found"


def told(step: dict[str, float]) -> str:
    """A change in points with its interval."""
    return f"{100 * step['value']:+.1f} ({100 * step['low']:+.1f} to {100 * step['high']:+.1f})"


def plot(result: dict[str, Any]) -> str:
    """pass@1 of every stage as SVG, one line per seed."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "staircase"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 3.5))
    for at, seed in enumerate(result["seeds"]):
        heights = [result["ladder"][stage]["pass_at_1"][at] for stage in LADDER]
        axes.plot(LADDER, heights, marker="o", label=f"seed {seed}")
    axes.set_ylabel("pass@1, test questions")
    axes.set_ylim(0, 1)
    axes.legend()
    figure.tight_layout()
    drawn = io.StringIO()
    figure.savefig(drawn, format="svg", metadata={"Date": None})
    pyplot.close(figure)
    return drawn.getvalue()
