"""RL with the paper's settings and with modern ones, from the same dpo students of the quickstart.

    python -m benchmarks.run rl_settings [--seeds 0 1 2] [--out FOLDER]

Every variant begins with the dpo student of its seed. `paper` samples twice as many completions per step, so it takes half of
the steps; `modern` refills groups, samples as it needs, and is run once more with so many steps that its sampled tokens are
those of `in order`. Stopped, it resumes from FOLDER.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.markdown import table
from benchmarks.result import Result

STEPS = 40
VARIANTS: dict[str, dict[str, Any]] = {
    "in order": {"rebalance": False, "temperature_end": 1.0, "prompts": "in_order"},
    "paper": {"settings": "paper", "rebalance": True, "max_accuracy": 0.5, "temperature_end": 0.6, "max_steps": STEPS // 2,
              "max_dead": 1},
    "modern": {"settings": "modern", "rebalance": False, "temperature_end": 1.0},
}  # fmt: skip
EQUAL = "modern, equal tokens"


def measure(args: list[str]) -> dict[str, Any]:
    """pass@1, sampled tokens and live groups of every variant and seed; differences over seeds and questions."""
    from factory.config.load import load_recipe
    from factory.evaluation.crossed import differences
    from factory.pipeline.run import run_recipe

    parser = argparse.ArgumentParser(prog="benchmarks.run rl_settings")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("runs/rl-settings"))
    options = parser.parse_args(args)
    runs: list[dict[str, Any]] = []
    scores: dict[str, list[np.ndarray]] = {}
    for seed in options.seeds:
        start = options.out / f"start-{seed}"
        run_recipe(load_recipe("quickstart", [f"seed={seed}"]), start, until="rl-prompts")
        sampled: dict[str, int] = {}
        for name, changes in [*VARIANTS.items(), (EQUAL, VARIANTS["modern"])]:
            own = dict(changes)
            if name == EQUAL:
                own["max_steps"] = max(1, round(STEPS * sampled["in order"] / sampled["modern"]))
            run = options.out / f"{name.replace(', ', '-').replace(' ', '-')}-{seed}"
            if not run.exists():
                shutil.copytree(start, run)
            words = [f"train.rl.{key}={str(value).lower()}" for key, value in own.items()]
            if "max_accuracy" in own:
                words.append(f"rl_prompts.high={own['max_accuracy']}")
            run_recipe(load_recipe("quickstart", [f"seed={seed}", *words]), run, until="eval-rl")
            found = _facts(run)
            sampled[name] = found["sampled_tokens"]
            scores.setdefault(name, []).append(_right(run))
            runs.append({"seed": seed, "variant": name, **found})
    stacked = {name: np.stack(each) for name, each in scores.items()}
    before = np.stack([_right(options.out / f"start-{seed}", "dpo") for seed in options.seeds])
    gains = [differences({"dpo": before, name: each})[0] for name, each in stacked.items()]
    modern = [differences({"modern": stacked[name], "paper": stacked["paper"]})[0] for name in (EQUAL,)]
    return {
        "runs": runs, "before": before.mean(axis=1).tolist(), "seeds": options.seeds, "questions": before.shape[1],
        "gains": [_signed(pair, name, "dpo") for pair, name in zip(gains, stacked, strict=True)],
        "modern_over_paper": _signed(modern[0], "modern", "paper"),
    }  # fmt: skip


def _signed(pair: Any, first: str, second: str) -> dict[str, Any]:
    sign = 1 if pair.first == first else -1
    low, high = sorted((sign * pair.low, sign * pair.high))
    return {"of": first, "over": second, "value": sign * pair.value, "low": low, "high": high}


def _right(run: Path, stage: str = "rl") -> np.ndarray:
    """Share of right samples of every held-out question, in the order of their ids."""
    from factory.evaluation.ladder import graded_columns
    from factory.run.layout import RunLayout
    from schemas.outcome import solved

    table_ = graded_columns(RunLayout(run).evaluation(stage) / "held_out")
    return (
        table_.group_by("problem_id")
        .agg(solved().mean().alias("right"))
        .sort("problem_id")["right"]
        .fill_null(0)
        .to_numpy()
    )


def _facts(run: Path) -> dict[str, Any]:
    from factory.run.layout import RunLayout

    files = sorted(RunLayout(run).stage("rl").glob("rollouts/step-*.parquet"))
    rows = pl.concat([pl.read_parquet(f, columns=["step", "group", "tokens", "advantage"]) for f in files])
    groups = rows.group_by("step", "group").agg(live=(pl.col("advantage") != 0).any())
    last = groups.filter(pl.col("step") > groups["step"].max() * 3 // 4)  # type: ignore[operator]
    return {
        "steps": len(files), "pass_at_1": float(_right(run).mean()), "sampled_tokens": int(rows["tokens"].sum()),
        "live_groups": float(groups["live"].mean()), "live_groups_last_quarter": float(last["live"].mean()),  # type: ignore[arg-type]
        "rollouts_with_advantage": float((rows["advantage"] != 0).mean()),  # type: ignore[arg-type]
    }  # fmt: skip


def render(result: Result) -> dict[str, str]:
    """The table of variants and the sentence on modern against paper."""
    figures = result.figures
    rows = []
    for gain in figures["gains"]:
        own = [run for run in figures["runs"] if run["variant"] == gain["of"]]
        tokens = sum(run["sampled_tokens"] for run in own) / len(own)
        rows.append(
            (
                gain["of"],
                " / ".join(f"{run['steps']}" for run in own),
                f"{tokens / 1000:,.0f}",
                " / ".join(f"{100 * run['live_groups']:.0f}" for run in own),
                " / ".join(f"{100 * run['live_groups_last_quarter']:.0f}" for run in own),
                " / ".join(f"{100 * run['pass_at_1']:.1f}" for run in own),
                f"{100 * gain['value']:+.1f} ({100 * gain['low']:+.1f} to {100 * gain['high']:+.1f})",
            )
        )
    heads = [
        "settings",
        "steps",
        "thousand tokens sampled",
        "live groups %",
        "of the last quarter",
        "pass@1",
        "over dpo",
    ]
    pair = figures["modern_over_paper"]
    text = (
        f"The dpo students have {' / '.join(f'{100 * each:.1f}' for each in figures['before'])} "
        f"(seeds {', '.join(map(str, figures['seeds']))}; {figures['questions']} held-out questions x 2). At equal tokens `modern` is "
        f"{100 * pair['value']:+.1f} points over `paper` ({100 * pair['low']:+.1f} to {100 * pair['high']:+.1f}). The intervals count "
        "seeds and questions."
    )
    return {"rl_settings": f"{table(heads, rows)}\n\n{text}"}
