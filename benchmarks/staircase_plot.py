"""The plot of docs/staircase.md."""

from __future__ import annotations

import io
from typing import Any

from benchmarks.staircase import LADDER


def plot(result: dict[str, Any]) -> str:
    """pass@1 of every stage as SVG, one line per seed, with 95% intervals."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "staircase"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 3.5))
    for seed, one in result["seeds"].items():
        rungs = [one["ladder"][stage] for stage in LADDER]
        middle = [f["pass_at_1"] for f in rungs]
        low = [max(0.0, m - f["low"]) for m, f in zip(middle, rungs, strict=True)]
        high = [max(0.0, f["high"] - m) for m, f in zip(middle, rungs, strict=True)]
        axes.errorbar(LADDER, middle, yerr=[low, high], marker="o", capsize=3, label=f"seed {seed}")
    axes.set_ylabel("pass@1, held out")
    axes.set_ylim(0, 1)
    axes.legend()
    figure.tight_layout()
    drawn = io.StringIO()
    figure.savefig(drawn, format="svg", metadata={"Date": None})
    pyplot.close(figure)
    return drawn.getvalue()
