"""The staircase: does every stage raise pass@1, what does each choice earn, and what do other ways to spend RL's tokens come to?

    python -m benchmarks.run staircase [--out runs/staircase] [--seeds 0 1 2] [--no-changes | --only NAME ...]

Everything was chosen on the validation questions, which the recipe evaluates after every stage. The test questions are the
held-out problems that it never asks; they are asked here alone. Runs go side by side, one thread each.
A stopped measurement resumes with the same command.
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
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.result import Result
from benchmarks.staircase_changes import CHANGES, CLEAN, Change

RECIPE = "staircase_cpu"
STAGES = ("midtrain", "sft", "dpo", "rl")
LADDER = ("base", *STAGES)
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}
RESAMPLES = 10_000


def measure(args: list[str]) -> dict[str, Any]:
    """Train what is missing below `--out`, then ask the test questions."""
    parser = argparse.ArgumentParser(prog="benchmarks.run staircase")
    parser.add_argument("--out", type=Path, default=Path("runs/staircase"), help="folder of the runs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--no-changes", action="store_true")
    parser.add_argument("--only", nargs="+", choices=[c.name for c in CHANGES], help="these changes alone")
    asked = parser.parse_args(args)
    wanted = [c for c in CHANGES if not asked.no_changes and c.name in (asked.only or [c.name])]
    os.environ.update(ONE_THREAD)
    with ProcessPoolExecutor(os.cpu_count() or 1, get_context("spawn")) as pool:
        plain = list(pool.map(partial(unchanged, asked.out), asked.seeds))
        tasks = [(change, seed) for change in wanted for seed in asked.seeds]
        made = list(pool.map(partial(changed, asked.out), *zip(*tasks, strict=True))) if tasks else []
    by_change = {c.name: [one for (of, _), one in zip(tasks, made, strict=True) if of == c] for c in wanted}
    stages = {stage: [one["stages"][stage] for one in plain] for stage in LADDER}
    return {
        "recipe": RECIPE, "seeds": asked.seeds, "questions": len(stages["rl"][0]["right"]),
        "seed_minutes": [one["seconds"] / 60 for one in plain],
        "ladder": {stage: _told(each) for stage, each in stages.items()},
        "steps": {f"{a}->{b}": _step(stages[a], stages[b]) for a, b in itertools.pairwise(LADDER)},
        "changes": {
            c.name: {"what": c.what, "settings": c.settings, "stage": c.stage, "against": c.against}
            | _told(by_change[c.name]) | {"step": _step(stages[c.against], by_change[c.name])}
            for c in wanted
        },
    }  # fmt: skip


def unchanged(out: Path, seed: int) -> dict[str, Any]:
    """The recipe with one seed, and the test questions asked after every stage."""
    run = out / f"seed-{seed}"
    seconds = factory_run(run, (f"seed={seed}",), None)
    return {"seconds": seconds, "stages": {stage: _facts(run, stage, seed) for stage in LADDER}}


def changed(out: Path, change: Change, seed: int) -> dict[str, Any]:
    """One change of a finished run, and the test questions asked after the stage that it is about."""
    run, copy = out / f"seed-{seed}", out / f"{change.name}-{seed}"
    if not copy.exists():
        copy_run(run, copy)
    settings, more = list(change.settings), {}
    if change.name == "distill":
        teacher = out / f"teacher-{seed}"
        grow(run, teacher)
        factory_run(
            teacher, (f"seed={seed}", f"train.student.model={teacher / 'grown'}", *CLEAN), "eval-midtrain"
        )
        settings[0] = settings[0].format(teacher=teacher / "train/midtrain/final")
        more = {"teacher": _facts(teacher, "midtrain", seed)["pass_at_1"]}
    if change.completions:
        spent, length = sampled(run, "rl")
        settings.append(f"train.{change.stage}.max_steps={round(spent / change.completions / length)}")
    factory_run(copy, (f"seed={seed}", *settings), f"eval-{change.stage}")
    return _facts(copy, change.stage, seed) | more


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


def copy_run(finished: Path, run: Path) -> None:
    """Copy a finished run without its clock; a copy that was broken off is no run."""
    partial_ = run.with_name(f"{run.name}.partial")
    shutil.rmtree(partial_, ignore_errors=True)
    shutil.copytree(finished, partial_)
    for name in ("seconds.json", "measured"):
        (partial_ / name).unlink(missing_ok=True)
    shutil.rmtree(partial_ / "test", ignore_errors=True)
    partial_.rename(run)


def grow(run: Path, teacher: Path) -> None:
    """A base of twice as many layers, `teacher/grown`: each is followed by a copy of itself that adds nothing yet."""
    from transformers import AutoConfig, AutoModelForCausalLM

    from factory.run.layout import RunLayout

    out, base = teacher / "grown", RunLayout(run).checkpoint("base")
    if out.exists():
        return
    config = AutoConfig.from_pretrained(base)
    config.num_hidden_layers *= 2
    config.layer_types = None
    small, large = AutoModelForCausalLM.from_pretrained(base), AutoModelForCausalLM.from_config(config)
    large.load_state_dict(small.state_dict(), strict=False)
    for number, layer in enumerate(small.model.layers):
        for place in (2 * number, 2 * number + 1):
            large.model.layers[place].load_state_dict(layer.state_dict())
        added = large.model.layers[2 * number + 1]
        added.self_attn.o_proj.weight.data.zero_()
        added.mlp.down_proj.weight.data.zero_()
    partial_ = teacher / "grown.partial"
    shutil.rmtree(partial_, ignore_errors=True)
    shutil.copytree(
        base, partial_, ignore=shutil.ignore_patterns("*.safetensors", "_manifest.json", "README.md")
    )
    large.save_pretrained(partial_)
    partial_.rename(out)


def sampled(run: Path, stage: str) -> tuple[int, float]:
    """Tokens that a stage sampled, and the mean length of an answer."""
    from factory.run.layout import RunLayout

    folder = RunLayout(run).stage(stage)
    files = sorted(folder.glob("rollouts/step-*.parquet"))
    tokens = pl.concat([pl.read_parquet(f, columns=["tokens"]) for f in files])["tokens"]
    return int(tokens.sum()), float(tokens.mean())  # type: ignore[arg-type]


def _facts(run: Path, stage: str, seed: int) -> dict[str, Any]:
    """What a stage came to: validation, test (asked here where it has not been), steps, and what rl sampled."""
    from factory.run.layout import RunLayout
    from train.stage import summary_of

    layout = RunLayout(run)
    validation = json.loads((layout.evaluation(stage) / "summary.json").read_text("utf-8"))
    right = _right(_tested(run, stage, seed))
    found = {
        "pass_at_1": float(right.mean()), "right": right.tolist(),
        "validation": validation["benchmarks"]["held_out"]["pass_at_1"],
    }  # fmt: skip
    if stage != "base":
        made = summary_of(layout, stage)
        found |= {"steps": made.steps, "rows": made.rows, "seconds": made.seconds}
    if stage == "distill":
        lines = map(json.loads, (layout.stage(stage) / "metrics.jsonl").read_text("utf-8").splitlines())
        lengths = {
            line["step"]: line["completions/mean_length"]
            for line in lines
            if "completions/mean_length" in line
        }
        found["sampled_tokens"] = round(sum(lengths.values()) * recipe_of(run).train.distill.batch_size)
    return found | (_rollouts(layout.stage(stage)) if stage == "rl" else {})


def recipe_of(run: Path) -> Any:
    """The recipe that a run was made by."""
    from factory.config.load import load_recipe

    return load_recipe(run / "recipe.yaml")


def _rollouts(folder: Path) -> dict[str, float]:
    files = sorted(folder.glob("rollouts/step-*.parquet"))
    rows = pl.concat([pl.read_parquet(f, columns=["step", "group", "tokens", "advantage"]) for f in files])
    told = json.loads((folder / "preflight.json").read_text("utf-8"))
    return {
        "sampled_tokens": int(rows["tokens"].sum()),
        "with_advantage": float((rows["advantage"] != 0).mean()),  # type: ignore[arg-type]
        "forecast_dead": told["dead_groups"]["dead"],
    }


def _tested(run: Path, stage: str, seed: int) -> Path:
    """The stage's student on the held-out problems that the run has not asked, once."""
    from factory.run.layout import RunLayout
    from factory.run.parts import read_parts
    from factory.steps import evaluate

    layout, out = RunLayout(run), run / "test" / stage
    recipe, path = recipe_of(run), run / "test" / "test.parquet"
    asked = read_parts(layout.evaluation(stage) / "held_out")["problem_id"]
    path.parent.mkdir(exist_ok=True)
    read_parts(layout.held_out).filter(~pl.col("id").is_in(asked.implode())).write_parquet(path)
    section = recipe.evaluation.model_copy(update={"benchmarks": [str(path)], "limit": None})
    evaluate.run(
        str(layout.checkpoint(stage)), out, section, recipe.verify, held_out=None, store=run / "test/store", seed=seed,
        stage=stage, prompt=recipe.datasets.prompt, system=recipe.datasets.system,
    )  # fmt: skip
    return out / "test"


def _right(graded: Path) -> np.ndarray:
    """Share of right samples of every question, in the order of their ids."""
    from factory.run.parts import read_parts
    from schemas.outcome import solved

    shares = (
        read_parts(graded).group_by("problem_id").agg(right=solved().mean().fill_null(0)).sort("problem_id")
    )
    return shares["right"].to_numpy()


def two_level(changes: Sequence[np.ndarray]) -> dict[str, float]:
    """Mean of paired changes and its 95% interval: a resample draws seeds, then questions of each (percentile bootstrap).

    Three seeds are few for a bootstrap: the interval is narrower than one by Student's t would be.
    """
    draw = np.random.default_rng(0)
    means = np.stack(
        [each[draw.integers(len(each), size=(RESAMPLES, len(each)))].mean(axis=1) for each in changes]
    )
    seeds = draw.integers(len(changes), size=(RESAMPLES, len(changes)))
    # A seed that is drawn twice has its questions drawn twice, apart: rows of another resample.
    rows = draw.integers(RESAMPLES, size=seeds.shape)
    low, high = np.percentile(means[seeds, rows].mean(axis=1), [2.5, 97.5])
    return {
        "value": float(np.mean([each.mean() for each in changes])),
        "low": float(low),
        "high": float(high),
    }


def _step(before: Sequence[dict[str, Any]], after: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The change of pass@1 on the test questions: both levels, and every seed alone."""
    changes = [np.asarray(b["right"]) - np.asarray(a["right"]) for a, b in zip(before, after, strict=True)]
    return two_level(changes) | {"seeds": [two_level([each]) for each in changes]}


def _told(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Facts of all seeds, by name."""
    return {name: [each[name] for each in found] for name in found[0] if name != "right"}


def render(result: Result) -> dict[str, str]:
    """The blocks of docs/staircase.md, docs/training.md and docs/paper.md, and the plot."""
    from benchmarks.staircase_page import page

    return page(result.figures)
