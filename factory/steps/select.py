"""Steps `midtrain-set` and `sft-set`: verified responses become the midtrain set, and a compact balanced part of them sft."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from factory.config.datasets import DatasetsSection
from factory.datasets.render import completion_column, prompt_column
from factory.datasets.scripts import other_script
from factory.datasets.selection import (
    LIGHT,
    TOKEN_BYTES,
    answer_form,
    draw_evenly,
    hardest_first,
    ineligible,
    limit_per_problem,
    outvoted,
    seeded_order,
    tokens,
)
from factory.engines.engine import Engine, engine_or_local
from factory.errors import NothingLeft, UsageError
from factory.run.keys import deciding
from factory.run.parts import count_rows, iter_part, require_parts, scan_parts
from factory.run.review import NOTHING, REASON, is_rejected, review_input
from factory.run.step import Step, StepResult
from factory.run.step_writer import StepWriter
from factory.run.tables import dropped_rows, give_reason
from factory.run.writer import Writer
from schemas import COMPLETION
from schemas.outcome import complete

SFT_SHARE = 5
"""The sft set is a fifth of midtrain unless the recipe gives its size (the paper gives no figure)."""
VERSION = 2
"""Rises when other rows are written with the same settings."""
SHORTEST, LONGEST = 1_000, 2_000
"""Tokens of reasoning that a shortened row keeps (Nemotron Nano 2, arXiv 2508.14444)."""
BATCH = 5_000
"""Rows whose texts are in memory together."""
ELSEWHERE = ("judge", "label", "filter")
"""Settings of the section that step `label` reads."""
OF_OTHERS = {
    "midtrain": ("sft_rows", "sft_per_problem", "sft_order", "balance", "max_pass_rate"),
    "sft": ("midtrain_per_problem",),
}
"""Settings that decide the other set alone, by set."""


@dataclass(frozen=True, slots=True)
class Selected:
    """What was chosen: cells of domain and level, completion tokens, problems; by verdict where not only right ones are."""

    balance: list[dict[str, Any]]
    completion_tokens_kept: int
    problems: int
    verdicts: dict[str, int] | None = None
    shortened: int | None = None
    """Rows whose reasoning was cut."""


def run(
    labelled: Path,
    out: Path,
    section: DatasetsSection,
    *,
    dataset: str,
    seed: int,
    exclude: Sequence[Path] = (),
    rates: Path | None = None,
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
        rates: folder of DIFFICULTY parts, for `max_pass_rate`.
        rejected: problem and response ids that a reviewer rejected.
        engine: where the parts are read and written; what is chosen is decided here, from the columns `LIGHT` of all.

    Raises:
        UsageError: `labelled` holds no parts, or pass rates are wanted and not given.
        NothingLeft: no row is fit; says why and which setting to change.
    """
    require_parts(labelled)
    read = deciding(section, without=(*ELSEWHERE, *OF_OTHERS[dataset]))
    settings = {**read, "dataset": dataset, "seed": seed, "version": VERSION}
    inputs: dict[str, Path | str] = {"rows": labelled}
    inputs |= {**{f"exclude:{i}": path for i, path in enumerate(exclude)}, **review_input(rejected)}
    if dataset == "midtrain" or section.max_pass_rate is None:
        rates = None
    elif rates is None:
        raise UsageError(
            "max_pass_rate needs pass rates of a student", do="measure them with `factory difficulty`"
        )
    else:
        inputs["rates"] = rates
    step = Step(f"{dataset}-set", out, Selected, settings=settings, inputs=inputs, schema=COMPLETION)

    def make(writer: StepWriter) -> Selected:
        parts = require_parts(labelled)
        with engine_or_local(engine) as where:
            used = set().union(*(_problem_ids(path) for path in exclude))
            light = _light(parts, writer.scratch, section, rejected, where)
            solved = _solved(rates) if rates else None
            decided = _decide(light, section, dataset, seed, used, solved)
            chosen = decided.filter(pl.col("reason").is_null())
            if chosen.height == 0:
                raise _nothing(decided, dataset)
            _share_out(decided, parts, writer.scratch)
            writer.map(partial(_choose, section, step.name, writer.scratch), parts, engine=where)
        kept = int(chosen["completion_tokens"].sum() or 0)
        found = Selected(_balance(chosen), kept, chosen["problem_id"].n_unique())
        verdicts = dict(chosen.group_by("verdict").len().sort("verdict").iter_rows())
        return replace(
            found,
            verdicts=verdicts if section.keep != "correct" else None,
            shortened=chosen.filter("cut").height if section.shortened else None,
        )

    return step.run(make)


def _light(
    parts: Sequence[Path], folder: Path, section: DatasetsSection, rejected: Collection[str], engine: Engine
) -> pl.DataFrame:
    """LIGHT columns of every response, `reason` (why it is unfit, or null), `form` and `long`, in input order."""
    work = partial(_look, folder, section, rejected)
    return pl.concat([pl.read_parquet(path) for path in engine.map(work, [path.resolve() for path in parts])])


def _look(folder: Path, section: DatasetsSection, rejected: Collection[str], path: Path) -> Path:
    """One part's light columns, as a file. `form` is the answer of complete responses, `long` what may be shortened."""
    marked = pl.when(is_rejected(rejected, "problem_id", "response_id")).then(pl.lit(REASON))
    unfit = ineligible(need_reasoning=section.need_reasoning, keep=section.keep)
    light = []
    for rows in iter_part(path, BATCH):
        found = rows.select(
            *dict.fromkeys([*LIGHT, *section.balance]),
            reason=marked.otherwise(unfit),
            tokens=tokens(),
            form=pl.when(complete()).then(answer_form()),
            long=(pl.col("reasoning").str.len_bytes() > LONGEST * TOKEN_BYTES).fill_null(False),
        )
        if section.same_language:
            text = rows.select(pl.coalesce("reasoning", "content")).to_series()
            found = found.with_columns(other=other_script(text, rows["problem"]))
            found = give_reason(found, pl.col("other"), "other_language").drop("other")
        for bound, where, reason in (
            (section.min_tokens, pl.col("tokens") < (section.min_tokens or 0), "below_min_tokens"),
            (section.max_tokens, pl.col("tokens") > (section.max_tokens or 0), "above_max_tokens"),
        ):
            found = give_reason(found, where, reason) if bound is not None else found
        light.append(found.drop("tokens"))
    pl.concat(light).write_parquet(folder / f"light-{path.name}")
    return folder / f"light-{path.name}"


def _solved(rates: Path) -> pl.DataFrame:
    """How often the student solved each problem that it was rolled out on: `problem_id` and `rate`."""
    return scan_parts(rates).select(problem_id="id", rate=pl.col("correct") / pl.col("attempts")).collect()


def _share_out(decided: pl.DataFrame, parts: Sequence[Path], folder: Path) -> None:
    """Write to each part's file what becomes of its rows."""
    at = 0
    for path in parts:
        rows = count_rows([path])
        decided.slice(at, rows).select("reason", "cut").write_parquet(folder / path.name)
        at += rows


def _choose(section: DatasetsSection, step: str, folder: Path, path: Path, part: Writer) -> dict[str, Any]:
    """Keep the chosen rows of a part, as training rows; drop the others with their reasons."""
    decided = pl.read_parquet(folder / path.name)
    part.keep(COMPLETION.empty())
    at = 0
    for batch in iter_part(path, BATCH):
        reason, cut = decided.slice(at, batch.height)
        at += batch.height
        kept = _shortened(batch.with_columns(shortened=cut)).filter(reason.is_null())
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
    light: pl.DataFrame,
    section: DatasetsSection,
    dataset: str,
    seed: int,
    used: Collection[str],
    solved: pl.DataFrame | None,
) -> pl.DataFrame:
    """LIGHT columns, `reason` (null = chosen) and `cut` (its reasoning is shortened), one row a response in input order."""
    rows = light.with_row_index("row")
    if section.keep == "majority":
        rows = outvoted(rows)
    if dataset == "sft" and section.sft_order == "hardest":
        rows = hardest_first(rows)
    if used:
        rows = give_reason(rows, pl.col("problem_id").is_in(list(used)), "excluded")
    if solved is not None:
        rows = rows.join(solved, on="problem_id", how="left", maintain_order="left")
        rows = give_reason(rows, pl.col("rate").is_null() | pl.col("rate").is_nan(), "no_pass_rate")
        rows = give_reason(rows, pl.col("rate") > section.max_pass_rate, "student_solves_it").drop("rate")
    per_problem = section.midtrain_per_problem if dataset == "midtrain" else section.sft_per_problem
    fit = rows.filter(pl.col("reason").is_null())
    limited = limit_per_problem(fit, per_problem, seed)
    rows = give_reason(rows, ~pl.col("row").is_in(limited["row"].implode()), "over_per_problem")
    if dataset == "sft":
        size = section.sft_rows or -(-fit.height // SFT_SHARE)
        drawn = draw_evenly(limited, size, section.balance, seed)
        rows = give_reason(rows, ~pl.col("row").is_in(drawn["row"].implode()), "not_drawn")
    return _drawn_to_cut(rows, section.shortened, seed)


def _drawn_to_cut(rows: pl.DataFrame, share: float, seed: int) -> pl.DataFrame:
    """Add `cut`: true for so large a share of the chosen rows, drawn by seed among those with long reasoning."""
    chosen = pl.col("reason").is_null()
    count = round(share * rows.select(chosen.sum()).item())
    fit = rows.filter(chosen & pl.col("long")) if count else rows.head(0)
    drawn = fit.with_columns(_draw=seeded_order(fit["response_id"], seed)).sort("_draw").head(count)
    return rows.with_columns(cut=pl.col("row").is_in(drawn["row"].implode()))


def _shortened(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with the reasoning of those marked `shortened` cut behind a word, each at a length of its own."""
    if not rows["shortened"].any():
        return rows
    spread = seeded_order(rows["response_id"], SHORTEST) % (LONGEST - SHORTEST + 1)
    begin = pl.col("reasoning").str.head((SHORTEST + spread) * TOKEN_BYTES).str.replace(r"\s+\S*$", "")
    return rows.with_columns(reasoning=pl.when("shortened").then(begin).otherwise("reasoning"))


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
        "verdict",
        "shortened",
        pl.when(~pl.col("shortened")).then("completion_tokens").alias("completion_tokens"),
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


def _nothing(decided: pl.DataFrame, dataset: str) -> NothingLeft:
    counts = decided.group_by("reason").len().sort("len", descending=True)
    why = ", ".join(f"{n:,} {reason}" for reason, n in counts.iter_rows()) or "there are no responses"
    return NothingLeft(
        f"no response is fit for the {dataset} set: {why}",
        do="for incorrect answers look at them with `factory view`; for incomplete ones raise generate.max_tokens; "
        "for no_reasoning set datasets.need_reasoning=false; "
        "for repetitive ones change generate.temperature or the teacher; "
        "for rejected_in_review take marks back with `factory view`; "
        "for every other reason change the setting of datasets that it is named after",
    )
