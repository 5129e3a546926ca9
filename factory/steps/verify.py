"""Step `verify`: responses in, the same responses with verdicts out. Nothing is dropped but what cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from factory.config.verify import VerifySection
from factory.engines.engine import Engine, EngineName, open_engine
from factory.functions.source import check_unchanged
from factory.functions.tries import Tries
from factory.run.keys import deciding
from factory.run.parts import iter_part
from factory.run.step import Step, StepResult, sums
from factory.run.step_writer import StepWriter
from factory.run.tables import ordinary
from factory.sampling.presets import open_endpoint
from factory.steps.source import Rows, Source, open_source
from factory.steps.verify_part import VOTES, tally_answers, tally_part, verify_part
from factory.verification.gold import STRONG_SAMPLES, contradicted, count_votes
from factory.verification.responses import EXAMPLES, as_responses
from factory.verification.result import checking
from schemas.table import Column, TableSchema
from schemas.verdict import VERDICT, VERDICT_COLUMNS

AUDIT = "gold_audit.parquet"
"""Side table: problems whose gold is doubtful."""


@dataclass(frozen=True, slots=True)
class Verified:
    """How many verdicts and methods there are of each kind, flips against former verdicts, and the judge's costs."""

    verdicts: dict[str, int]
    methods: dict[str, int]
    workers_replaced: int
    gold_flags: dict[str, int]
    majority_answers: int | None = None
    usd: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    judge: dict[str, int] | None = None
    false_negative_rate: float | None = None
    """Share of the right answers that the rules did not call correct, by the judge's word."""
    flips: dict[str, Any] | None = None
    own: dict[str, Any] | None = None
    """Rows that a checker of the user's own was given, at how many of them it failed, and how the first time."""


def run(
    rows: Rows,
    out: Path,
    section: VerifySection,
    *,
    step: str = "verify",
    store: Path | None = None,
    engine: Engine | None = None,
) -> StepResult[Verified]:
    """Verify every response.

    Args:
        rows: a step's folder, or files of any origin; other columns pass through. Verdicts that are already there are
            replaced and compared (flip report).
        out: folder for VERDICT parts, and the side table `AUDIT`.
        section: workers, seconds, judge, majority.
        step: name in the ledger, where a run verifies more than once.
        store: response store of the judge's replies; a folder beside `out` by default.
        engine: where the parts are verified. With a judge it is always this process: the judge's budget has one owner.

    Raises:
        UsageError: a path matches nothing, columns are missing, or the checker of the user's own cannot be used.
        FactoryError: that checker failed at every row.
    """
    source = open_source(rows, out)
    store = store or out.with_name(f"{out.name}-judge")
    settings = deciding(section) | checking(section)
    made = Step(step, out, Verified, settings=settings, inputs=source.inputs, unit="responses")
    return made.run(partial(_verify, source, section, store.resolve(), engine))


def _verify(
    source: Source, section: VerifySection, store: Path, engine: Engine | None, writer: StepWriter
) -> Verified:
    if section.judge:
        open_endpoint(section.judge, section.judge)  # known and with a key, before an answer is checked
    with _place(section, engine) as where:
        read = source.parts(writer.scratch, where)
        first = next(iter_part(read.parts[0], 1))
        writer.schema = _schema_of(as_responses(first, source.name, needs_gold=section.checker is None))
        votes = _majority(read.parts, section, writer.scratch, where) if section.majority else None
        work = partial(verify_part, section, votes, store)
        records = writer.map(work, read.parts, engine=where, unit="responses")
        writer.drop_unread(read.unread)
        check_unchanged(writer.settings, checker=section.checker)
        notes = [each.notes for each in records]
        verdicts = sums(each["verdicts"] for each in notes)
        return Verified(
            verdicts=verdicts,
            methods=sums(each["methods"] for each in notes),
            workers_replaced=sum(each["workers_replaced"] for each in notes),
            gold_flags=_gold_audit(section, where, writer),
            majority_answers=pl.read_parquet(votes).height if votes else None,
            **(_judged([each["judge"] for each in notes], verdicts) if section.judge else {}),
            flips=_flips([each["flips"] for each in notes if each["flips"]]),
            own=_tried([each["own"] for each in notes]) if section.checker else None,
        )


@contextmanager
def _place(section: VerifySection, engine: Engine | None) -> Iterator[Engine]:
    counted = section.workers is not None and engine is not None and engine.name == EngineName.LOCAL
    if engine is not None and not section.judge and not counted:
        yield engine
    else:
        with open_engine("local", 1 if section.judge else section.workers) as local:
            yield local


def _majority(parts: Sequence[Path], section: VerifySection, scratch: Path, engine: Engine) -> Path:
    """Write the majority answers of the problems without gold."""
    path = scratch / "votes.parquet"
    votes = count_votes(_tallies(partial(tally_part, section), parts, scratch, engine))
    rows = [(problem, vote.answer, vote.votes, vote.samples) for problem, vote in votes.items()]
    pl.DataFrame(rows, schema=VOTES, orient="row").write_parquet(path)
    return path


def _tallies(
    work: Callable[[tuple[Path, Path]], Path], parts: Sequence[Path], scratch: Path, engine: Engine
) -> Iterator[pl.DataFrame]:
    items = ((path.resolve(), scratch / f"tally-{number:05d}.parquet") for number, path in enumerate(parts))
    for path in engine.map(work, items):
        yield pl.read_parquet(path)


def _judged(costs: Sequence[dict[str, Any]], verdicts: dict[str, int]) -> dict[str, Any]:
    """What the judge cost, its replies and flips, and what these say of the rules."""
    tokens = {name: sum(each[name] for each in costs) for name in ("prompt_tokens", "completion_tokens")}
    usd = round(sum(each["usd"] for each in costs), 6)
    counts = sums(each["judge"] for each in costs)
    missed = sum(n for flip, n in counts.items() if flip.endswith(" to correct"))
    rate = missed / right if (right := verdicts.get("correct", 0)) else None
    return {"usd": usd, **tokens, "judge": counts, "false_negative_rate": rate}


def _tried(notes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    total = Tries.sum(notes)
    total.check()
    return total.as_json()


def _flips(flips: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    if not flips:
        return None
    examples = [example for each in flips for example in each["examples"]][:EXAMPLES]
    compared = sum(each["compared"] for each in flips)
    return {"compared": compared, "counts": sums(each["counts"] for each in flips), "examples": examples}


def _gold_audit(section: VerifySection, engine: Engine, writer: StepWriter) -> dict[str, int]:
    """Write the flagged problems; returns how many there are of each flag.

    A gold is suspect when most of its problem's samples are wrong; it is contradicted when they agree on something else.
    """
    answers = writer.asides("answers")
    suspects = writer.scratch / "suspects.parquet"
    few = (pl.col("samples") >= STRONG_SAMPLES) & (pl.col("right") < pl.col("samples") * 0.5)
    counted = (
        pl.scan_parquet(answers)
        .group_by("problem_id")
        .agg(right=(pl.col("verdict") == "correct").sum(), samples=pl.len())
    )
    counted.filter(few).select("problem_id").collect(engine="streaming").write_parquet(suspects)
    votes = count_votes(_tallies(partial(tally_answers, section, suspects), answers, writer.scratch, engine))
    wrong = pl.scan_parquet(answers).join(
        pl.scan_parquet(suspects), on="problem_id", how="semi", maintain_order="left"
    )
    flags = pl.concat(
        [
            *map(pl.read_parquet, writer.asides("flags")),
            contradicted(wrong.unique(maintain_order=True).collect(), votes),
        ]
    )
    flags = flags.unique(["id", "flag"], keep="first", maintain_order=True)
    writer.side(AUDIT, flags)
    return {name: count for name, count in flags.group_by("flag").len().sort("flag").iter_rows()}


def _schema_of(rows: pl.DataFrame) -> TableSchema:
    """VERDICT for response tables; for others their own columns, then the verdict's."""
    if {"response_id", "problem_id"} <= set(rows.columns):
        return VERDICT
    added = {column.name for column in VERDICT_COLUMNS}
    own = tuple(
        Column(name, ordinary(rows.get_column(name).head(0).to_arrow().type), "As in the input.")
        for name in rows.columns
        if name not in added
    )
    kind = () if "answer_kind" in rows.columns else (Column("answer_kind", pa.string(), "`AnswerKind`."),)
    return TableSchema("verified", 1, (*own, *kind, *VERDICT_COLUMNS))
