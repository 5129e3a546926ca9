"""From measured unit costs to the paper's run: hours, memory and disk of the data half, and what breaks first.

A step's processor time is fitted as `start + row * rows + byte * bytes` (no part below zero) over all measured
corpora. The growth is the slope of log(processor time less the start) over log(rows) at equal length.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

PROBLEMS, ROLLOUTS, KEPT_TOKENS = 1_600_000, 10_000_000, 30e9
"""The paper and its model card (docs/paper.md)."""
TOKENS_A_ROLLOUT = 6_000
"""Average length of an R1 answer: Open-R1, update 1, 2025-02 (huggingface.co/blog/open-r1/update-1)."""
BYTES_A_TOKEN = 3.0
"""An assumption: mathematics in English takes 2.5 to 3.5 bytes per token with today's vocabularies."""
BYTES_A_PROBLEM = 250
CORES_A_NODE = 64
"""An assumption about the node. What was measured ran on the cores that the JSON names."""
NODES = (1, 8, 64)
ONE_PROCESS = ("export",)
"""Steps that one process writes, whatever the nodes: the rows are in one order over all shards."""
FLAT = {"export": "export", "decontaminate-responses": "decontaminate"}
"""Steps whose memory does not grow with the rows, and their names in the report of `benchmarks.large`."""
PROBLEM_STEPS = ("dedup", "decontaminate")


@dataclass(frozen=True, slots=True)
class Cost:
    """What one step costs: core-seconds, and megabytes held in memory and left on disk."""

    start: float
    per_row: float
    per_byte: float
    growth: float | None
    memory_row: float
    memory_start: float
    disk_byte: float

    def core_seconds(self, rows: float, size: float) -> float:
        """Processor seconds for so many rows and bytes."""
        return self.start + self.per_row * rows + self.per_byte * size


def costs(report: dict[str, Any]) -> dict[str, Cost]:
    """Fit every step of a report of `benchmarks.scale`."""
    return {step: _fit(step, report["corpora"]) for step in report["corpora"][0]["steps"]}


def _fit(step: str, corpora: list[dict[str, Any]]) -> Cost:
    from scipy.optimize import nnls

    seen = [(c, c["steps"][step]) for c in corpora]
    rows = np.array([s["rows_in"] for _, s in seen], dtype=float)
    size = np.array([_bytes(step, c, s) for c, s in seen])
    spent = np.array([s["cpu_seconds"] for _, s in seen])
    weight = 1 / np.maximum(spent, 1e-3)  # relative errors: the largest corpus must not decide alone
    matrix = np.stack([np.ones_like(rows), rows, size], axis=1)
    (start, per_row, per_byte), _ = nnls(matrix * weight[:, None], spent * weight)
    short = [i for i, (c, _) in enumerate(seen) if c["characters"] == corpora[0]["characters"]]
    memory = np.polyfit(rows[short], [seen[i][1]["peak_mb"] for i in short], 1) if len(short) > 1 else (0, 0)
    disk = sum(s["disk_mb"] for _, s in seen) * 1e6 / size.sum()
    return Cost(
        start, per_row, per_byte, _growth(rows[short], spent[short] - start), *map(float, memory), disk
    )


def _bytes(step: str, corpus: dict[str, Any], measured: dict[str, Any]) -> float:
    if step in PROBLEM_STEPS:
        return float(measured["rows_in"] * BYTES_A_PROBLEM)
    return float(corpus["text_mb"] * 1e6 * measured["rows_in"] / corpus["responses"])


def _growth(rows: np.ndarray, spent: np.ndarray) -> float | None:
    """Slope between the two largest sizes; None where there is but one."""
    if len(rows) < 2 or min(spent[-2:]) <= 0:
        return None
    return math.log(spent[-1] / spent[-2]) / math.log(rows[-1] / rows[-2])


def paper(step: str, cost: Cost) -> dict[str, float]:
    """The step over the paper's data."""
    rows = PROBLEMS if step in PROBLEM_STEPS else ROLLOUTS
    size = rows * (BYTES_A_PROBLEM if step in PROBLEM_STEPS else TOKENS_A_ROLLOUT * BYTES_A_TOKEN)
    if step == "export":
        size = KEPT_TOKENS * BYTES_A_TOKEN
        rows = size / (TOKENS_A_ROLLOUT * BYTES_A_TOKEN)
    seconds = cost.core_seconds(rows, size)
    return {
        "core_hours": seconds / 3600,
        "memory_gb": (cost.memory_start + cost.memory_row * rows) / 1e3,
        "disk_gb": size * cost.disk_byte / 1e9,
        **{f"hours_{n}": hours(step, seconds, n) for n in NODES},
    }


def with_flat_memory(fitted: dict[str, Cost], large: dict[str, Any]) -> dict[str, Cost]:
    """`FLAT` steps hold some parts or ranges and no more, however many there are: at most the peak of the largest run."""
    peaks = {step: float(large["steps"][own]["peak_mb"]) for step, own in FLAT.items()}
    return fitted | {s: replace(fitted[s], memory_start=peak, memory_row=0.0) for s, peak in peaks.items()}


def hours(step: str, core_seconds: float, nodes: int) -> float:
    """Wall time if the work divides evenly over all cores, but for the steps that one process writes."""
    return core_seconds / 3600 / (1 if step in ONE_PROCESS else nodes * CORES_A_NODE)


def units_table(report: dict[str, Any], fitted: dict[str, Cost]) -> str:
    """Measured seconds by size, and the fit."""
    corpora = report["corpora"]
    names = [f"{c['responses']:,} x {c['text_mb'] * 1e3 / c['responses']:.1f} KB" for c in corpora]
    lines = [
        "Processor seconds (peak memory, MB) of each step, by responses in the corpus and size of one:",
        "",
        f"| step | {' | '.join(names)} | a million rows | a gigabyte | growth |",
        "|---|" + "---|" * (len(names) + 3),
    ]
    for step, cost in fitted.items():
        cells = [f"{c['steps'][step]['cpu_seconds']:,.0f} ({c['steps'][step]['peak_mb']:,})" for c in corpora]
        growth = "" if cost.growth is None else f"{cost.growth:.2f}"
        lines.append(
            f"| {step} | {' | '.join(cells)} | {cost.per_row * 1e6:,.0f} s | {cost.per_byte * 1e9:,.0f} s | {growth} |"
        )
    return "\n".join(lines)


def paper_table(fitted: dict[str, Cost]) -> str:
    """The paper's run on one, eight and sixty-four nodes."""
    lines = [
        f"{PROBLEMS:,} problems, {ROLLOUTS:,} rollouts of {TOKENS_A_ROLLOUT:,} tokens, "
        f"{KEPT_TOKENS / 1e9:.0f} B tokens kept; nodes of {CORES_A_NODE} cores.",
        "",
        "| step | core-hours | "
        + " | ".join(f"hours on {n} node{'s' * (n > 1)}" for n in NODES)
        + " | memory, GB | disk, GB |",
        "|---|" + "---|" * (len(NODES) + 3),
    ]
    totals = dict.fromkeys(("core_hours", *(f"hours_{n}" for n in NODES), "disk_gb"), 0.0)
    for step, cost in fitted.items():
        row = paper(step, cost)
        totals = {name: value + row[name] for name, value in totals.items()}
        spans = " | ".join(f"{row[f'hours_{n}']:.2f}" for n in NODES)
        lines.append(
            f"| {step} | {row['core_hours']:.1f} | {spans} | {row['memory_gb']:.1f} | {row['disk_gb']:.0f} |"
        )
    spans = " | ".join(f"{totals[f'hours_{n}']:.2f}" for n in NODES)
    lines.append(f"| all | {totals['core_hours']:.1f} | {spans} | | {totals['disk_gb']:.0f} |")
    return "\n".join(lines)


def breaks_first(fitted: dict[str, Cost]) -> str:
    """The steps in the order in which they become the bottleneck."""
    all_ = {step: paper(step, cost) for step, cost in fitted.items()}
    memory = max(all_, key=lambda step: all_[step]["memory_gb"])
    last = max(all_, key=lambda step: all_[step][f"hours_{NODES[-1]}"])
    disk = sum(row["disk_gb"] for row in all_.values())
    return "\n".join(
        [
            f"- Disk: {disk:,.0f} GB for all tables of the run, before any training.",
            f"- Memory: `{memory}`, {all_[memory]['memory_gb']:.1f} GB by extrapolation.",
            f"- Time past one node: `{last}`, {all_[last][f'hours_{NODES[-1]}']:.1f} h on {NODES[-1]} nodes.",
        ]
    )
