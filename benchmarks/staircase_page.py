"""`docs/staircase.md` and its plot, from the figures of `benchmarks.staircase` and the log of trials."""

from __future__ import annotations

import json
from pathlib import Path

LADDER = ("base", "midtrain", "sft", "dpo", "rl")
TRIALS = Path(__file__).parent / "results" / "staircase_trials.jsonl"
NOTES = Path(__file__).parent / "results" / "staircase_notes.md"


def write_page(results: Path, folder: Path) -> None:
    """Write `staircase.md` and `images/staircase.svg` into `folder`."""
    result = json.loads(results.read_text("utf-8"))
    lines = [
        "# The staircase",
        "",
        f"Does every stage raise pass@1? A student of two layers goes through `recipes/{result['recipe']}.yaml`; every "
        "figure below is read from the runs' own tables. Made by `make staircase`; this page by `python -m "
        "benchmarks.staircase --render docs`.",
        "",
        "![pass@1 by stage](images/staircase.svg)",
        "",
    ]
    for seed, one in result["seeds"].items():
        lines += seed_section(seed, one)
    if result["ablations"]:
        lines += ablation_section(result)
    if NOTES.exists():
        lines += ["", NOTES.read_text("utf-8").rstrip()]
    if TRIALS.exists():
        lines += trial_section()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "staircase.md").write_text("\n".join(lines) + "\n", "utf-8")
    (folder / "images").mkdir(exist_ok=True)
    plot(result, folder / "images" / "staircase.svg")


def seed_section(seed: str, one: dict) -> list[str]:
    """A seed's ladder as a table."""
    lines = [
        f"## Seed {seed}",
        "",
        "| stage | pass@1 | 95% interval | change, paired | 95% interval | rises | steps | training |",
        "|---|--:|---|--:|---|---|--:|--:|",
    ]
    for stage, before in zip(LADDER, (None, *LADDER), strict=False):
        f, d = one["ladder"][stage], one["steps"].get(f"{before}->{stage}")
        change = f"{points(d)} | {bounds(d)} | {'yes' if d['low'] > 0 else 'no'}" if d else "- | - | -"
        trained = one["training"].get(stage)
        cost = f"{trained['steps']:,} | {trained['seconds'] / 60:.1f} min" if trained else "- | -"
        lines.append(
            f"| {stage} | {f['pass_at_1']:.1%} | {f['low']:.1%} to {f['high']:.1%} | {change} | {cost} |"
        )
    base = one["ladder"]["base"]
    return [
        *lines,
        "",
        f"{base['questions']} held-out problems, {base['samples'] // base['questions']} samples each at temperature "
        f"0.6; paired bootstrap over problems. A guess below the modulus is right in {one['chance']:.1%}. The whole run, data and evaluations included, took "
        f"{one['seconds'] / 60:.1f} minutes on one thread of a shared machine with two cores.",
        "",
    ]


def ablation_section(result: dict) -> list[str]:
    """Every ablation against the same stage of seed 0."""
    lines = [
        "## One change at a time",
        "",
        "Seed 0 again with one change, against a stage of the unchanged run. What does not depend on the change is taken "
        "over, so the minutes are those of the stages after it.",
        "",
        "| change | set against | pass@1 | difference | 95% interval | minutes |",
        "|---|---|--:|--:|---|--:|",
    ]
    for one in result["ablations"].values():
        d = one["delta"]
        lines.append(
            f"| {one['what']} | {one['against']} | {one['pass_at_1']:.1%} | {points(d)} | {bounds(d)} "
            f"| {one['seconds'] / 60:.1f} |"
        )
    return lines


def trial_section() -> list[str]:
    """The trials on the way to the recipe."""
    lines = [
        "",
        "## Trials on the way",
        "",
        "What was tried before the recipe stood, with what came out against the stage before (600 problems, 4 samples "
        "each). The student of a group of trials is the same.",
        "",
        "| student | stage | settings | before | after | change | 95% interval |",
        "|---|---|---|--:|--:|--:|---|",
    ]
    for line in TRIALS.read_text("utf-8").splitlines():
        one = json.loads(line)
        told = ", ".join(word.removeprefix(f"train.{one['stage']}.") for word in one["settings"])
        lines.append(
            f"| {one['from']} | {one['stage']} | {told} | {one['before']:.1%} | {one['after']:.1%} | {points(one)} "
            f"| {bounds(one)} |"
        )
    return lines


def points(delta: dict) -> str:
    """A change in percentage points."""
    return f"{100 * delta['delta']:+.1f}"


def bounds(delta: dict) -> str:
    """A change's interval in percentage points."""
    return f"{100 * delta['low']:+.1f} to {100 * delta['high']:+.1f}"


def plot(result: dict, path: Path) -> None:
    """pass@1 of every stage, one line a seed, with 95% intervals."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "staircase"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 3.5))
    for seed, one in result["seeds"].items():
        ladder = [one["ladder"][stage] for stage in LADDER]
        middle = [f["pass_at_1"] for f in ladder]
        low = [max(0.0, m - f["low"]) for m, f in zip(middle, ladder, strict=True)]
        high = [max(0.0, f["high"] - m) for m, f in zip(middle, ladder, strict=True)]
        axes.errorbar(LADDER, middle, yerr=[low, high], marker="o", capsize=3, label=f"seed {seed}")
    axes.set_ylabel("pass@1, held out")
    axes.set_ylim(0, 1)
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
