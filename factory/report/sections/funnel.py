"""The funnel: what went into every step, what came out and why the rest was dropped."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

from factory.report.blocks import Block, Note, Section, grid
from factory.report.plots import Stage, sankey
from factory.report.step_folders import RunTables, StepFolder, ordered
from factory.run.layout import PLAN, Kind

LANES = (
    Kind.READ, Kind.DEDUPLICATE, Kind.DECONTAMINATE, Kind.GENERATE, Kind.VERIFY, Kind.LABEL, Kind.SELECT,
)  # fmt: skip
"""Kinds of steps that are drawn, one lane per unit."""


def funnel(run: RunTables) -> Section | None:
    """Sankey lanes (problems, responses, student) and the ledger as a table."""
    lanes: dict[str, list[tuple[str, Path]]] = {}
    for place in PLAN:
        if place.kind in LANES and place.stage is None:
            name = f"{place.kind} {place.dataset}" if place.dataset else str(place.kind)
            lanes.setdefault(place.unit, []).append((name, run.layout.run / place.folder))
    blocks: list[Block] = []
    for unit, steps in lanes.items():
        stages = [_stage(name, run.at(path)) for name, path in steps if _counted(run.at(path))]
        if stages and any(stage.rows_in for stage in stages):
            where = "at every step" if len(steps) > 1 else "by the selection"
            caption = f"{unit[:1].upper()}{unit[1:]}: rows in, rows out and rows dropped {where}, by reason"
            if len(steps) > 1 or any(stage.dropped for stage in stages):
                blocks.append(sankey(f"funnel-{unit}", stages, unit=unit, caption=caption))
        blocks += _breaks(unit, stages)
    rows = [_ledger_row(folder) for folder in ordered(run) if _counted(folder)]
    if not rows:
        return None
    unbalanced = ", ".join(row[0] for row in rows if row[-1] == "NO")
    if unbalanced:
        said = f"Row counts do not add up in {unbalanced}: rows in differ from rows out plus dropped."
        blocks.append(Note(said, warning=True))
    heads = ("folder", "step", "unit", "in", "out", "dropped", "reasons", "balanced")
    blocks.append(grid(heads, rows, "The ledger, in the order of the steps", folded=True))
    return Section("funnel", "Funnel", "_manifest.json of every step", tuple(blocks))


def _ledger_row(folder: StepFolder) -> tuple[Any, ...]:
    stage, m = _stage(folder.name, folder), folder.manifest
    lost = sum(stage.dropped.values())
    reasons = ", ".join(f"{why} {n:,}" for why, n in sorted(stage.dropped.items()))
    balanced = "yes" if stage.rows_in == stage.rows_out + lost else "NO"
    counts = (stage.rows_in, stage.rows_out, lost)
    return folder.name, m.get("step"), m.get("unit"), *counts, reasons, balanced


def _counted(folder: StepFolder) -> bool:
    return all(isinstance(folder.manifest.get(name), int) for name in ("rows_in", "rows_out"))


def _stage(name: str, folder: StepFolder) -> Stage:
    dropped = folder.manifest.get("dropped") or {}
    return Stage(name, folder.manifest["rows_in"], folder.manifest["rows_out"], dropped)


def _breaks(unit: str, stages: list[Stage]) -> list[Note]:
    """Steps that did not take in all of what the step before them gave out."""
    return [
        Note(
            f"{unit}: {before.name} gave out {before.rows_out:,} but {after.name} took in {after.rows_in:,}; "
            "one of them was made again since, or the run is not finished.",
            warning=True,
        )
        for before, after in pairwise(stages)
        if before.rows_out != after.rows_in
    ]
