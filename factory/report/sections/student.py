"""How hard the problems are for the student: pass rates, bands, and whether the posterior can be believed."""

from __future__ import annotations

import polars as pl

from factory.report.blocks import Block, Note, Section, grid
from factory.report.plots import calibration, histogram
from factory.report.sections.gates import facts_grids
from factory.report.svg import BAD, FIRST, GOOD
from factory.report.tables import RunTables
from schemas import Band, Verdict

_BANDS = {Band.TOO_HARD.value: BAD, Band.USEFUL.value: FIRST, Band.TOO_EASY.value: GOOD}
_SIGNAL = [Verdict.CORRECT.value, Verdict.INCORRECT.value, Verdict.NO_ANSWER.value]


def difficulty(run: RunTables) -> Section | None:
    """Pass rate by band, by level, and a split-half reliability diagram."""
    table = run.at(run.layout.difficulty)
    frame = table.rows(
        ["pass_rate", "pass_rate_low", "pass_rate_high", "band", "level", "attempts", "truncated"]
    )
    if not table.readable or not frame.height:
        return None
    blocks: list[Block] = [
        histogram(
            "pass-rate",
            {band: frame.filter(pl.col("band") == band)["pass_rate"].to_list() for band in _BANDS},
            xlabel="posterior mean pass rate",
            caption="Pass rate of the student, by band",
            bins=20,
            limits=(0, 1),
            colours=list(_BANDS.values()),
        )
    ]
    width = (frame["pass_rate_high"] - frame["pass_rate_low"]).to_numpy().mean()
    attempts = int(frame["attempts"].sum())
    blocks.append(
        Note(
            f"{attempts:,} rollouts with a signal over {frame.height:,} problems; the 95% intervals are "
            f"{width:.2f} wide on average; {int(frame['truncated'].fill_null(0).sum()):,} rollouts were cut by their budget."
        )
    )
    by_level = (
        frame.with_columns(pl.col("level").cast(pl.String).fill_null("(unlabelled)"))
        .group_by("level")
        .agg(
            pl.len().alias("n"),
            pl.col("pass_rate").mean(),
            *[(pl.col("band") == band).sum().alias(band) for band in _BANDS],
        )
        .sort("pass_rate")
    )
    blocks.append(
        grid(
            ("level", "problems", "mean pass rate", *_BANDS), list(by_level.iter_rows()), "Pass rate by level"
        )
    )
    points = split_half(run)
    if points:
        caption = (
            "Calibration: posterior mean from one half of a problem's rollouts (Jeffreys prior) against the share "
            "correct in the other half; the number is how many problems"
        )
        blocks.append(calibration("calibration", points, caption=caption))
    blocks += facts_grids("How the rollouts were spent", table.totals)
    blocks += facts_grids("RL prompts drawn from them", run.at(run.layout.selected("rl")).totals)
    return Section(
        "difficulty", "Difficulty for the student", f"{table.name}, difficulty/rollouts", tuple(blocks)
    )


def split_half(run: RunTables, bins: int = 10) -> list[tuple[float, float, int]]:
    """(mean prediction, mean observation, problems) per bin of the prediction.

    Predicts a problem's even-numbered rollouts from its odd-numbered ones. The Jeffreys prior Beta(1/2, 1/2) is used
    for the prediction, so the diagram does not depend on the prior that the difficulty step fitted.
    """
    frame = run.at(run.layout.rollouts).rows(["problem_id", "sample_index", "verdict"])
    frame = frame.filter(pl.col("verdict").is_in(_SIGNAL)) if frame.height else frame
    if not frame.height:
        return []
    right = (pl.col("verdict") == Verdict.CORRECT.value).cast(pl.Int64)
    odd = pl.col("sample_index") % 2 == 1
    halves = frame.group_by("problem_id").agg(
        right.filter(odd).sum().alias("k"),
        odd.sum().alias("n"),
        right.filter(~odd).mean().alias("observed"),
    )
    halves = halves.filter((pl.col("n") > 0) & pl.col("observed").is_not_null()).with_columns(
        ((pl.col("k") + 0.5) / (pl.col("n") + 1)).alias("predicted")
    )
    binned = (
        halves.group_by((pl.col("predicted") * bins).floor().clip(0, bins - 1).alias("bin"))
        .agg(pl.col("predicted").mean(), pl.col("observed").mean(), pl.len().alias("n"))
        .sort("bin")
    )
    return [(float(p), float(o), int(n)) for _, p, o, n in binned.iter_rows()]
