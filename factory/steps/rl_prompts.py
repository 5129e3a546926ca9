"""Step `rl-prompts`: problems inside the band, of uniform rollout length, unused before, in training order."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from factory.config.preference import RLPromptsSection
from factory.config.prompt import Given
from factory.datasets.overlap import problem_texts, used_by
from factory.datasets.render import prompt_column
from factory.datasets.rl_prompts import band_reason, dead_group_probability, in_training_order
from factory.datasets.selection import seeded_order
from factory.errors import FactoryError
from factory.run.keys import deciding
from factory.run.parts import read_parts
from factory.run.review import NOTHING, REASON, is_rejected, review_input
from factory.run.step import Step, StepResult
from factory.run.step_writer import StepWriter
from factory.run.tables import dropped_rows, give_reason
from schemas import RL_PROMPT
from schemas.outcome import with_guess_rate

STEP = "rl-prompts"
VERSION = 2
"""Rises when other prompts are chosen with the same settings."""


@dataclass(frozen=True, slots=True)
class PromptsChosen:
    """Forecast of dead groups for all problems and for the chosen, and the length statistics of every bucket."""

    group_size: int
    forecast_all: dict[str, Any]
    forecast: dict[str, Any]
    buckets: list[dict[str, Any]]


def run(
    difficulty: Path,
    out: Path,
    section: RLPromptsSection,
    *,
    seed: int,
    exclude: Sequence[Path] = (),
    prompt: Given = "{problem}",
    system: str | None = None,
    rejected: Collection[str] = NOTHING,
    group_size: int = 8,
    remeasured: bool = False,
    may_be_empty: bool = False,
) -> StepResult[PromptsChosen]:
    """Choose prompts for RL and write them in training order.

    Args:
        difficulty: folder of DIFFICULTY parts.
        out: folder of RL_PROMPT parts.
        section: band, length uniformity and buckets.
        seed: decides the order, and the draw when there are more than `max_prompts`.
        exclude: folders whose problems must not come back here: same id or same canonical text.
        prompt: text or messages with `{problem}`.
        system: system message.
        rejected: problem ids that a reviewer rejected; other ids are ignored.
        group_size: completions per prompt in RL, for the forecast of groups without signal.
        remeasured: `difficulty` is of the student that RL starts from, and holds no problem that was used.
        may_be_empty: where no prompt is left write an empty set and why each problem is not there.

    Raises:
        FactoryError: no prompt is left; says why and which setting to change.
    """
    settings = {
        **deciding(section, without={"remeasure"}),
        "seed": seed,
        "prompt": prompt,
        "system": system,
        "version": VERSION,
    }
    settings["group_size"] = group_size
    parent = "remeasured" if remeasured else "rows"
    inputs: dict[str, Path | str] = {parent: difficulty}
    inputs |= {**{f"exclude:{i}": path for i, path in enumerate(exclude)}, **review_input(rejected)}
    step = Step(STEP, out, PromptsChosen, settings=settings, inputs=inputs, schema=RL_PROMPT, unit="problems")

    def make(writer: StepWriter) -> PromptsChosen:
        rows = read_parts(difficulty).rename({"id": "problem_id"})
        writer.read[parent] += rows.height
        judged = _judge(rows, section, exclude, seed, rejected)
        chosen = judged.filter(pl.col("reason").is_null())
        if chosen.height == 0 and not may_be_empty:
            raise _nothing(judged, section)
        ordered = in_training_order(chosen, section.buckets, seed)
        ordered = ordered.with_columns(prompt_column(ordered, prompt, system))
        writer.keep(ordered.select(_present(ordered)))
        left = judged.filter(pl.col("reason").is_not_null())
        writer.drop(
            dropped_rows(
                left.drop("reason", "detail"),
                step=STEP,
                reason=pl.lit(left["reason"]),
                detail=pl.lit(left["detail"]),
                id_column="problem_id",
            )
        )
        return _summary(rows, ordered, group_size)

    return step.run(make)


def _judge(
    rows: pl.DataFrame,
    section: RLPromptsSection,
    exclude: Sequence[Path],
    seed: int,
    rejected: Collection[str],
) -> pl.DataFrame:
    """Add `reason` (null = chosen) and `detail`."""
    rows, used = with_guess_rate(rows), used_by(problem_texts(rows), exclude)
    marked = pl.when(is_rejected(rejected, "problem_id")).then(pl.lit(REASON))
    rows = rows.with_columns(used=used, reason=marked.otherwise(band_reason(section.low, section.high)))
    rows = give_reason(rows, pl.col("used").is_not_null(), "already_used")
    if section.max_length_cv is not None:
        rows = give_reason(rows, pl.col("tokens_cv") > section.max_length_cv, "uneven_length")
    if section.max_prompts is not None:
        draw = seeded_order(rows["problem_id"], seed)
        rows = rows.with_columns(_draw=pl.when(pl.col("reason").is_null()).then(draw))
        rows = give_reason(
            rows, pl.col("_draw").rank("ordinal") > section.max_prompts, "beyond_max_prompts"
        ).drop("_draw")
    detail = (
        pl.when(pl.col("reason") == "already_used").then(pl.lit("used in ") + pl.col("used")).otherwise(None)
    )
    return rows.with_columns(detail=detail).drop("used")


def _present(rows: pl.DataFrame) -> list[str]:
    return [name for name in RL_PROMPT.names if name in rows.columns]


def _summary(rows: pl.DataFrame, chosen: pl.DataFrame, group_size: int) -> PromptsChosen:
    def forecast(table: pl.DataFrame) -> dict[str, Any]:
        dead = dead_group_probability(table["alpha"], table["beta"], group_size)
        return {
            "prompts": table.height,
            "dead_groups": float(dead.sum()),
            "share": float(dead.mean()) if table.height else 0.0,
        }

    buckets = chosen.group_by("bucket").agg(
        prompts=pl.len(), tokens_mean=pl.col("tokens_mean").mean(), tokens_cv=pl.col("tokens_cv").mean()
    )
    return PromptsChosen(group_size, forecast(rows), forecast(chosen), buckets.sort("bucket").to_dicts())


def _nothing(judged: pl.DataFrame, section: RLPromptsSection) -> FactoryError:
    counts = dict(judged.group_by("reason").len().sort("len", descending=True).iter_rows())
    why = ", ".join(f"{n:,} {reason}" for reason, n in counts.items()) or "the student was rolled out on none"
    advice = {
        "never_solved": "the student solves nothing yet: train sft longer, take easier problems, or raise difficulty.max_samples",
        "too_hard": "lower rl_prompts.low",
        "too_easy": "raise rl_prompts.high, or take harder problems",
        "already_used": "add problems, or make datasets.sft_rows or preference.max_pairs smaller: they use the same ones",
        "uneven_length": "raise rl_prompts.max_length_cv",
        REASON: "a reviewer rejected them: take marks back with `factory view`",
        "no_gold": "give the problems answers, or set verify.majority=true",
    }
    first = max(counts, key=lambda reason: counts[reason]) if counts else "never_solved"
    band = f"{section.low} < pass rate <= {section.high}"
    return FactoryError(f"no problem is fit for RL ({band}): {why}", do=advice.get(first, "add problems"))
