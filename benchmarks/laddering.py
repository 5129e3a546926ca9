"""`factory ladder` on the staircase's data: what each data decision is worth to the student of the quickstart.

    python -m benchmarks.run laddering [--seeds 8] [--out FOLDER]

Stopped, it resumes from FOLDER.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.markdown import table
from benchmarks.result import Result

RECIPE = "staircase_cpu"
PUBLISHED: dict[str, tuple[int, str]] = {
    "wrong answers kept": (0, "no gain from answer filtering (OpenThoughts3, arXiv 2506.04178)"),
    "majority instead of gold": (0, "no gain from answer filtering (OpenThoughts3, arXiv 2506.04178)"),
    "one response per problem": (-1, "16 answers per question are better than one (OpenThoughts3, arXiv 2506.04178)"),
    "hard problems only": (1, "sft on what the student fails (VibeThinker-3B, arXiv 2606.16140)"),
    "long responses only": (1, "only traces of 5,000 tokens and more (VibeThinker-3B, arXiv 2606.16140)"),
    "half as many rows": (0, "few rows read often do as well or better (arXiv 2602.11149)"),
}  # fmt: skip
"""Direction that others report, at their scale: +1 better, -1 worse, 0 no difference; and who."""


def measure(args: list[str]) -> dict[str, Any]:
    """Every usual decision of the recipe, against the recipe as it is."""
    from factory.config.ladder import LadderSection
    from factory.pipeline.ladder import AS_IT_IS, ladder

    parser = argparse.ArgumentParser(prog="benchmarks.run laddering")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--out", type=Path, default=Path("runs/laddering"))
    options = parser.parse_args(args)
    began = time.monotonic()
    worths, found = ladder(RECIPE, options.out, LadderSection(seeds=options.seeds))
    if found is None:
        raise SystemExit("no change makes another set")
    base = next(each for each in found.sets if each.name == AS_IT_IS)
    return {
        "recipe": RECIPE, "decisions": [asdict(each) | {"verdict": each.verdict} for each in worths], "base": asdict(base),
        "seeds": found.seeds, "questions": found.questions, "tokens": found.tokens, "student": found.student,
        "seconds": time.monotonic() - began, "warnings": found.warnings,
    }  # fmt: skip


def render(result: Result) -> dict[str, str]:
    """The table of decisions, with what others report."""
    figures = result.figures
    rows = []
    contradicted = []
    for each in figures["decisions"]:
        points, interval = "", ""
        if each["value"] is not None:
            points = f"{100 * each['value']:+.1f}"
            interval = f"{100 * each['low']:+.1f} to {100 * each['high']:+.1f}"
        sign, who = PUBLISHED.get(each["name"], (None, "-"))
        found = {"better": 1, "worse": -1}.get(each["verdict"], 0)
        if sign is not None and found and found != sign:
            contradicted.append(each["name"])
        rows.append(
            [each["name"], f"`{' '.join(each['changes'])}`", f"{each['rows']:,}", points, interval, each["verdict"], who]
        )  # fmt: skip
    heads = ["decision", "change", "rows", "points", "interval", "verdict", "others report"]
    base = figures["base"]
    called = [e["name"] for e in figures["decisions"] if e["verdict"] in ("better", "worse")]
    text = (
        f"The recipe as it is: {base['rows']:,} rows, pass@1 {100 * base['pass_at_1']:.1f} (standard deviation over seeds "
        f"{100 * base['seed_spread']:.1f}). {figures['seeds']} seeds, {figures['questions']} questions, {figures['tokens']:,} "
        f"tokens a student; {figures['seconds'] / 60:.0f} minutes. "
        + (
            f"{len(called)} of {len(rows)} decisions make a difference that can be told from chance: {', '.join(called)}. "
            if called
            else f"None of {len(rows)} decisions makes a difference that can be told from chance. "
        )
        + (f"Against what others report: {', '.join(contradicted)}." if contradicted else "None goes against what others report.")
    )  # fmt: skip
    return {"laddering": "\n\n".join([table(heads, rows), text])}
