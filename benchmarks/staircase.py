"""The staircase: does every stage raise pass@1, and what does each stabiliser earn?

    python -m benchmarks.staircase --out runs/staircase [--seeds 3] [--no-ablations]   trains, evaluates, prints JSON
    python -m benchmarks.staircase --out runs/staircase --render docs                  docs/staircase.md and its plot

An ablation copies the finished run and runs it again with one change: steps whose settings are unchanged are left
alone, everything after the change is made anew. Running again goes on where it stopped.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from factory.evaluation import paired_delta
from factory.layout import STAGES, RunLayout
from factory.store.parts import read_parts

RECIPE = "staircase_cpu"
LADDER = ("base", *STAGES)


@dataclass(frozen=True, slots=True)
class Ablation:
    """One change of the recipe; `stage` of the changed run is set against `against` of the unchanged one."""

    name: str
    what: str
    changes: tuple[str, ...]
    stage: str
    against: str


ABLATIONS = (
    Ablation("no_rebalancing", "rl without reward rebalancing", ("train.rl.rebalance=false",), "rl", "rl"),
    Ablation(
        "no_annealing", "rl at temperature 1.0 throughout", ("train.rl.temperature_end=1.0",), "rl", "rl"
    ),
    Ablation(
        "raised", "rl with the temperature raised to 1.2", ("train.rl.temperature_end=1.2",), "rl", "rl"
    ),
    Ablation(
        "all_prompts", "rl on prompts of any pass rate and length", ("rl_prompts.high=1.0",), "rl", "rl"
    ),
    Ablation("clip_higher", "rl with clip-higher", ("train.rl.epsilon_high=0.28",), "rl", "rl"),
    Ablation("dpo_matched", "dpo with matched lengths", ("preference.match_length=true",), "dpo", "dpo"),
    Ablation("dpo_plain", "dpo without the supervised term", ("train.dpo.sft_weight=0.0",), "dpo", "dpo"),
    Ablation(
        "small_set",
        "sft on 100 clean rows straight from the base, instead of mid-training (the paper's warning)",
        ("train.midtrain.enabled=false", "datasets.sft_rows=100", "train.sft.epochs=60"),
        "sft",
        "sft",
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
        key: one[key] for key in ("pass_at_1", "low", "high", "questions", "truncated_share", "tokens_mean")
    }


def factory_run(out: Path, changes: tuple[str, ...], until: str | None) -> float:
    """Run the recipe; returns the seconds it took."""
    sets = [word for change in changes for word in ("--set", change)]
    stop = ["--until", until] if until else []
    began = time.monotonic()
    command = [sys.executable, "-m", "factory.cli.main", "run", RECIPE, "--out", str(out), *sets, *stop]
    subprocess.run(command, check=True)
    return time.monotonic() - began


def delta(before: pl.DataFrame, after: pl.DataFrame) -> dict:
    return paired_delta(before, after).as_dict()


def measure(out: Path, seeds: int, ablations: bool) -> dict:
    """Train and evaluate everything that is missing; returns what came out."""
    result: dict = {"recipe": RECIPE, "seeds": {}, "ablations": {}}
    for seed in range(seeds):
        run = out / f"seed-{seed}"
        seconds = factory_run(run, (f"seed={seed}",), None)
        steps = {f"{b}->{a}": delta(graded(run, b), graded(run, a)) for b, a in itertools.pairwise(LADDER)}
        result["seeds"][str(seed)] = {
            "seconds_this_time": round(seconds, 1),
            "training_seconds": {s: json.loads((RunLayout(run).stage(s) / "manifest.json").read_text())["seconds"] for s in STAGES},
            "ladder": {stage: figures(run, stage) for stage in LADDER},
            "steps": steps,
        }  # fmt: skip
    for ablation in ABLATIONS if ablations else ():
        run = out / f"ablation-{ablation.name}"
        if not run.exists():
            shutil.copytree(out / "seed-0", run)
        factory_run(run, ("seed=0", *ablation.changes), f"eval-{ablation.stage}")
        result["ablations"][ablation.name] = {
            "what": ablation.what,
            "changes": list(ablation.changes),
            **figures(run, ablation.stage),
            "against": ablation.against,
            "delta": delta(graded(out / "seed-0", ablation.against), graded(run, ablation.stage)),
        }
    (out / "staircase.json").write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    return result


def render(out: Path, folder: Path) -> None:
    """Write `staircase.md` and `staircase.svg` from `staircase.json`."""
    result = json.loads((out / "staircase.json").read_text("utf-8"))
    lines = [
        "# The staircase",
        "",
        "Generated by `python -m benchmarks.staircase --render docs` from the run's own tables; recipe "
        f"`recipes/{result['recipe']}.yaml`, two cores, no GPU.",
        "",
        "![pass@1 by stage](staircase.svg)",
        "",
    ]
    for seed, one in result["seeds"].items():
        total = sum(one["training_seconds"].values())
        lines += [f"## Seed {seed}", "", "| stage | pass@1 | 95% interval | against the stage before | 95% interval | rises |", "|---|--:|---|--:|---|---|"]  # fmt: skip
        for stage, before in zip(LADDER, (None, *LADDER), strict=False):
            f, d = one["ladder"][stage], one["steps"].get(f"{before}->{stage}")
            change = f"{d['delta']:+.1%} | {d['low']:+.1%} to {d['high']:+.1%} | {'yes' if d['low'] > 0 else 'no'}" if d else "- | - | -"  # fmt: skip
            lines.append(f"| {stage} | {f['pass_at_1']:.1%} | {f['low']:.1%} to {f['high']:.1%} | {change} |")
        questions = one["ladder"]["base"]["questions"]
        lines += [
            "",
            f"{questions} held-out problems; the four stages trained for {total / 60:.1f} minutes.",
            "",
        ]
    if result["ablations"]:
        lines += ["## One change at a time", "", "| change | pass@1 | against the unchanged run | 95% interval |", "|---|--:|--:|---|"]  # fmt: skip
        for one in result["ablations"].values():
            d = one["delta"]
            lines.append(f"| {one['what']} | {one['pass_at_1']:.1%} | {d['delta']:+.1%} | {d['low']:+.1%} to {d['high']:+.1%} |")  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "staircase.md").write_text("\n".join(lines) + "\n", "utf-8")
    plot(result, folder / "staircase.svg")


def plot(result: dict, path: Path) -> None:
    """pass@1 of every stage, one line a seed, with 95% intervals."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 3.5))
    for seed, one in result["seeds"].items():
        ladder = [one["ladder"][stage] for stage in LADDER]
        middle = [f["pass_at_1"] for f in ladder]
        low = [m - f["low"] for m, f in zip(middle, ladder, strict=True)]
        high = [f["high"] - m for m, f in zip(middle, ladder, strict=True)]
        axes.errorbar(LADDER, middle, yerr=[low, high], marker="o", capsize=3, label=f"seed {seed}")
    axes.set_ylabel("pass@1, held out")
    axes.set_ylim(0, 1)
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("runs/staircase"))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--no-ablations", action="store_true")
    parser.add_argument(
        "--render", type=Path, metavar="FOLDER", help="only write the page from what was measured"
    )
    options = parser.parse_args()
    if options.render:
        render(options.out, options.render)
        return
    print(json.dumps(measure(options.out, options.seeds, not options.no_ablations), indent=2))


if __name__ == "__main__":
    main()
