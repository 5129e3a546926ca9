"""Yield: rows through every step, and what share of the responses is kept by source, domain and level, at which cost."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import polars as pl

from factory.numbers import dollars, percent
from factory.report.blocks import Block, Note, Section, bar, folded, grid
from factory.report.plots import bars
from factory.report.sections.student import solved_bins, teacher_counts
from factory.report.step_folders import RunTables, StepFolder, ordered
from factory.report.words import reason_words, step_words
from factory.run.layout import PLACES, Kind, place_of
from schemas import Verdict
from schemas.outcome import solved

SHOWN = 5
"""Groups of a table; the rest are folded."""
_HIDDEN = (Kind.TRAIN, Kind.EVALUATE, Kind.EXPORT)
"""Steps that neither drop rows nor begin with others: they stand among the times."""


def funnel(run: RunTables) -> Section | None:
    """What went into every step, what came out and why the rest was dropped, in the order of the plan."""
    folders = [folder for folder in ordered(run) if _counted(folder)]
    steps = [folder for folder in folders if not _quiet(folder)]
    shown = [folder for folder in steps if folder.lost or _first(steps, folder)]
    rows = [_row(folder, _widest(steps, folder)) for folder in shown]
    blocks: list[Block] = [grid(("step", "in", "out", "", "dropped"), rows)] if rows else []
    if others := [f"“{step_words(folder.name)}”" for folder in steps if folder not in shown]:
        blocks.append(Note(f"Nothing was dropped by {', '.join(others)}."))
    blocks += _breaks(run)
    if unbalanced := [each.name for each in folders if not _balanced(each)]:
        said = (
            f"Row counts do not add up in {', '.join(unbalanced)}: rows in differ from rows out plus dropped."
        )
        blocks.append(Note(said, warning=True))
    return Section("funnel", "Funnel", "_manifest.json of every step", tuple(blocks)) if blocks else None


def yields(run: RunTables) -> Section | None:
    """Accept rate, kept rows and their cost by source, domain and level; verdicts by method and by ending; cost by model."""
    frame = responses(run)
    if not frame.height:
        return None
    chosen = run.at(run.layout.selected("midtrain")).readable
    heads = ("responses", "accepted", "kept", "tokens", "dollars")
    blocks: list[Block] = []
    folds: list[Block] = []
    for by in ("source", "domain", "level"):
        rows = [(_name(group), *_cells(facts)) for group, facts in _groups(frame, by)]
        if rows and (len(rows) > 1 or by == "source"):
            blocks.append(grid((by, *heads), rows[:SHOWN], f"By {by}", half=True))
            folds += folded(f"{len(rows[SHOWN:]):,} more by {by}", (by, *heads), rows[SHOWN:])
    table = run.first(run.layout.verdicts, run.layout.labelled)
    ways = (("method", "deciding method"), ("status", "how the response ended"))
    for column, words in ways:
        counts = _cross(table, column)
        verdicts = [each.value for each in Verdict if any(each.value in row for row in counts.values())]
        rows = [
            (k.replace("_", " "), *(v.get(x, 0) for x in verdicts), sum(v.values()))
            for k, v in counts.items()
        ]
        title = f"Verdicts by {words}"
        folds += folded(title, (words, *(v.replace("_", " ") for v in verdicts), "all"), rows)
    blocks += [*_solved(run), *_judged(table), *folds, *cost(run)]
    source = f"{table.name}, selected/midtrain" if chosen else table.name
    said = f"{source}; kept: {'midtrain rows' if chosen else 'correct'}; tokens and dollars are per row kept"
    return Section("yield", "Yield", said, tuple(blocks))


def _solved(run: RunTables) -> list[Block]:
    """How many of each problem's responses are right."""
    counts = teacher_counts(run)
    if not counts.height:
        return []
    bins, remark = solved_bins(counts)
    caption = f"{counts.height:,} problems by how many of the teacher's responses are right{remark}"
    return [bars("solved-teacher", bins, xlabel="right", caption=caption)]


def responses(run: RunTables) -> pl.DataFrame:
    """Every teacher response with its verdict, labels, cost, and whether it is kept in the midtrain set."""
    at = run.layout
    columns: dict[str, Any] = dict.fromkeys(
        ("response_id", "problem_id", "verdict", "status", "source", "domain", "level"), pl.String
    )
    table = run.first(at.verdicts, at.labelled)
    frame = table.typed(**columns, completion_tokens=pl.Int64, usd=pl.Float64)
    labels = run.at(at.labelled).typed(problem_id=pl.String, domain=pl.String, level=pl.String)
    frame = frame.join(
        labels.unique("problem_id", keep="first", maintain_order=True),
        on="problem_id",
        how="left",
        suffix="_label",
    )
    frame = frame.with_columns(pl.coalesce(f"{name}_label", name).alias(name) for name in ("domain", "level"))
    chosen = run.at(at.selected("midtrain"))
    ids = chosen.typed(response_id=pl.String)["response_id"].drop_nulls()
    is_kept = pl.col("response_id").is_in(ids.implode()) if chosen.readable else solved()
    return frame.with_columns(solved=solved().fill_null(False), kept=is_kept.fill_null(False))


def _groups(frame: pl.DataFrame, by: str) -> list[tuple[str | None, dict[str, Any]]]:
    sums = frame.group_by(by).agg(
        pl.col("problem_id").n_unique().alias("problems"), pl.len().alias("responses"), pl.col("solved", "kept").sum(),
        pl.col("completion_tokens").sum(), pl.col("usd").sum(), pl.col("usd").count().alias("priced"),
    )  # fmt: skip
    rows = sums.sort("responses", by, descending=[True, False], nulls_last=True).iter_rows(named=True)
    return [(row.pop(by), row) for row in rows]


def _cells(f: dict[str, Any]) -> tuple[Any, ...]:
    n = f["kept"]
    tokens = f"{f['completion_tokens'] / n:,.0f}" if n and f["completion_tokens"] else "–"
    price = "not priced" if not f["priced"] else dollars(f["usd"] / n) if n else "–"
    return f["responses"], percent(f["solved"], f["responses"]), n, tokens, price


def cost(run: RunTables) -> list[Block]:
    """Tokens and dollars by sampler and model."""
    rows = []
    types: dict[str, Any] = {
        "sampler": pl.String,
        "model": pl.String,
        "prompt_tokens": pl.Int64,
        "completion_tokens": pl.Int64,
    }
    for folder in (run.at(run.layout.responses), run.at(run.layout.rollouts)):
        grouped = folder.typed(**types, usd=pl.Float64).group_by("sampler", "model").agg(
            pl.len().alias("n"), pl.col("prompt_tokens", "completion_tokens").sum(),
            pl.when(pl.col("usd").count() > 0).then(pl.col("usd").sum()).alias("usd"),
        )  # fmt: skip
        for *facts, usd in grouped.sort("sampler", "model").iter_rows():
            rows.append((step_words(folder.name), *facts, "not priced" if usd is None else dollars(usd)))
    heads = ("step", "sampler", "model", "responses", "prompt tokens", "completion tokens", "price")
    return list(folded("Tokens and price by model", heads, rows))


def _cross(table: StepFolder, column: str) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    frame = table.typed(**{column: pl.String, "verdict": pl.String}).with_columns(
        pl.col(column).fill_null("(none)")
    )
    for value, verdict, n in frame.group_by(column, "verdict").len().sort(column, "verdict").iter_rows():
        found.setdefault(str(value), {})[str(verdict)] = n
    return dict(sorted(found.items(), key=lambda pair: -sum(pair[1].values())))


def _judged(table: StepFolder) -> list[Block]:
    frame = table.typed(verdict=pl.String, judged=pl.Boolean)
    judged = int(frame["judged"].sum() or 0)
    if not judged:
        return []
    correct = frame.filter(pl.col("verdict") == Verdict.CORRECT.value)
    missed = int(correct["judged"].sum() or 0)
    said = (
        f"An LLM judge overturned the rules on {judged:,} of {frame.height:,} responses. By its word the rules "
        f"missed {missed:,} of {correct.height:,} right answers ({percent(missed, correct.height)} false negatives)."
    )
    return [Note(said)]


def _name(group: str | None) -> str:
    return "(none)" if group is None else group


def _quiet(folder: StepFolder) -> bool:
    place = place_of(folder.name)
    return place is not None and place.kind in _HIDDEN and not folder.lost


def _first(steps: list[StepFolder], folder: StepFolder) -> bool:
    """Whether no step before it counts the same unit."""
    place = place_of(folder.name)
    units = [other.unit for each in steps[: steps.index(folder)] if (other := place_of(each.name))]
    return place is None or place.unit not in units


def _widest(shown: list[StepFolder], folder: StepFolder) -> int:
    """The most rows of any step of the same unit."""
    place = place_of(folder.name)
    unit = place.unit if place else None
    same = [each for each in shown if unit and (other := place_of(each.name)) and other.unit == unit]
    return max((each.manifest["rows_in"] for each in same or [folder]), default=1) or 1


def _row(folder: StepFolder, widest: int) -> tuple[Any, ...]:
    came, left = folder.manifest["rows_in"], folder.manifest["rows_out"]
    dropped = folder.lost
    reasons = ", ".join(
        f"{n:,} {reason_words(why)}" for why, n in sorted(dropped.items(), key=lambda x: (-x[1], x[0]))
    )
    said = f"{left:,} of {came:,} kept"
    return (
        step_words(folder.name),
        came,
        left,
        bar(left / widest, sum(dropped.values()) / widest, said),
        reasons,
    )


def _counted(folder: StepFolder) -> bool:
    return all(isinstance(folder.manifest.get(name), int) for name in ("rows_in", "rows_out"))


def _balanced(folder: StepFolder) -> bool:
    return bool(folder.manifest["rows_in"] == folder.manifest["rows_out"] + sum(folder.lost.values()))


def _breaks(run: RunTables) -> list[Note]:
    """Steps that did not take in all of what the step before them gave out."""
    notes = []
    for unit in ("problems", "responses"):
        lane = [
            run.at(run.layout.run / place.folder)
            for place in PLACES.values()
            if place.unit == unit and place.kind not in (Kind.HOLD_OUT, Kind.IMPORT, Kind.MEASURE, *_HIDDEN)
        ]
        for before, after in pairwise([folder for folder in lane if _counted(folder)]):
            if before.manifest["rows_out"] != after.manifest["rows_in"]:
                said = (
                    f"“{step_words(before.name)}” gave out {before.manifest['rows_out']:,} rows but “{step_words(after.name)}” took in "
                    f"{after.manifest['rows_in']:,}; one of them was made again since, or the run is not finished."
                )
                notes.append(Note(said, warning=True))
    return notes
