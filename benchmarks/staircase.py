"""The staircase: does every stage raise pass@1, and what does each stabiliser earn?

    python -m benchmarks.run staircase [--out runs/staircase] [--seeds 2] [--no-ablations | --only NAME ...]

An ablation copies the finished run of seed 0 and runs it again with one change: steps whose settings are unchanged are
kept, everything after the change is made again. A stopped measurement resumes with the same command. Everything runs on
one thread, so that the figures do not depend on the number of cores.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.markdown import table
from benchmarks.result import Result

RECIPE = "staircase_cpu"
STAGES = ("midtrain", "sft", "dpo", "rl")
LADDER = ("base", *STAGES)
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}


@dataclass(frozen=True, slots=True)
class Ablation:
    """One change of the recipe; `stage` of the changed run is set against `against` of the unchanged one."""

    name: str
    what: str
    changes: tuple[str, ...]
    stage: str
    against: str


ABLATIONS = (
    Ablation(
        "no_prompt_optimisation",
        "rl without prompt optimisation: prompts of any pass rate and any spread of lengths, in one bucket",
        (
            "rl_prompts.high=1.0",
            "train.rl.max_accuracy=1.0",
            "rl_prompts.max_length_cv=null",
            "rl_prompts.buckets=1",
        ),
        "rl",
        "rl",
    ),
    Ablation("no_rebalancing", "rl without reward rebalancing", ("train.rl.rebalance=false",), "rl", "rl"),
    Ablation(
        "no_annealing",
        "rl without annealing: temperature 1.0 throughout",
        ("train.rl.temperature_end=1.0",),
        "rl",
        "rl",
    ),
    Ablation(
        "dpo_matched",
        "dpo on pairs of matched lengths",
        ("preference.match_length=true", "preference.max_length_bias=0.05"),
        "dpo",
        "dpo",
    ),
    Ablation(
        "dpo_most_different",
        "dpo on the pairs whose sides differ most, whatever their lengths",
        ("preference.rule=most_different",),
        "dpo",
        "dpo",
    ),
    Ablation(
        "dpo_teacher",
        "dpo with the teacher's right answers as chosen",
        ("preference.chosen_from=teacher", "preference.max_duplicates=0.05"),
        "dpo",
        "dpo",
    ),
    Ablation(
        "dpo_sft_alone",
        "the supervised term of dpo all but alone (beta 0.0001)",
        ("train.dpo.beta=0.0001",),
        "dpo",
        "dpo",
    ),
    Ablation("dpo_no_sft", "dpo without the supervised term", ("train.dpo.sft_weight=0",), "dpo", "dpo"),
    Ablation(
        "small_set",
        "100 clean rows straight on the base, 60 passes, instead of mid-training (the paper's warning)",
        ("train.midtrain.enabled=false", "datasets.sft_rows=100", "train.sft.epochs=60"),
        "sft",
        "midtrain",
    ),
)


def graded(run: Path, stage: str) -> pl.DataFrame:
    """Graded responses of a stage, over all benchmarks of the run."""
    from factory.run.layout import RunLayout
    from factory.run.parts import read_parts

    folder = RunLayout(run).evaluation(stage)
    return pl.concat([read_parts(p) for p in sorted(folder.iterdir()) if p.is_dir()], how="diagonal_relaxed")


def figures(run: Path, stage: str) -> dict:
    """pass@1 with its interval, as the stage's summary says."""
    from factory.run.layout import RunLayout

    summary = json.loads((RunLayout(run).evaluation(stage) / "summary.json").read_text("utf-8"))
    (one,) = summary["benchmarks"].values()
    return {
        key: one[key]
        for key in ("pass_at_1", "low", "high", "questions", "samples", "truncated_share", "tokens_mean")
        if key in one
    }


def chance(run: Path) -> float:
    """pass@1 of a guess below the modulus, over the held-out problems."""
    from factory.run.layout import RunLayout
    from factory.run.parts import read_parts

    problems = read_parts(RunLayout(run).held_out)
    moduli = [json.loads(text)["params"]["modulus"] for text in problems["metadata"]]
    return sum(1 / modulus for modulus in moduli) / len(moduli)


def factory_run(out: Path, changes: tuple[str, ...], until: str | None) -> float:
    """Run the recipe; returns the seconds it took, those of earlier attempts included."""
    sets = [word for change in changes for word in ("--set", change)]
    stop = ["--until", until] if until else []
    began = time.monotonic()
    command = [sys.executable, "-m", "factory.cli.main", "run", RECIPE, "--out", str(out), *sets, *stop]
    done = subprocess.run(command, env=os.environ | ONE_THREAD, check=False).returncode
    clock = out / "seconds.json"
    before = json.loads(clock.read_text()) if clock.exists() else 0.0
    finished = before and (out / "measured").exists()
    seconds = before if finished else before + time.monotonic() - began
    clock.write_text(json.dumps(round(seconds, 1)))
    if done:
        raise SystemExit(f"{out}: the run ended with exit code {done}")
    (out / "measured").touch()
    return round(seconds, 1)


def settings(run: Path) -> dict:
    """Training settings of every stage, from the manifests, and seconds of training."""
    from factory.run.layout import RunLayout
    from train.stage import summary_of

    stages = {stage: summary_of(RunLayout(run), stage) for stage in STAGES}
    return {s: {"seconds": m.seconds, "steps": m.steps, "rows": m.rows} for s, m in stages.items()}


def copy_run(finished: Path, run: Path) -> None:
    """Copy a finished run without its clock; a copy that was broken off is no run."""
    partial = run.with_name(f"{run.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(finished, partial)
    for name in ("seconds.json", "measured"):
        (partial / name).unlink(missing_ok=True)
    partial.rename(run)


def measure(args: list[str]) -> dict[str, Any]:
    """Train and evaluate everything that is missing below `--out`."""
    parser = argparse.ArgumentParser(prog="benchmarks.run staircase")
    parser.add_argument("--out", type=Path, default=Path("runs/staircase"), help="folder of the runs")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--no-ablations", action="store_true")
    parser.add_argument(
        "--only", nargs="+", choices=[a.name for a in ABLATIONS], help="these ablations alone"
    )
    asked = parser.parse_args(args)
    wanted = [a for a in ABLATIONS if not asked.no_ablations and a.name in (asked.only or [a.name])]
    return ladder(asked.out, asked.seeds, wanted)


def ladder(out: Path, seeds: int, ablations: Sequence[Ablation]) -> dict[str, Any]:
    """Every seed, then every ablation of seed 0."""
    from factory.evaluation import paired_delta

    result: dict[str, Any] = {"recipe": RECIPE, "cores": os.cpu_count(), "seeds": {}, "ablations": {}}
    for seed in range(seeds):
        run = out / f"seed-{seed}"
        seconds = factory_run(run, (f"seed={seed}",), None)
        table = {stage: graded(run, stage) for stage in LADDER}
        result["seeds"][str(seed)] = {
            "seconds": seconds,
            "training": settings(run),
            "chance": chance(run),
            "ladder": {stage: figures(run, stage) for stage in LADDER},
            "steps": {
                f"{a}->{b}": paired_delta(table[a], table[b]).as_dict() for a, b in itertools.pairwise(LADDER)
            },
        }
    for ablation in ablations:
        run = out / f"ablation-{ablation.name}"
        if not run.exists():
            copy_run(out / "seed-0", run)
        seconds = factory_run(run, ("seed=0", *ablation.changes), f"eval-{ablation.stage}")
        result["ablations"][ablation.name] = {
            "what": ablation.what,
            "changes": list(ablation.changes),
            "seconds": seconds,
            **figures(run, ablation.stage),
            "against": ablation.against,
            "delta": paired_delta(
                graded(out / "seed-0", ablation.against), graded(run, ablation.stage)
            ).as_dict(),
        }
    return result


def render(result: Result) -> dict[str, str]:
    """The blocks of docs/staircase.md and docs/paper.md, and the plot."""
    from benchmarks.staircase_plot import plot

    figures = result.figures
    seeds = [f"### Seed {seed}\n\n{_seed_table(one)}" for seed, one in figures["seeds"].items()]
    return {
        "staircase-seeds": "\n\n".join(seeds),
        "staircase-ablations": _ablation_table(figures),
        "paper_outcomes": _outcomes(figures),
        "docs/images/staircase.svg": plot(figures),
    }


def _seed_table(one: dict[str, Any]) -> str:
    heads = [
        "stage",
        "pass@1",
        "95% interval",
        "change, paired",
        "95% interval",
        "rises",
        "steps",
        "training",
    ]
    rows = []
    for stage, before in zip(LADDER, (None, *LADDER), strict=False):
        f, d = one["ladder"][stage], one["steps"].get(f"{before}->{stage}")
        change = [points(d), bounds(d), "yes" if d["low"] > 0 else "no"] if d else ["-"] * 3
        trained = one["training"].get(stage)
        cost = [trained["steps"], f"{trained['seconds'] / 60:.1f} min"] if trained else ["-"] * 2
        rows.append(
            [stage, f"{f['pass_at_1']:.1%}", f"{f['low']:.1%} to {f['high']:.1%}", *change, *cost],
        )
    base = one["ladder"]["base"]
    return (
        f"{table(heads, rows, (1, 3, 6, 7))}\n\n"
        f"{base['questions']} held-out problems, {base['samples'] // base['questions']} samples each at temperature "
        f"0.6; paired bootstrap over problems. A guess below the modulus is right in {one['chance']:.1%}. The whole "
        f"run, data and evaluations included, took {one['seconds'] / 60:.1f} minutes on one thread of a shared machine."
    )


CLAIMS = (
    ("prompts of middling pass rate and even length (prompt optimisation)", "no_prompt_optimisation"),
    ("reward rebalancing", "no_rebalancing"),
    ("temperature annealed from 1.0 to 0.6", "no_annealing"),
    ("the chosen side of a pair is the teacher's", "dpo_teacher"),
    ("plain DPO, no supervised term", "dpo_no_sft"),
)
"""What the paper does, and the ablation that leaves it out or does it where the staircase's recipe does not."""
DONE = ("dpo_teacher", "dpo_no_sft")
"""Ablations that do as the paper does; the others leave out what it does."""


def _outcomes(figures: dict[str, Any]) -> str:
    """What the paper does beside what came out: points of pass@1 that doing so was worth, with its interval."""
    rows = []
    for before, after in itertools.pairwise(LADDER):
        steps = [one["steps"][f"{before}->{after}"] for one in figures["seeds"].values()]
        came = "; ".join(f"{points(step)} ({bounds(step)})" for step in steps)
        rows.append([f"{after} raises pass@1", came, _judged([(s["low"], s["high"]) for s in steps])])
    for claim, name in CLAIMS:
        if name not in figures["ablations"]:
            continue
        delta = figures["ablations"][name]["delta"]
        if name not in DONE:
            delta = {"delta": -delta["delta"], "low": -delta["high"], "high": -delta["low"]}
        rows.append([claim, f"{points(delta)} ({bounds(delta)})", _judged([(delta["low"], delta["high"])])])
    heads = ["the paper", "worth here, points of pass@1 (95% interval; one per seed)", "so"]
    return table(heads, rows, ())


def _judged(intervals: list[tuple[float, float]]) -> str:
    if all(low > 0 for low, _ in intervals):
        return "holds"
    return "the reverse" if all(high < 0 for _, high in intervals) else "no difference found"


def _ablation_table(figures: dict[str, Any]) -> str:
    heads = ["change", "set against", "pass@1", "difference", "95% interval", "minutes"]
    rows = [
        [
            one["what"],
            one["against"],
            f"{one['pass_at_1']:.1%}",
            points(one["delta"]),
            bounds(one["delta"]),
            f"{one['seconds'] / 60:.1f}",
        ]
        for one in figures["ablations"].values()
    ]
    return table(heads, rows, (2, 3, 5))


def points(delta: dict[str, float]) -> str:
    """A change in percentage points."""
    return f"{100 * delta['delta']:+.1f}"


def bounds(delta: dict[str, float]) -> str:
    """A change's interval in percentage points."""
    return f"{100 * delta['low']:+.1f} to {100 * delta['high']:+.1f}"
