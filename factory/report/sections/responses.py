"""Teacher responses: lengths, verdicts by method, cost."""

from __future__ import annotations

import polars as pl

from factory.report.blocks import Block, Note, Section, dollars, grid, percent
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
        by = {
            verdict: frame.filter(pl.col("verdict") == verdict)["completion_tokens"].drop_nulls().to_list()
            for verdict in VERDICT_COLOURS
        }
        by = {verdict: values for verdict, values in by.items() if values}
        if by:
            colours = [VERDICT_COLOURS[verdict] for verdict in by]
            caption = "Length of teacher responses by verdict"
            blocks.append(
                histogram("lengths", by, xlabel="completion tokens", caption=caption, colours=colours)
            )
            rows += [_summary(f"responses, {verdict}", values) for verdict, values in by.items()]
        cut = frame.filter(truncated()).height
        share = percent(cut, frame.height)
        blocks.append(
            Note(
                f"{cut:,} of {frame.height:,} responses ({share}) were truncated: by the token budget, or in a loop."
            )
        )
    for name in ("midtrain", "sft"):
        values = (
            run.at(run.layout.dataset(name))
            .rows(["completion_tokens"])["completion_tokens"]
            .drop_nulls()
            .to_list()
        )
        if values:
            rows.append(_summary(f"{name} set", values))
    if rows:
        blocks.append(
            grid(
                ("tokens", "rows", "mean", "p5", "p25", "median", "p75", "p95", "longest"),
                rows,
                "Length quantiles",
            )
        )
    return Section("lengths", "Lengths", f"{table.name}, datasets/", tuple(blocks)) if rows else None


def verdicts(run: RunTables) -> Section | None:
    """Verdicts by method and by how the response ended, before anything was selected."""
    table = run.first(run.layout.verdicts, run.layout.labelled)
    if not table.readable or table.rows(["verdict"]).height == 0:
        return None
    frame = table.rows(["verdict", "method", "status", "judged"]).with_columns(
        pl.col("method").cast(pl.String).fill_null("(none)"),
        pl.col("status").cast(pl.String).fill_null("(none)"),
    )
    blocks: list[Block] = []
    for column, words in (("method", "deciding method"), ("status", "how the response ended")):
        counts = _cross(frame, column)
        caption = f"Verdicts by {words}"
        blocks.append(
            stacked_bars(f"verdicts-{column}", counts, VERDICT_COLOURS, xlabel="responses", caption=caption)
        )
        blocks.append(
            grid(
                (words, *VERDICT_COLOURS, "all"),
                [(k, *(v.get(x, 0) for x in VERDICT_COLOURS), sum(v.values())) for k, v in counts.items()],
                f"{caption}: the numbers",
                folded=True,
            )
        )
    blocks += facts_grids("What the verify step counted", table.totals)
    judged = int(frame["judged"].cast(pl.Boolean).fill_null(False).sum())
    if judged:
        blocks.append(Note(f"An LLM judge overturned the rules on {judged:,} of {frame.height:,} responses."))
    return Section("verdicts", "Verdicts", table.name, tuple(blocks))


def cost(run: RunTables) -> Section | None:
    """Tokens and dollars by sampler and model, and where they went."""
    at = run.layout
    rows: list[tuple[object, ...]] = []
    blocks: list[Block] = []
    columns = ["sampler", "model", "status", "prompt_tokens", "completion_tokens", "usd"]
    priced = pl.when(pl.col("usd").count() > 0).then(pl.col("usd").sum()).alias("usd")
    for folder in (run.at(at.responses), run.at(at.rollouts)):
        if not folder.readable:
            continue
        frame = folder.rows(columns).with_columns(
            pl.col("prompt_tokens", "completion_tokens").cast(pl.Int64), pl.col("usd").cast(pl.Float64)
        )
        grouped = (
            frame.group_by("sampler", "model")
            .agg(pl.len().alias("n"), pl.col("prompt_tokens", "completion_tokens").sum(), priced)
            .sort("sampler", "model")
        )
        rows += [
            (folder.name, sampler, model, n, prompt, completion, dollars(usd))
            for sampler, model, n, prompt, completion, usd in grouped.iter_rows()
        ]
        if folder.name == run.at(at.responses).name and frame.height:
            ended = {
                str(status): {"completion tokens": float(tokens or 0)}
                for status, tokens in frame.group_by("status")
                .agg(pl.col("completion_tokens").sum())
                .sort("status")
                .iter_rows()
            }
            caption = "Teacher tokens by how the response ended"
            blocks.append(
                stacked_bars(
                    "cost-status", ended, {"completion tokens": THIRD}, xlabel="tokens", caption=caption
                )
            )
    if not rows:
        return None
    verified = run.at(at.verdicts)
    if verified.readable:
        frame = verified.rows(["verdict", "usd", "completion_tokens"])
        correct = frame.filter(pl.col("verdict") == Verdict.CORRECT.value).height
        if correct:
            usd, tokens = (
                frame["usd"].drop_nulls().cast(pl.Float64),
                int(frame["completion_tokens"].sum() or 0),
            )
            price = f"{dollars(float(usd.sum()) / correct)} and " if usd.len() else ""
            blocks.append(
                Note(f"{price}{tokens / correct:,.0f} completion tokens per verified-correct response.")
            )
    counted = run.at(at.responses).totals
    blocks += [
        Note(f"Alarm while generating: {alarm}.", warning=True) for alarm in counted.get("alarms") or ()
    ]
    blocks += facts_grids("What the generate step counted", counted)
    blocks.append(
        grid(
            ("table", "sampler", "model", "responses", "prompt tokens", "completion tokens", "price"),
            rows,
            "Tokens and price",
        )
    )
    return Section("cost", "Cost", "responses/teacher, difficulty/rollouts", tuple(blocks))


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
