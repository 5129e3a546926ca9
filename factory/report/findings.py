"""The first screen: what was made, what to know about it, what to worry about. Sentences written from the tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl

from factory.evaluation.stages import stage_scores
from factory.numbers import dollars, percent
from factory.report.blocks import many, show
from factory.report.plots import short
from factory.report.sections.gates import certificate
from factory.report.sections.lengths import cut_rows, stage_limit
from factory.report.sections.student import teacher_counts
from factory.report.sections.training import meaning, read_deltas
from factory.report.step_folders import RunTables
from factory.report.words import reason_words
from factory.run.layout import DATASETS, STAGES
from schemas.outcome import solved, truncated

MOST = 3
"""Benchmarks of the first screen; the section on training has all."""
WORTH = 0.01
"""The smallest share of lost rows that a finding names."""


def made(run: RunTables) -> str:
    """One sentence: which sets, from what, and which student."""
    at = run.layout
    sets = [
        (name, run.at(at.dataset(name)).rows(["problem_id"]).height)
        for name in DATASETS
        if run.at(at.dataset(name)).readable
    ]
    frame = run.at(at.responses).typed(sampler=pl.String, model=pl.String)
    parts = []
    if sets:
        parts.append("Training sets: " + ", ".join(f"{name} {many(rows, 'rows')}" for name, rows in sets))
    if frame.height:
        models = [str(each) for each in frame["model"].drop_nulls().unique(maintain_order=True)[:3]]
        parts.append(f"made from {frame.height:,} responses of {', '.join(models) or 'a teacher'}")
    stages = [stage for stage in STAGES if run.at(at.checkpoint(stage)).manifest]
    if stages:
        parts.append(f"a student trained through {', '.join(stages)}")
    return f"{'; '.join(parts)}." if parts else ""


def findings(run: RunTables) -> list[str]:
    """What a reader should know first, the most important first; nothing that the run does not show."""
    return [*_yield(run), *_training(run), *_losses(run), *_clean(run)]


def alarms(run: RunTables) -> list[str]:
    """What should not be overlooked: alarms of the teacher, pairs that failed a check, nothing checked."""
    raised = run.at(run.layout.responses).totals.get("alarms")
    said = [f"While generating: {alarm}." for alarm in (raised if isinstance(raised, list) else ())]
    lint = run.at(run.layout.selected("preference")).totals.get("lint")
    if isinstance(lint, dict) and lint.get("passed") is False:
        said.append("The preference pairs did not pass every check.")
    for name in DATASETS:
        folder = run.at(run.layout.dataset(name))
        if folder.readable and not folder.rows(["problem_id"]).height:
            lost = run.at(run.layout.selected(name)).lost
            why = ", ".join(f"{n:,} {reason_words(reason)}" for reason, n in lost.items())
            said.append(f"The {name} set has no rows{': ' if why else ''}{why}.")
    for folder in (run.at(run.layout.clean_problems), run.at(run.layout.clean_verdicts)):
        proof = certificate(folder)
        if proof is not None and proof.get("benchmarks") == []:
            said.append(f"{folder.name} was compared with no benchmark: the recipe names none.")
    return said


def cards(run: RunTables) -> list[tuple[str, str, str]]:
    """Figures of (figure, what it is, remark), only of what the run already has."""
    at = run.layout
    found: list[tuple[str, str, str]] = []
    read, clean = run.at(at.problems), run.at(at.clean_problems)
    if clean.readable:
        remark = f"of {show(read.manifest.get('rows_in', 0))} read" if read.readable else ""
        rows = clean.rows(["id"]).height if clean.faults else clean.manifest.get("rows_out", 0)
        found.append((show(rows), "clean problems", remark))
    found += _spent(run)
    verdicts = run.at(at.verdicts)
    if verdicts.readable:
        frame = verdicts.typed(verdict=pl.String, status=pl.String)
        correct = frame.filter(solved()).height
        found.append((show(correct), "verified correct", percent(correct, frame.height) + " of responses"))
    scores, _ = stage_scores(run.run)
    for benchmark in list(dict.fromkeys(score.benchmark for score in scores))[:MOST]:
        of = [score for score in scores if score.benchmark == benchmark]
        first, last = of[0], of[-1]
        remark = f"pass@1 after {last.stage}"
        remark += f", {first.value:.1%} at {first.stage}" if first is not last else ""
        found.append((f"{last.value:.1%}", short(benchmark, 24), remark))
    return found


def _spent(run: RunTables) -> Iterator[tuple[str, str, str]]:
    responses = run.at(run.layout.responses)
    if not responses.readable:
        return
    frame = responses.typed(usd=pl.Float64, completion_tokens=pl.Int64)
    tokens = frame["completion_tokens"].drop_nulls()
    yield (
        show(frame.height),
        "teacher responses",
        f"{show(int(tokens.sum()))} completion tokens" if tokens.len() else "",
    )
    priced = frame["usd"].drop_nulls()
    unpriced = frame.height - priced.len()
    total = float(priced.sum() or 0)
    remark = (
        f"{show(unpriced)} responses have no price"
        if unpriced
        else "by the dated price list"
        if total
        else "the teacher costs nothing"
    )
    yield dollars(total) if priced.len() else "not priced", "spent on the teacher", remark
    if reused := responses.totals.get("reused"):
        usd, spared = responses.totals.get("usd_spared"), responses.totals.get("spared")
        saved = f"{show(spared)} requests spared" if spared else ""
        saved += f", about {dollars(usd)}" if usd else ""
        yield show(reused), "responses that came with the problems", saved


def _yield(run: RunTables) -> Iterator[str]:
    counts = teacher_counts(run)
    frame = (
        run.first(run.layout.verdicts, run.layout.labelled)
        .typed(verdict=pl.String, status=pl.String)
        .drop_nulls("verdict")
    )
    if not frame.height or not counts.height:
        return
    right, never = frame.filter(solved()).height, counts.filter(pl.col("right") == 0).height
    some = counts.height - never
    said = f"{percent(right, frame.height)} of the {frame.height:,} responses are verified correct; {some:,} of {counts.height:,} problems have a right one"
    cut = frame.filter(truncated()).height
    yield said + (
        f", and {percent(cut, frame.height)} of the responses were truncated or looped."
        if cut >= WORTH * frame.height
        else "."
    )


def _training(run: RunTables) -> Iterator[str]:
    """Per benchmark: from where to where, which stages rose or fell, and which brought nothing that can be shown."""
    scores, _ = stage_scores(run.run)
    deltas, _ = read_deltas(run)
    for benchmark in list(dict.fromkeys(score.benchmark for score in scores))[:MOST]:
        of = [score for score in scores if score.benchmark == benchmark]
        first, last = of[0], of[-1]
        if first is last:
            yield f"pass@1 on {benchmark} is {last.value:.1%} after {last.stage} ({last.low:.1%} to {last.high:.1%})."
            continue
        order = [score.stage for score in of]
        near = [
            d
            for d in deltas
            if d.benchmark == benchmark and order.index(d.after) - order.index(d.before) == 1
        ]
        moved = [f"{d.after} {100 * d.change.delta:+.1f}" for d in near if meaning(d) != "unclear"]
        flat = [d.after for d in near if meaning(d) == "unclear"]
        said = f"pass@1 on {benchmark} went from {first.value:.1%} ({first.stage}) to {last.value:.1%} ({last.stage})"
        said += f": {', '.join(moved)} points" if moved else ""
        if flat:
            tries = f"{last.samples:,} samples" if last.samples else "this evaluation"
            said += f"; {' and '.join(flat)} brought nothing that {tries} can show"
        yield f"{said}."


def _losses(run: RunTables) -> Iterator[str]:
    """Copies among the responses, and rows that a stage's limit cuts."""
    unique = run.at(run.layout.unique_verdicts)
    came = unique.manifest.get("rows_in")
    copies = sum(n for why, n in unique.lost.items() if "duplicate" in why)
    if isinstance(came, int) and copies >= WORTH * max(came, 1):
        yield f"{percent(copies, came)} of the responses ({copies:,}) were copies of another one and were dropped."
    cuts = []
    for stage in STAGES:
        over, limit = cut_rows(run, stage), stage_limit(run, stage)
        if over and limit and over[0] >= WORTH * over[1]:
            cuts.append(f"{stage} {percent(*over)} of its rows (longer than {limit:,.0f} tokens)")
    if cuts:
        yield f"Length limits cut rows: {', '.join(cuts)}."


def _clean(run: RunTables) -> Iterator[str]:
    at = run.layout
    checked = [
        (what, folder)
        for what, folder in (
            ("problems", run.at(at.clean_problems)),
            ("responses", run.at(at.clean_verdicts)),
        )
        if folder.readable
    ]
    proofs: list[Any] = [
        proof for _, folder in checked if (proof := certificate(folder)) and proof.get("benchmarks")
    ]
    if not proofs:
        return
    lost = [
        f"{folder.manifest.get('rows_dropped', 0):,} of {folder.manifest.get('rows_in', 0):,} {what}"
        for what, folder in checked
    ]
    yield f"Compared with {many(len(proofs[0]['benchmarks']), 'benchmarks')}: {' and '.join(lost)} matched and were dropped."
