"""This run beside another one: rows, yield, lengths, difficulty and pass@1, with what differs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl

from factory.errors import FactoryError, first_line
from factory.evaluation.ladder import benchmark_folders, graded_columns, read_ladder
from factory.evaluation.paired import paired_delta
from factory.report.blocks import Block, Note, Section, grid
from factory.report.sections.student import teacher_counts
from factory.report.sections.yields import responses
from factory.report.step_folders import RunTables
from factory.report.words import step_words
from factory.run.layout import DATASETS, PLAN, STAGES, Kind

_SHOWN = (Kind.READ, Kind.DEDUPLICATE, Kind.DECONTAMINATE, Kind.GENERATE, Kind.SELECT, Kind.MEASURE)


def against_section(run: RunTables, other: RunTables) -> Section:
    """What this run has more or less of than `other`."""
    names = (
        str(run.recipe.get("name") or run.run.resolve().name),
        str(other.recipe.get("name") or other.run.resolve().name),
    )
    this, that = names if names[0] != names[1] else (run.run.resolve().name, other.run.resolve().name)
    heads = ("", this, that, "difference")
    blocks: list[Block] = []
    for caption, lines in (
        ("Rows after each step", _rows(run, other)),
        ("Responses and training sets", _facts(run, other)),
    ):
        if found := list(lines):
            blocks.append(grid(heads, found, caption))
    scores = list(_scores(run, other))
    if scores:
        caption = "Paired over the questions that both evaluations scored; an interval that holds 0 shows no difference"
        blocks.append(
            grid(("pass@1", this, that, "points", "95% interval", "questions of both"), scores, caption)
        )
    if not blocks:
        blocks = [Note("The two runs have no table in common.")]
    return Section(
        "against", f"Beside {that}", f"both runs; the other is {other.run.resolve().name}", tuple(blocks)
    )


def _rows(run: RunTables, other: RunTables) -> Iterator[tuple[Any, ...]]:
    for place in PLAN:
        pair = [each.at(each.run / place.folder).manifest.get("rows_out") for each in (run, other)]
        if place.kind in _SHOWN and any(isinstance(n, int) for n in pair):
            yield step_words(place.folder), *pair, _change(*pair)


def _facts(run: RunTables, other: RunTables) -> Iterator[tuple[Any, ...]]:
    pair = [_measure(run), _measure(other)]
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


def _measure(run: RunTables) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    frame = responses(run)
    if frame.height:
        found["responses verified correct, %"] = 100 * _mean(frame["solved"])
        tokens = frame["completion_tokens"].drop_nulls()
        found["median tokens of a response"] = _at(tokens, 0.5)
        found["tokens of the longest response in twenty"] = _at(tokens, 0.95)
        right = int(frame["solved"].sum())
        priced = frame["usd"].drop_nulls()
        found["dollars per correct response, $"] = (
            float(priced.sum()) / right if priced.len() and right else None
        )
    counts = teacher_counts(run)
    if counts.height:
        found["problems that the teacher never solves, %"] = 100 * _mean(counts["right"] == 0)
    table = run.at(run.layout.difficulty).typed(correct=pl.Int64, attempts=pl.Int64).drop_nulls()
    if table.height and (tried := int(table["attempts"].sum())):
        found["tries of the student that are right, %"] = 100 * int(table["correct"].sum()) / tried
        found["problems that the student never solves, %"] = 100 * _mean(table["correct"] == 0)
    for name in DATASETS:
        column = {"preference": "chosen_tokens", "rl": "tokens_mean"}.get(name, "completion_tokens")
        sizes = run.at(run.layout.dataset(name)).typed(**{column: pl.Float64})[column].drop_nulls()
        if sizes.len():
            found[f"median tokens, {name} set"] = _at(sizes, 0.5)
    return found


def _scores(run: RunTables, other: RunTables) -> Iterator[tuple[Any, ...]]:
    """One row per stage and benchmark that either has: both values, and the paired difference where it can be had."""
    pair = [{(s.stage, s.benchmark): s.value for s in read_ladder(each.run)[0]} for each in (run, other)]
    seed = run.recipe.get("seed")
    for stage in ("base", *STAGES):
        for benchmark in dict.fromkeys(b for each in pair for s, b in each if s == stage):
            values = [each.get((stage, benchmark)) for each in pair]
            shown = ["" if v is None else f"{v:.1%}" for v in values]
            yield (
                f"{stage}, {benchmark}",
                *shown,
                *_paired(run, other, stage, benchmark, seed if isinstance(seed, int) else 0),
            )


def _paired(run: RunTables, other: RunTables, stage: str, benchmark: str, seed: int) -> tuple[str, str, str]:
    folders = [each.layout.evaluation(stage) for each in (other, run)]
    try:
        if not all(folder.is_dir() and benchmark in benchmark_folders(folder) for folder in folders):
            return "", "", ""
        change = paired_delta(*(graded_columns(folder / benchmark) for folder in folders), seed=seed)
    except (FactoryError, pl.exceptions.PolarsError, OSError) as error:
        return "", first_line(error), ""
    return (
        f"{100 * change.delta:+.1f}",
        f"{100 * change.low:+.1f} to {100 * change.high:+.1f}",
        f"{change.questions:,}",
    )


def _change(this: float | None, that: float | None, *, unit: str = "", digits: int = 0) -> str:
    if not isinstance(this, int | float) or not isinstance(that, int | float):
        return ""
    change = this - that
    if not change:
        return "0"
    share = f" ({100 * change / that:+.0f}%)" if that and not unit and change else ""
    return f"{change:+,.{digits}f}{unit}{share}"


def _mean(values: pl.Series) -> float:
    return float(values.cast(pl.Float64).mean() or 0)  # type: ignore[arg-type]


def _at(values: pl.Series, share: float) -> float | None:
    return values.cast(pl.Float64).quantile(share, "nearest")
