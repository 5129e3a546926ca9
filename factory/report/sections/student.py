"""How hard the problems are for the student: pass rates, bands, and whether the posterior can be believed."""

from __future__ import annotations

from typing import Any

import polars as pl

from factory.datasets.posterior import Prior
from factory.evaluation.calibration import LEAST, next_rollout, other_half, reliability
from factory.report import plots
from factory.report.blocks import Block, Note, Section, grid
from factory.report.sections.gates import facts_grids
from factory.report.step_folders import RunTables, StepFolder
from factory.report.svg import BAD, FIRST, GOOD
from schemas import Band

_BANDS = {Band.TOO_HARD.value: BAD, Band.USEFUL.value: FIRST, Band.TOO_EASY.value: GOOD}


def difficulty(run: RunTables) -> Section | None:
    """Pass rate by band, by level, and how far the posteriors can be believed."""
    table = run.at(run.layout.difficulty)
    frame = table.rows(
        ["pass_rate", "pass_rate_low", "pass_rate_high", "band", "level", "attempts", "truncated", "domain"]
        + ["pass_rate_corrected", "guess_rate"]
    ).with_columns(  # older tables have neither, and knew no guessing
        pl.coalesce("pass_rate_corrected", "pass_rate").alias("pass_rate_corrected"),
        pl.col("guess_rate").fill_null(0),
    )
    if not table.readable or not frame.height:
        return None
    guesses = frame.filter(pl.col("guess_rate") > 0)["guess_rate"]
    rates = {band: frame.filter(pl.col("band") == band)["pass_rate_corrected"].to_list() for band in _BANDS}
    drawn = plots.histogram(
        "pass-rate",
        rates,
        xlabel="posterior mean pass rate" + (", corrected for guessing" if guesses.len() else ""),
        caption="Pass rate of the student, by band",
        bins=20,
        limits=(0, 1),
        colours=list(_BANDS.values()),
    )
    width = (frame["pass_rate_high"] - frame["pass_rate_low"]).to_numpy().mean()
    said = (
        f"{int(frame['attempts'].sum()):,} rollouts with a signal over {frame.height:,} problems; the 95% intervals are "
        f"{width:.2f} wide on average; {int(frame['truncated'].fill_null(0).sum()):,} rollouts were truncated."
    )
    in_band = [(pl.col("band") == band).sum().alias(band) for band in _BANDS]
    blocks: list[Block] = [drawn, Note(said)]
    shown = {"pass_rate": "mean pass rate"}
    if guesses.len():
        shown = {"pass_rate_corrected": "mean pass rate, corrected", "pass_rate": "raw"}
        told = (
            f"{guesses.len():,} problems are choice questions: blind guessing passes {guesses.sum() / guesses.len():.0%} of them on average, "
            "so bands and corrected rates start from there (0 is guessing, 1 is always right)."
        )
        blocks.append(Note(told))
    for by in ("level", "domain"):
        key = pl.col(by).cast(pl.String).fill_null("(unlabelled)")
        groups = frame.group_by(key).agg(pl.len().alias("n"), *map(pl.mean, shown), *in_band)
        rows = list(groups.sort(*shown, by).iter_rows())
        if by == "level" or len(rows) > 1:
            blocks.append(grid((by, "problems", *shown.values(), *_BANDS), rows, f"Pass rate by {by}"))
    blocks += calibration(run, table)
    blocks += facts_grids("How the rollouts were spent", table.totals)
    blocks += facts_grids("RL prompts drawn from them", run.at(run.layout.selected("rl")).totals)
    source = f"{table.name}, difficulty/rollouts"
    return Section("difficulty", "Difficulty for the student", source, tuple(blocks))


def calibration(run: RunTables, table: StepFolder) -> list[Block]:
    """Reliability of the posteriors, counted from the run's own rollouts; a note where there are too few."""
    rows = table.rows(["alpha", "beta", "correct", "attempts", "band_probability"]).drop_nulls()
    rollouts = run.at(run.layout.rollouts).rows(
        ["problem_id", "sample_index", "verdict", "status", "answer_kind", "choices"]
    )
    settings = table.manifest.get("settings")
    bounds = {name: _number(settings, name) for name in ("low", "high", "min_samples")}
    if not rows.height or not rollouts.height or None in bounds.values():
        missing = "the rollouts or the settings that the table was made with are not there"
        return [Note(f"No calibration: {missing}.")]
    low, high, first = (float(value or 0) for value in bounds.values())
    prior = Prior(
        float((rows["alpha"] - rows["correct"]).median() or 0),  # type: ignore[arg-type]
        float((rows["beta"] - rows["attempts"] + rows["correct"]).median() or 0),  # type: ignore[arg-type]
    )
    halves = other_half(rollouts, prior, low=low, high=high, first_round=int(first))
    problems = len(halves[Band.USEFUL][0])
    sure = _number(table.totals, "sure")
    own = float(rows["band_probability"].mean() or 0)  # type: ignore[arg-type]
    claim = (
        f"The table names a band for {rows.height:,} problems and is right about {own:.1%} of them by its own account "
        "(mean of band_probability)"
        + (f"; {sure:,.0f} reach the asked confidence." if sure is not None else ".")
    )
    if problems < LEAST:
        few = f"{problems:,} problems have rollouts with a signal in both halves of the first round"
        return [Note(f"{claim} No calibration is drawn: {few}, {LEAST} are needed.")]
    caption = (
        f"Calibration of the bands over {problems:,} problems: the posterior from the first {int(first) // 2} rollouts says "
        "how probable each band is for the pass rate that the rest of the first round shows; against how often it was that "
        "band. Bars are 95% intervals, numbers are problems"
    )
    bands = {band.value: reliability(*pairs) for band, pairs in halves.items()}
    claimed, right = next_rollout(rollouts, prior)
    following = (
        f"Calibration of the pass rate over {len(right):,} rollouts: the posterior mean from all rollouts of the problem "
        "before one, against that one. Bars are 95% intervals, numbers are rollouts"
    )
    return [
        Note(claim),
        plots.reliability(
            "calibration-bands",
            bands,
            xlabel="claimed probability of the band",
            ylabel="share of problems that showed it",
            caption=caption,
            colours=list(_BANDS.values()),
        ),
        plots.reliability(
            "calibration-rate",
            {"next rollout": reliability(claimed, right)},
            xlabel="claimed pass rate",
            ylabel="share of rollouts that were right",
            caption=following,
        ),
    ]


def _number(facts: Any, name: str) -> float | None:
    value = facts.get(name) if isinstance(facts, dict) else None
    return float(value) if isinstance(value, int | float) else None
