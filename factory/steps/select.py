"""Steps `midtrain-set` and `sft-set`: verified responses become the midtrain set, and a compact balanced part of them sft."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from factory.config.datasets import DatasetsSection
from factory.datasets.render import completion_column, prompt_column
from factory.datasets.selection import LIGHT, draw_evenly, hardest_first, ineligible, limit_per_problem
from factory.engines.engine import Engine, engine_or_local
from factory.errors import FactoryError
from factory.run.keys import deciding
from factory.run.parts import count_rows, iter_part, require_parts, scan_parts
from factory.run.review import NOTHING, REASON, is_rejected, review_input
from factory.run.step import Step, StepResult, StepWriter
from factory.run.tables import dropped_rows, give_reason
from factory.run.writer import Writer
from schemas import COMPLETION

SFT_SHARE = 5
"""The sft set is a fifth of midtrain unless the recipe gives its size (the paper gives no figure)."""
VERSION = 1
"""Rises when other rows are chosen with the same settings."""
BATCH = 5_000
"""Rows whose texts are in memory together."""
ELSEWHERE = ("judge",)
"""Setting of the section that step `label` reads."""


@dataclass(frozen=True, slots=True)
class Selected:
    """What was chosen: cells of domain and level, completion tokens, problems."""

    balance: list[dict[str, Any]]
    completion_tokens_kept: int
    problems: int


def run(
    labelled: Path,
    out: Path,
    section: DatasetsSection,
    *,
    dataset: str,
    seed: int,
    exclude: Sequence[Path] = (),
    rejected: Collection[str] = NOTHING,
    engine: Engine | None = None,
) -> StepResult[Selected]:
    """Choose responses and write them as training rows; everything else is dropped with its reason.

    Args:
        labelled: folder of LABELLED parts.
        out: folder of COMPLETION parts.
        section: sizes, balance and templates.
        dataset: `midtrain` (every eligible response) or `sft` (a balanced subset of them).
        seed: decides every draw.
        exclude: folders whose `problem_id`s must not be used.
        rejected: problem and response ids that a reviewer rejected.
        engine: where the parts are read and written; what is chosen is decided here, from the columns `LIGHT` of all.

    Raises:
        UsageError: `labelled` holds no parts.
        FactoryError: nothing is left; says why and which setting to change.
    """
    require_parts(labelled)
    settings = {**deciding(section, without=ELSEWHERE), "dataset": dataset, "seed": seed, "version": VERSION}
    inputs: dict[str, Path | str] = {"rows": labelled}
    inputs |= {**{f"exclude:{i}": path for i, path in enumerate(exclude)}, **review_input(rejected)}
    step = Step(f"{dataset}-set", out, Selected, settings=settings, inputs=inputs, schema=COMPLETION)

    def make(writer: StepWriter) -> Selected:
        parts = require_parts(labelled)
        with engine_or_local(engine) as where:
            used = set().union(*(_problem_ids(path) for path in exclude))
            light = _light(parts, writer.scratch, section.need_reasoning, rejected, where)
            decided = _decide(light, section, dataset, seed, used)
            chosen = decided.filter(pl.col("reason").is_null())
            if chosen.height == 0:
                raise _nothing(decided, dataset)
            _share_out(decided, parts, writer.scratch)
            writer.map(partial(_choose, section, step.name, writer.scratch), parts, engine=where)
        tokens = int(chosen["completion_tokens"].sum() or 0)
        return Selected(_balance(chosen), tokens, chosen["problem_id"].n_unique())

    return step.run(make)


def _light(
    parts: Sequence[Path], folder: Path, need_reasoning: bool, rejected: Collection[str], engine: Engine
) -> pl.DataFrame:
    """LIGHT columns of every response and `reason`, why it is unfit or null, in input order."""
    work = partial(_look, folder, need_reasoning, rejected)
    return pl.concat([pl.read_parquet(path) for path in engine.map(work, [path.resolve() for path in parts])])


def _look(folder: Path, need_reasoning: bool, rejected: Collection[str], path: Path) -> Path:
    marked = pl.when(is_rejected(rejected, "problem_id", "response_id")).then(pl.lit(REASON))
    reason = marked.otherwise(ineligible(need_reasoning=need_reasoning))
    light = pl.concat([rows.select(*LIGHT, reason=reason) for rows in iter_part(path, BATCH)])
    light.write_parquet(folder / f"light-{path.name}")
    return folder / f"light-{path.name}"


def _share_out(decided: pl.DataFrame, parts: Sequence[Path], folder: Path) -> None:
    """Write to each part's file what becomes of its rows."""
    at = 0
    for path in parts:
        rows = count_rows([path])
        decided.slice(at, rows).select("reason").write_parquet(folder / path.name)
        at += rows


def _choose(section: DatasetsSection, step: str, folder: Path, path: Path, part: Writer) -> dict[str, Any]:
    """Keep the chosen rows of a part, as training rows; drop the others with their reasons."""
    reasons = pl.read_parquet(folder / path.name)["reason"]
    part.keep(COMPLETION.empty())
    at = 0
    for batch in iter_part(path, BATCH):
        reason = reasons.slice(at, batch.height)
        at += batch.height
        kept = batch.filter(reason.is_null())
        if kept.height:
            part.keep(_training_rows(kept, section))
        lost = reason.is_not_null()
        part.drop(
            dropped_rows(
                batch.filter(lost), step=step, reason=pl.lit(reason.filter(lost)), id_column="response_id"
            )
        )
    return {}


def _decide(
    light: pl.DataFrame, section: DatasetsSection, dataset: str, seed: int, used: Collection[str]
) -> pl.DataFrame:
    """LIGHT columns and `reason` (null = chosen), one row a response in input order."""
    rows = light.with_row_index("row")
    if dataset == "sft" and section.sft_order == "hardest":
        rows = hardest_first(rows)
    if used:
        rows = give_reason(rows, pl.col("problem_id").is_in(list(used)), "excluded")
    per_problem = section.midtrain_per_problem if dataset == "midtrain" else section.sft_per_problem
    fit = rows.filter(pl.col("reason").is_null())
    limited = limit_per_problem(fit, per_problem, seed)
    rows = give_reason(rows, ~pl.col("row").is_in(limited["row"].implode()), "over_per_problem")
    if dataset == "sft":
        size = section.sft_rows or -(-fit.height // SFT_SHARE)
        drawn = draw_evenly(limited, size, section.balance, seed)
        rows = give_reason(rows, ~pl.col("row").is_in(drawn["row"].implode()), "not_drawn")
    return rows


def _problem_ids(folder: Path) -> set[str]:
    lazy = scan_parts(folder)
    name = "problem_id" if "problem_id" in lazy.collect_schema().names() else "id"
    return set(lazy.select(name).collect()[name])


def _training_rows(rows: pl.DataFrame, section: DatasetsSection) -> pl.DataFrame:
    return rows.select(
        prompt_column(rows, section.prompt, section.system),
        completion_column(rows, "completion"),
        "problem_id",
        "source",
        "licence",
        "domain",
        "level",
        "response_id",
        pl.col("sampler").alias("teacher"),
        "model",
        "answer",
        "method",
        "completion_tokens",
    )


def _balance(chosen: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows and tokens a cell of domain and level."""
    return (
        chosen.group_by("domain", "level")
        .agg(
            rows=pl.len(), problems=pl.col("problem_id").n_unique(), tokens=pl.col("completion_tokens").sum()
        )
        .sort("domain", "level")
        .to_dicts()
    )


def _nothing(decided: pl.DataFrame, dataset: str) -> FactoryError:
    counts = decided.group_by("reason").len().sort("len", descending=True)
    why = ", ".join(f"{n:,} {reason}" for reason, n in counts.iter_rows()) or "there are no responses"
    return FactoryError(
        f"no response is fit for the {dataset} set: {why}",
        do="for incorrect answers look at them with `factory view`; for incomplete ones raise generate.max_tokens; "
        "for no_reasoning set datasets.need_reasoning=false; "
        "for repetitive ones change generate.temperature or the teacher; "
        "for rejected_in_review take marks back with `factory view`",
    )
