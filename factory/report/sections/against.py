"""This run beside another one: rows, yield, lengths, difficulty and pass@1, with what differs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from factory.errors import FactoryError, first_line
from factory.evaluation.paired import PairedDelta, paired_delta
from factory.evaluation.stages import benchmark_folders, graded_columns, stage_scores
from factory.report.blocks import Block, Note, Section, folded, grid, many
from factory.report.plots import short
from factory.report.sections.steps import flat_recipe
from factory.report.sections.student import teacher_counts
from factory.report.sections.training import MOST_ROWS
from factory.report.sections.yields import responses
from factory.report.step_folders import RunTables
from factory.report.words import step_words
from factory.run.layout import DATASETS, PLAN, STAGES, Kind

_SHOWN = (Kind.READ, Kind.DEDUPLICATE, Kind.DECONTAMINATE, Kind.GENERATE, Kind.SELECT, Kind.MEASURE)
MOST, LONGEST_NAME = 3, 40
"""Benchmarks of the first screen, and characters of a run's name."""


def against_section(run: RunTables, other: RunTables) -> Section:
    """What this run has more or less of than `other`: pass@1 and figures first, settings and steps behind folds."""
    heads = ("", "this run", "the other", "difference", "95% interval", "questions")
    scores = _scores(run, other)
    rows, folds = [_score_row(each) for each in scores], []
    if len(rows) > MOST_ROWS:
        folds, rows = [*folded("Pass@1 after every stage", heads, rows)], []
    rows += [(*each, "", "") for each in _lines(_sizes(run), _sizes(other))]
    wide = 6 if any(row[4] for row in rows) else 4
    blocks: list[Block] = []
    if rows:
        said = "Pass@1 and rows of the sets"
        said += "; an interval that holds 0 shows no difference" if wide == 6 else ""
        blocks.append(grid(heads[:wide], [row[:wide] for row in rows], said, half=True))
    if facts := list(_lines(_measure(run), _measure(other))):
        blocks.append(grid(heads[:4], facts, "Responses, difficulty and lengths", half=True))
    faults = dict.fromkeys(each.fault for each in scores if each.fault)
    blocks += [Note(f"Not compared: {fault}.", warning=True) for fault in faults]
    settings = list(_settings(run, other))
    folds += folded(
        f"Settings of the recipes that differ: {len(settings):,}", ("setting", *heads[1:3]), settings
    )
    folds += folded("Rows after each step", heads[:4], list(_rows(run, other)))
    blocks += folds or ([] if blocks else [Note("The two runs have no table in common.")])
    return Section(
        "against",
        f"Beside {_name(run, other)}",
        f"both runs; the other is {other.run.resolve().name}",
        tuple(blocks),
    )


def against_findings(run: RunTables, other: RunTables) -> list[str]:
    """A sentence per benchmark on the last stage that both evaluated: by how much pass@1 differs, or that it cannot be said."""
    that = _name(run, other)
    last = {each.benchmark: each for each in _scores(run, other) if None not in (each.this, each.that)}
    said = []
    for each in list(last.values())[:MOST]:
        start = f"Beside {that}: pass@1 on {each.benchmark} after {each.stage} {each.this:.1%} against {each.that:.1%}"
        if each.change is None:
            said.append(f"{start}; {each.fault or 'not compared question by question'}.")
            continue
        low, high = 100 * each.change.low, 100 * each.change.high
        sure = low > 0 or high < 0
        said.append(
            f"{start}: {'' if sure else 'no difference that can be shown, '}{100 * each.change.delta:+.1f} points "
            f"({low:+.1f} to {high:+.1f}, {many(each.change.questions, 'questions')})."
        )
    return said


def _name(run: RunTables, other: RunTables) -> str:
    """The other run's name, or its folder's where this run has the same."""
    folder = other.run.resolve().name
    name = str(other.recipe.get("name") or folder)
    return short(folder if name == run.recipe.get("name") else name, LONGEST_NAME)


def _settings(run: RunTables, other: RunTables) -> Iterator[tuple[str, str, str]]:
    pair = [flat_recipe(each.recipe) if each.recipe else {} for each in (run, other)]
    for key in sorted({*pair[0], *pair[1]}) if all(pair) else ():
        values = [each.get(key, "") for each in pair]
        if values[0] != values[1] and key not in ("name", "description"):
            yield key, values[0], values[1]


def _rows(run: RunTables, other: RunTables) -> Iterator[tuple[Any, ...]]:
    for place in PLAN:
        pair = [each.at(each.run / place.folder).manifest.get("rows_out") for each in (run, other)]
        if place.kind in _SHOWN and any(isinstance(n, int) for n in pair):
            yield step_words(place.folder), *pair, _change(*pair)


def _lines(*pair: dict[str, float | None]) -> Iterator[tuple[Any, ...]]:
    for name in dict.fromkeys(key for each in pair for key in each):
        values = [each.get(name) for each in pair]
        if name.endswith("%"):
            shown = ["" if v is None else f"{v:.1f}%" for v in values]
            yield name.removesuffix(", %"), *shown, _change(*values, unit=" points", digits=1)
        elif name.endswith("$"):
            yield (
                name.removesuffix(", $"),
                *("not priced" if v is None else f"${v:,.4g}" for v in values),
                _change(*values, digits=4),
            )
        else:
            yield name, *("" if v is None else f"{v:,.0f}" for v in values), _change(*values)


def _sizes(run: RunTables) -> dict[str, float | None]:
    sets = {name: run.at(run.layout.dataset(name)) for name in DATASETS}
    return {
        f"rows, {name} set": table.rows(["problem_id"]).height
        for name, table in sets.items()
        if table.readable
    }


def _measure(run: RunTables) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    frame = responses(run)
    if frame.height:
        found["responses verified correct, %"] = 100 * _mean(frame["solved"])
        tokens = frame["completion_tokens"].drop_nulls()
        found["median tokens, responses"] = _at(tokens, 0.5)
        found["95th percentile, responses"] = _at(tokens, 0.95)
        right = int(frame["solved"].sum())
        priced = frame["usd"].drop_nulls()
        found["dollars per correct response, $"] = (
            float(priced.sum()) / right if priced.len() and right else None
        )
    counts = teacher_counts(run)
    if counts.height:
        found["teacher never solves, %"] = 100 * _mean(counts["right"] == 0)
    table = run.at(run.layout.difficulty).typed(correct=pl.Int64, attempts=pl.Int64).drop_nulls()
    if table.height and (tried := int(table["attempts"].sum())):
        found["student's right tries, %"] = 100 * int(table["correct"].sum()) / tried
        found["student never solves, %"] = 100 * _mean(table["correct"] == 0)
    for name in DATASETS:
        column = {"preference": "chosen_tokens", "rl": "tokens_mean"}.get(name, "completion_tokens")
        sizes = run.at(run.layout.dataset(name)).typed(**{column: pl.Float64})[column].drop_nulls()
        if sizes.len():
            found[f"median tokens, {name} set"] = _at(sizes, 0.5)
    return found


@dataclass(frozen=True, slots=True)
class _Score:
    """Pass@1 of both runs on one benchmark after one stage, and the paired change or why there is none."""

    stage: str
    benchmark: str
    this: float | None
    that: float | None
    change: PairedDelta | None
    fault: str


def _scores(run: RunTables, other: RunTables) -> list[_Score]:
    pair = [{(s.stage, s.benchmark): s.value for s in stage_scores(each.run)[0]} for each in (run, other)]
    seed = run.recipe.get("seed")
    found = []
    for stage in ("base", *STAGES):
        for benchmark in dict.fromkeys(b for each in pair for s, b in each if s == stage):
            this, that = (each.get((stage, benchmark)) for each in pair)
            change = _paired(run, other, stage, benchmark, seed if isinstance(seed, int) else 0)
            found.append(_Score(stage, benchmark, this, that, *change))
    return found


def _score_row(score: _Score) -> tuple[str, ...]:
    shown = ["" if v is None else f"{v:.1%}" for v in (score.this, score.that)]
    name, change = f"{score.stage}, {score.benchmark}", score.change
    if change is None:
        return name, *shown, "", "", ""
    interval = f"{100 * change.low:+.1f} to {100 * change.high:+.1f}"
    return name, *shown, f"{100 * change.delta:+.1f}", interval, f"{change.questions:,}"


def _paired(
    run: RunTables, other: RunTables, stage: str, benchmark: str, seed: int
) -> tuple[PairedDelta | None, str]:
    folders = [each.layout.evaluation(stage) for each in (other, run)]
    try:
        if not all(folder.is_dir() and benchmark in benchmark_folders(folder) for folder in folders):
            return None, ""
        return paired_delta(*(graded_columns(folder / benchmark) for folder in folders), seed=seed), ""
    except (FactoryError, pl.exceptions.PolarsError, OSError) as error:
        return None, first_line(error)


def _change(this: float | None, that: float | None, *, unit: str = "", digits: int = 0) -> str:
    if not isinstance(this, int | float) or not isinstance(that, int | float):
        return ""
    change = this - that
    if not change:
        return "0"
    share = f" ({100 * change / that:+.0f}%)" if that and not unit and change else ""
    return f"{change:+,.{digits}f}{unit}{share}".replace(" ", "\u00a0")


def _mean(values: pl.Series) -> float:
    return float(values.cast(pl.Float64).mean() or 0)  # type: ignore[arg-type]


def _at(values: pl.Series, share: float) -> float | None:
    return values.cast(pl.Float64).quantile(share, "nearest")
