"""How hard the problems are for the student: pass rates, bands, and whether the posterior can be believed."""

from __future__ import annotations

from typing import Any

import polars as pl

from factory.config.difficulty import DifficultySection
from factory.datasets.posterior import Prior
from factory.evaluation.calibration import LEAST, next_rollout, other_half, reliability
from factory.numbers import percent
from factory.report import plots
from factory.report.blocks import Block, Fold, Note, Section, grid, many
from factory.report.step_folders import RunTables, StepFolder
from factory.report.svg import BAD, FIRST, GOOD
from schemas import Band
from schemas.outcome import scored, solved

_BANDS = {Band.TOO_HARD.value: BAD, Band.USEFUL.value: FIRST, Band.TOO_EASY.value: GOOD}
_MOST_COUNTS = 9
"""Different (right, tried) pairs that are listed one by one; more are put together by share."""
_SHARES = ("none", "≤25%", "≤50%", "≤75%", "<100%", "all")


def difficulty(run: RunTables) -> Section | None:
    """How often the student solves each problem: raw counts, the posterior beside them, and whether to believe it."""
    table = run.at(run.layout.difficulty)
    blocks = _student(run, table) if table.readable else []
    if not blocks:
        return None
    return Section("difficulty", "Difficulty", f"{table.name}, difficulty/rollouts", tuple(blocks))


def teacher_counts(run: RunTables) -> pl.DataFrame:
    """Per problem: `tried`, the teacher's responses that say something, and `right`, those that solve it."""
    table = run.first(run.layout.verdicts, run.layout.labelled)
    frame = table.typed(problem_id=pl.String, verdict=pl.String, status=pl.String).drop_nulls("verdict")
    counted = frame.filter(scored().fill_null(False)).group_by("problem_id", maintain_order=True)
    return counted.agg(pl.len().alias("tried"), solved().sum().alias("right"))


def solved_bins(counts: pl.DataFrame) -> tuple[dict[str, int], str]:
    """Problems by how many of their tries were right (`counts` has `right` and `tried`), and a remark.

    One by one where nearly all problems were tried equally often, else by share.
    """
    n, most = counts["tried"].value_counts(sort=True).row(0)
    if n <= _MOST_COUNTS and most >= 0.9 * counts.height:
        found = dict(counts.filter(pl.col("tried") == n).group_by("right").len().iter_rows())
        left_out = (
            f"; {counts.height - most:,} problems with other numbers of tries are left out"
            if most < counts.height
            else ""
        )
        return {f"{k} of {n}": found.get(k, 0) for k in range(n + 1)}, left_out
    found = dict(counts.select(_share_label()).to_series().value_counts().iter_rows())
    return {label: found.get(label, 0) for label in _SHARES}, ""


def _share_label() -> pl.Expr:
    share = pl.col("right") / pl.col("tried")
    label = (
        pl.when(pl.col("right") == 0).then(pl.lit(_SHARES[0])).when(share <= 0.25).then(pl.lit(_SHARES[1]))
    )
    label = label.when(share <= 0.5).then(pl.lit(_SHARES[2])).when(share <= 0.75).then(pl.lit(_SHARES[3]))
    return label.when(share < 1).then(pl.lit(_SHARES[4])).otherwise(pl.lit(_SHARES[5])).alias("label")


def _student(run: RunTables, table: StepFolder) -> list[Block]:
    frame = table.typed(
        attempts=pl.Int64, correct=pl.Int64, pass_rate=pl.Float64, pass_rate_corrected=pl.Float64, guess_rate=pl.Float64,
        band=pl.String, band_probability=pl.Float64, level=pl.String, domain=pl.String, truncated=pl.Int64,
    )  # fmt: skip
    counts = (
        frame.rename({"correct": "right", "attempts": "tried"})
        .drop_nulls(["right", "tried"])
        .filter(pl.col("tried") > 0)
    )
    if not counts.height:
        return []
    bins, remark = solved_bins(counts)
    caption = f"The student: {counts.height:,} problems by how many of its tries are right{remark}"
    blocks: list[Block] = [plots.bars("solved-student", bins, xlabel="right", caption=caption)]
    settings = table.manifest.get("settings")
    low, high = _number(settings, "low"), _number(settings, "high")
    between = (
        ""
        if low is None or high is None
        else f" (useful: solved between {low:.0%} and {high:.0%} of the time)"
    )
    blocks += _by_count(counts)
    said = f"{_student_said(counts)} A band is a guess at the true pass rate{between}; with few tries it is often undecided."
    blocks.append(Note(said))
    if guesses := counts.filter(pl.col("guess_rate") > 0).height:
        mean = counts.filter(pl.col("guess_rate") > 0)["guess_rate"].sum() / guesses
        told = (
            f"{guesses:,} problems are choice questions: blind guessing passes {mean:.0%} of them on average, "
            "so their bands start from there."
        )
        blocks.append(Note(told))
    rate = pl.col("right").sum() / pl.col("tried").sum()
    in_band = [(pl.col("band") == band).sum().alias(band) for band in _BANDS]
    tables: list[Block] = []
    for by in ("level", "domain"):
        groups = counts.group_by(pl.col(by).fill_null("(none)")).agg(
            pl.len(),
            pl.col("tried").sum(),
            rate.alias("rate"),
            (pl.col("right") == 0).sum().alias("none"),
            *in_band,
        )
        rows = [
            (group, n, tried, percent(share, 1), *rest)
            for group, n, tried, share, *rest in groups.sort("rate", by).iter_rows()
        ]
        heads = (
            by,
            "problems",
            "tries",
            "right",
            "never right",
            *(band.replace("_", " ") for band in _BANDS),
        )
        tables.append(grid(heads, rows, f"By {by}"))
    blocks.append(Fold("The student by level and domain", tuple(tables)))
    if calibrated := calibration(run, table):
        blocks.append(Fold("Can the posteriors be believed?", tuple(calibrated)))
    return blocks


def _student_said(counts: pl.DataFrame) -> str:
    tried, right = int(counts["tried"].sum()), int(counts["right"].sum())
    never = counts.filter(pl.col("right") == 0).height
    always = counts.filter(pl.col("right") == pl.col("tried")).height
    cut = int(counts["truncated"].sum() or 0)
    return (
        f"The student got {right:,} of {tried:,} tries right ({percent(right, tried)}): {many(never, 'problems')} never, {always:,} always; "
        f"{cut:,} were truncated."
    )


def _by_count(counts: pl.DataFrame) -> list[Block]:
    """The raw counts with the posterior beside them, and how sure the bands are."""
    undecided = pl.col("band_probability").fill_null(0) < DifficultySection.confidence
    n, most = counts["tried"].value_counts(sort=True).row(0)
    if n <= _MOST_COUNTS and most >= 0.9 * counts.height:
        label = (
            pl.when(pl.col("tried") == n)
            .then(pl.format("{} of {}", "right", "tried"))
            .otherwise(pl.lit("other tries"))
        )
    else:
        label = _share_label()
    groups = counts.group_by(label.alias("label")).agg(
        pl.len(), (pl.col("right").sum() / pl.col("tried").sum()).alias("raw"), pl.col("pass_rate").mean(),
        undecided.sum().alias("undecided"), *[((pl.col("band") == band) & ~undecided).sum().alias(band) for band in _BANDS],
    )  # fmt: skip
    ordered = groups.sort(pl.col("label") == "other tries", "raw", "label")
    rows = [
        (name, n, percent(raw, 1), _percent(mean), *rest) for name, n, raw, mean, *rest in ordered.iter_rows()
    ]
    names = (band.replace("_", " ") for band in _BANDS)
    heads = ("right", "problems", "right, raw", "posterior mean", "undecided", *names)
    sure = f"{DifficultySection.confidence:.0%}"
    said = f"Raw counts beside the posterior; a band stands only where it is at least {sure} probable"
    return [grid(heads, rows, said)]


def _percent(share: float | None) -> str:
    return "–" if share is None else percent(share, 1)


def calibration(run: RunTables, table: StepFolder) -> list[Block]:
    """Reliability of the posteriors, counted from the run's own rollouts; a note where there are too few."""
    numbers: dict[str, Any] = dict.fromkeys(
        ("alpha", "beta", "correct", "attempts", "band_probability"), pl.Float64
    )
    rows = table.typed(**numbers).drop_nulls()
    texts: dict[str, Any] = dict.fromkeys(("problem_id", "verdict", "status", "answer_kind"), pl.String)
    rollouts = run.at(run.layout.rollouts).typed(**texts, sample_index=pl.Int64, choices=pl.List(pl.String))
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
