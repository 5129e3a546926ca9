"""Headline figures: what the run made, from what, and for how much."""

from __future__ import annotations

import polars as pl

from factory.report.blocks import dollars, percent, show
from factory.report.sections.training import read_ladder
from factory.report.step_folders import DATASETS, STAGES, RunTables
from schemas import Verdict


def headline(run: RunTables) -> list[tuple[str, str, str]]:
    """Cards of (figure, what it is, remark), only of what the run already has."""
    at = run.layout
    cards: list[tuple[str, str, str]] = []
    read, clean = run.at(at.problems), run.at(at.clean_problems)
    if clean.readable:
        cards.append(
            (show(clean.rows(["id"]).height if clean.faults else clean.manifest.get("rows_out", 0)), "clean problems",
             f"of {show(read.manifest.get('rows_in', 0))} read" if read.readable else "")
        )  # fmt: skip
    responses = run.at(at.responses)
    if responses.readable:
        frame = responses.rows(["usd", "completion_tokens"])
        tokens = frame["completion_tokens"].sum() or 0
        cards.append((show(frame.height), "teacher responses", f"{show(int(tokens))} completion tokens"))
        priced = frame["usd"].drop_nulls().cast(pl.Float64)
        unpriced = frame.height - priced.len()
        remark = f"{show(unpriced)} responses have no price" if unpriced else "by the dated price list"
        spent = dollars(float(priced.sum())) if priced.len() else "not priced"
        cards.append((spent, "spent on the teacher", remark))
    verdicts = run.at(at.verdicts)
    if verdicts.readable:
        frame = verdicts.rows(["verdict"])
        correct = int((frame["verdict"] == Verdict.CORRECT.value).sum())
        cards.append((show(correct), "verified correct", percent(correct, frame.height) + " of responses"))
    for name in DATASETS:
        dataset = run.at(at.dataset(name))
        if dataset.readable:
            cards.append((show(dataset.rows(["problem_id"]).height), f"{name} rows", "finished training set"))
    ladder, _ = read_ladder(run)
    for benchmark in dict.fromkeys(point.benchmark for point in ladder):
        found = {p.stage: p for p in ladder if p.benchmark == benchmark}
        stages = [stage for stage in ("base", *STAGES) if stage in found]
        if stages:
            last, first = found[stages[-1]], found[stages[0]]
            remark = f"pass@1 after {stages[-1]}" + (
                f", {first.value:.1f}% at {stages[0]}" if len(stages) > 1 else ""
            )
            cards.append((f"{last.value:.1f}%", benchmark, remark))
    return cards
