"""Teacher responses: lengths, verdicts by method, cost."""

from __future__ import annotations

import polars as pl

from factory.numbers import dollars, percent
from factory.report.blocks import Block, Note, Section, grid
from factory.report.plots import histogram, stacked_bars
from factory.report.sections.gates import facts_grids
from factory.report.step_folders import RunTables
from factory.report.svg import BAD, EMPTY, GOOD, SLOW, THIRD, UNSURE
from schemas import Verdict
from schemas.outcome import truncated

VERDICT_COLOURS = {
    Verdict.CORRECT.value: GOOD,
    Verdict.INCORRECT.value: BAD,
    Verdict.UNVERIFIABLE.value: UNSURE,
    Verdict.NO_ANSWER.value: EMPTY,
    Verdict.TIMEOUT.value: SLOW,
}
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


def lengths(run: RunTables) -> Section | None:
    """Token lengths of teacher responses by verdict, and of the training sets."""
    table = run.best_verdicts
    blocks: list[Block] = []
    rows: list[tuple[object, ...]] = []
    if table.readable:
        frame = table.rows(["completion_tokens", "verdict", "status"])
        by = {verdict: _tokens(frame.filter(pl.col("verdict") == verdict)) for verdict in VERDICT_COLOURS}
        by = {verdict: values for verdict, values in by.items() if values}
        if by:
            colours = [VERDICT_COLOURS[verdict] for verdict in by]
            caption = "Length of teacher responses by verdict"
            blocks.append(
                histogram("lengths", by, xlabel="completion tokens", caption=caption, colours=colours)
            )
            rows += [_summary(f"responses, {verdict}", values) for verdict, values in by.items()]
        cut = frame.filter(truncated()).height
        said = f"{cut:,} of {frame.height:,} responses ({percent(cut, frame.height)}) were truncated"
        blocks.append(Note(f"{said}: by the token budget, or in a loop."))
    for name in ("midtrain", "sft"):
        if values := _tokens(run.at(run.layout.dataset(name)).rows(["completion_tokens"])):
            rows.append(_summary(f"{name} set", values))
    columns = ("tokens", "rows", "mean", "p5", "p25", "median", "p75", "p95", "longest")
    blocks.append(grid(columns, rows, "Length quantiles"))
    return Section("lengths", "Lengths", f"{table.name}, datasets/", tuple(blocks)) if rows else None


def verdicts(run: RunTables) -> Section | None:
    """Verdicts by method and by how the response ended, before anything was selected."""
    table = run.first(run.layout.verdicts, run.layout.labelled)
    frame = table.rows(["verdict", "method", "status", "judged"])
    if not frame.height:
        return None
    frame = frame.with_columns(pl.col("method", "status").cast(pl.String).fill_null("(none)"))
    blocks: list[Block] = []
    for column, words in (("method", "deciding method"), ("status", "how the response ended")):
        counts = _cross(frame, column)
        caption = f"Verdicts by {words}"
        bars = stacked_bars(
            f"verdicts-{column}", counts, VERDICT_COLOURS, xlabel="responses", caption=caption
        )
        rows = [(k, *(v.get(x, 0) for x in VERDICT_COLOURS), sum(v.values())) for k, v in counts.items()]
        numbers = grid((words, *VERDICT_COLOURS, "all"), rows, f"{caption}: the numbers", folded=True)
        blocks += [bars, numbers]
    blocks += facts_grids("What the verify step counted", table.totals)
    judged = int(frame["judged"].cast(pl.Boolean).fill_null(False).sum())
    if judged:
        correct = frame.filter(pl.col("verdict") == "correct")
        missed = int(correct["judged"].cast(pl.Boolean).fill_null(False).sum())
        blocks.append(
            Note(
                f"An LLM judge overturned the rules on {judged:,} of {frame.height:,} responses. By its word the rules "
                f"missed {missed:,} of {correct.height:,} right answers ({missed / max(1, correct.height):.1%} false negatives)."
            )
        )
    return Section("verdicts", "Verdicts", table.name, tuple(blocks))


def cost(run: RunTables) -> Section | None:
    """Tokens and dollars by sampler and model, and where they went."""
    at = run.layout
    responses, verified = run.at(at.responses), run.at(at.verdicts)
    rows: list[tuple[object, ...]] = []
    blocks: list[Block] = []
    priced = pl.when(pl.col("usd").count() > 0).then(pl.col("usd").sum()).alias("usd")
    for folder in (responses, run.at(at.rollouts)):
        columns = ["sampler", "model", "status", "prompt_tokens", "completion_tokens", "usd"]
        frame = folder.rows(columns).cast(
            {"prompt_tokens": pl.Int64, "completion_tokens": pl.Int64, "usd": pl.Float64}
        )
        grouped = frame.group_by("sampler", "model").agg(
            pl.len().alias("n"), pl.col("prompt_tokens", "completion_tokens").sum(), priced
        )
        for *facts, usd in grouped.sort("sampler", "model").iter_rows():
            rows.append((folder.name, *facts, dollars(usd)))
        if folder is responses and frame.height:
            by_status = frame.group_by("status").agg(pl.col("completion_tokens").sum()).sort("status")
            ended = {str(s): {"completion tokens": float(n or 0)} for s, n in by_status.iter_rows()}
            colours = {"completion tokens": THIRD}
            caption = "Teacher tokens by how the response ended"
            blocks.append(stacked_bars("cost-status", ended, colours, xlabel="tokens", caption=caption))
    if not responses.readable and not run.at(at.rollouts).readable:
        return None
    frame = verified.rows(["verdict", "usd", "completion_tokens"])
    correct = frame.filter(pl.col("verdict") == Verdict.CORRECT.value).height
    if correct:
        usd, tokens = frame["usd"].drop_nulls().cast(pl.Float64), int(frame["completion_tokens"].sum() or 0)
        price = f"{dollars(float(usd.sum()) / correct)} and " if usd.len() else ""
        each = f"{price}{tokens / correct:,.0f} completion tokens per verified-correct response."
        blocks.append(Note(each))
    alarms = responses.totals.get("alarms") or ()
    blocks += [Note(f"Alarm while generating: {alarm}.", warning=True) for alarm in alarms]
    blocks += facts_grids("What the generate step counted", responses.totals)
    heads = ("table", "sampler", "model", "responses", "prompt tokens", "completion tokens", "price")
    blocks.append(grid(heads, rows, "Tokens and price"))
    return Section("cost", "Cost", "responses/teacher, difficulty/rollouts", tuple(blocks))


def _tokens(rows: pl.DataFrame) -> list[int]:
    return rows["completion_tokens"].drop_nulls().to_list()


def _cross(frame: pl.DataFrame, column: str) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    counts = frame.group_by(column, "verdict").len().sort(column, "verdict")
    for value, verdict, n in counts.iter_rows():
        found.setdefault(str(value), {})[str(verdict)] = n
    return dict(sorted(found.items(), key=lambda pair: -sum(pair[1].values())))


def _summary(name: str, values: list[int]) -> tuple[object, ...]:
    series = pl.Series(values, dtype=pl.Float64)
    quantiles = [round(q) for q in (series.quantile(p, "nearest") for p in _QUANTILES) if q is not None]
    return (name, len(values), round(sum(values) / len(values)), *quantiles)
