"""Lengths: how long responses and training rows are, each limit on the way, and how many rows it cuts."""

from __future__ import annotations

import json
from typing import Any

import polars as pl

from factory.numbers import percent
from factory.report.blocks import Block, Note, Section, folded
from factory.report.plots import histogram
from factory.report.step_folders import RunTables
from factory.report.svg import BAD, EMPTY, FIRST, GOOD, SECOND, SLOW, UNSURE
from factory.run.layout import STAGES
from schemas import Verdict
from schemas.outcome import truncated

_COLOURS = {
    Verdict.CORRECT.value: GOOD,
    Verdict.INCORRECT.value: BAD,
    Verdict.UNVERIFIABLE.value: UNSURE,
    Verdict.NO_ANSWER.value: EMPTY,
    Verdict.TIMEOUT.value: SLOW,
}
_SETS = {"midtrain": FIRST, "sft": SECOND}
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
_LIMITS = {"rl": "max_prompt_length"}


def lengths(run: RunTables) -> Section | None:
    """Token lengths of teacher responses by verdict and of the training sets, with the limits marked."""
    table = run.best_verdicts
    frame = table.typed(completion_tokens=pl.Int64, verdict=pl.String, status=pl.String)
    by = {each: _tokens(frame.filter(pl.col("verdict") == each)) for each in _COLOURS}
    by = {verdict: values for verdict, values in by.items() if values}
    sets = {
        name: _tokens(run.at(run.layout.dataset(name)).typed(completion_tokens=pl.Int64)) for name in _SETS
    }
    sets = {name: values for name, values in sets.items() if values}
    blocks: list[Block] = []
    if by:
        limit = _number(run.recipe.get("generate"), "max_tokens")
        cut = frame.filter(truncated()).height
        said = f"Teacher responses by verdict; {cut:,} of {frame.height:,} ({percent(cut, frame.height)}) were truncated"
        said += f", the limit is {limit:,.0f} tokens" if limit else ""
        blocks.append(
            histogram(
                "lengths",
                by,
                xlabel="completion tokens",
                caption=said,
                colours=[_COLOURS[v] for v in by],
                marks={"limit": limit} if limit else None,
            )
        )
    blocks += [_set_figure(run, name, values) for name, values in sets.items()]
    if rows := [row for stage in STAGES if (row := _stage_row(run, stage))]:
        heads = ("stage", "rows", "median", "90%", "99%", "longest", "limit", "rows over it", "which are")
        over = [f"{stage} {cut} {said}".strip() for stage, *_, cut, said in rows]
        blocks.append(Note(f"Rows over the limit of their stage: {', '.join(over)}."))
        blocks += folded("What the stages read, in tokens of the student", heads, rows)
    rows = [_summary(f"responses, {verdict.replace('_', ' ')}", values) for verdict, values in by.items()]
    rows += [_summary(f"{name} set", values) for name, values in sets.items()]
    if rows:
        heads = ("completion tokens", "rows", "mean", "5%", "25%", "median", "75%", "95%", "longest")
        blocks += folded("Quantiles, as the sampler counted", heads, rows)
    return (
        Section("lengths", "Lengths", f"{table.name}, datasets/, train/*/preflight.json", tuple(blocks))
        if rows
        else None
    )


def _set_figure(run: RunTables, name: str, values: list[int]) -> Block:
    """Lengths as the sampler counted them; the stage's limit stands where it cuts as many rows as the stage did."""
    limit, cut = stage_limit(run, name), cut_rows(run, name)
    said, marks = f"{name} set", {}
    if limit and cut and cut[0]:
        marks["limit"] = float(pl.Series(values).quantile(1 - cut[0] / cut[1]) or 0)
        said += f"; dashed: the stage's limit, {limit:,.0f} tokens of the student, cuts {percent(*cut)} of the rows"
    elif limit and cut:
        said += f"; the stage's limit, {limit:,.0f} tokens of the student, cuts no row"
    colours = [_SETS[name]]
    return histogram(
        f"lengths-{name}", {name: values}, xlabel="tokens", caption=said, marks=marks, colours=colours
    )


def stage_limit(run: RunTables, stage: str) -> float | None:
    """The length in the student's tokens at which a stage cuts rows; None where the recipe does not say."""
    train = run.recipe.get("train")
    section = train.get(stage) if isinstance(train, dict) else None
    return _number(section, _LIMITS.get(stage, "max_length"))


def preflight(run: RunTables, stage: str) -> dict[str, Any]:
    """What the stage found before it trained; nothing where it left nothing readable."""
    try:
        found = json.loads((run.layout.stage(stage) / "preflight.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def cut_rows(run: RunTables, stage: str) -> tuple[int, int] | None:
    """Rows over the stage's limit, and rows it read."""
    facts = preflight(run, stage)
    over, read = facts.get("overlong"), facts.get("read")
    return (len(over), read) if isinstance(over, list) and isinstance(read, int) and read else None


def _stage_row(run: RunTables, stage: str) -> tuple[Any, ...] | None:
    facts, cut = preflight(run, stage).get("lengths"), cut_rows(run, stage)
    if not isinstance(facts, dict) or cut is None:
        return None
    over, read = cut
    limit = stage_limit(run, stage)
    policy = run.recipe.get("train", {}).get(stage, {}).get("overlong", "drop") if limit else ""
    said = {"drop": "left out", "truncate": "cut short"}.get(str(policy), str(policy))
    sizes = [
        round(value) if (value := _number(facts, q)) is not None else None
        for q in ("p50", "p90", "p99", "max")
    ]
    name = f"{stage} (prompts)" if stage == "rl" else stage
    return (
        name,
        read,
        *sizes,
        round(limit) if limit else None,
        f"{over:,} ({percent(over, read)})",
        said if over else "",
    )


def _tokens(rows: pl.DataFrame) -> list[int]:
    return rows["completion_tokens"].drop_nulls().to_list()


def _number(facts: Any, name: str) -> float | None:
    value = facts.get(name) if isinstance(facts, dict) else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _summary(name: str, values: list[int]) -> tuple[object, ...]:
    series = pl.Series(values, dtype=pl.Float64)
    quantiles = [round(q) for q in (series.quantile(p, "nearest") for p in _QUANTILES) if q is not None]
    return (name, len(values), round(sum(values) / len(values)), *quantiles)
