"""The staircase: does every stage raise pass@1, and what does each stabiliser earn?

    python -m benchmarks.staircase --out runs/staircase [--seeds 3] [--no-ablations]   trains, evaluates, writes JSON
    python -m benchmarks.staircase --render docs                                       docs/staircase.md and its plot

An ablation copies the finished run of seed 0 and runs it again with one change: steps whose settings are unchanged are
left alone, everything after the change is made anew. Running again goes on where it stopped. Everything runs on one
thread, so that the figures do not depend on how many cores there are.
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

import polars as pl

from factory.evaluation import paired_delta
from factory.run.layout import STAGES, RunLayout
from factory.run.parts import read_parts

RECIPE = "staircase_cpu"
LADDER = ("base", *STAGES)
RESULTS = Path(__file__).parent / "results" / "staircase.json"
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
        ("rl_prompts.high=1.0", "rl_prompts.max_length_cv=null", "rl_prompts.buckets=1"),
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
    folder = RunLayout(run).evaluation(stage)
    return pl.concat([read_parts(p) for p in sorted(folder.iterdir()) if p.is_dir()], how="diagonal_relaxed")


def figures(run: Path, stage: str) -> dict:
    """pass@1 with its interval, as the stage's summary says."""
    summary = json.loads((RunLayout(run).evaluation(stage) / "summary.json").read_text("utf-8"))
    (one,) = summary["benchmarks"].values()
    return {
        key: one[key]
        for key in ("pass_at_1", "low", "high", "questions", "samples", "truncated_share", "tokens_mean")
        if key in one
    }


def chance(run: Path) -> float:
    """pass@1 of a guess below the modulus, over the held-out problems."""
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
    manifests = {s: json.loads((RunLayout(run).stage(s) / "manifest.json").read_text()) for s in STAGES}
    return {
        s: {"seconds": m["seconds"], "steps": m["steps"], "rows": m["rows"]} for s, m in manifests.items()
    }


def copy_run(finished: Path, run: Path) -> None:
    """Copy a finished run without its clock; a copy that was broken off is no run."""
    partial = run.with_name(f"{run.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(finished, partial)
    for name in ("seconds.json", "measured"):
        (partial / name).unlink(missing_ok=True)
    partial.rename(run)


def measure(out: Path, seeds: int, ablations: Sequence[Ablation], results: Path) -> dict:
    """Train and evaluate everything that is missing; returns what came out. `results` is written after every run."""
    result: dict = {"recipe": RECIPE, "cores": os.cpu_count(), "seeds": {}, "ablations": {}}
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
        results.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
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
        results.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("runs/staircase"), help="folder of the runs")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--no-ablations", action="store_true")
    parser.add_argument(
        "--only", nargs="+", choices=[a.name for a in ABLATIONS], help="these ablations alone"
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the figures go")
    parser.add_argument(
        "--render", type=Path, metavar="FOLDER", help="only write the page from what was measured"
    )
    options = parser.parse_args()
    if options.render:
        from benchmarks.staircase_page import write_page

        write_page(options.results, options.render)
        return
    wanted = [a for a in ABLATIONS if not options.no_ablations and a.name in (options.only or [a.name])]
    result = measure(options.out, options.seeds, wanted, options.results)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
