"""Step `verify`: responses in, the same responses with verdicts out. Nothing is dropped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from factory.progress import watch
from factory.recipe.verify import VerifySection
from factory.sources.files import read_rows
from factory.sources.paths import expand
from factory.store.atomic import atomic_path, file_digest
from factory.store.parts import finished, input_digest, iter_parts, scan_parts
from factory.store.writer import StepWriter, step_key
from factory.verification import CHECKER_VERSION, Verifier, verify_responses
from factory.verification.columns import as_responses
from factory.verification.flips import Flips
from factory.verification.gold import STRONG_SAMPLES, audit_gold, contradicted
from factory.verification.judge import JudgeBooks, judge_verdicts
from factory.verification.majority import fill_gold, majority_votes
from schemas.table import Column, TableSchema
from schemas.verdict import VERDICT, VERDICT_COLUMNS

FRAME_ROWS = 10_000
"""Rows verified and written at a time."""


def run(
    responses: Path, out: Path, section: VerifySection, *, step: str = "verify", store: Path | None = None
) -> dict[str, Any]:
    """Verify every response of a step's folder.

    Args:
        responses: folder of RESPONSE parts. Verdicts that are already there are replaced and compared (flip report).
        out: folder for VERDICT parts; `gold_audit.parquet` beside them lists problems whose gold is doubtful.
        section: workers, seconds, judge, majority.
        step: name in the ledger, where a run verifies more than once.
        store: response store of the judge's replies; a folder beside `out` by default.

    Returns:
        The manifest; `totals` counts verdicts and methods, and holds the judge's costs, flips and gold flags.
    """
    settings = key_settings(section)
    inputs = {"responses": input_digest(responses)}
    if manifest := finished(out, step_key(step, settings, inputs)):
        return manifest
    rows = scan_parts(responses).select(pl.len()).collect().item()
    with StepWriter(out, step, VERDICT, settings=settings, inputs=inputs) as writer:
        task = _Task(section, writer, store or out.with_name(f"{out.name}-judge"))
        totals = task.run(lambda: iter_parts(responses, FRAME_ROWS), rows)
        return writer.finish(rows_in=task.rows, unit="responses", totals=totals)


def key_settings(section: VerifySection) -> dict[str, Any]:
    """What decides verdicts: the settings without workers and budget, and the checker's version."""
    chosen = section.model_dump(mode="json", exclude={"workers", "judge_max_usd", "judge_base_url"})
    return {**chosen, "checker": CHECKER_VERSION}


class _Task:
    """One run over all responses: majority first when asked for, then verdicts, judge, flips and gold audit."""

    def __init__(self, section: VerifySection, writer: StepWriter, store: Path) -> None:
        self.section, self.writer, self.store = section, writer, store
        self.rows = 0
        self.verdicts: Counter[str] = Counter()
        self.methods: Counter[str] = Counter()
        self.flips, self.books = Flips(), JudgeBooks()

    def run(self, frames: Callable[[], Iterator[pl.DataFrame]], expected: int) -> dict[str, Any]:
        """Verify frame by frame into the writer; returns the totals for the manifest."""
        with Verifier(self.section) as verifier, watch("verify", expected, "responses") as progress:
            votes = majority_votes(_without_gold(frames()), verifier) if self.section.majority else {}
            doubts = _Doubts(verifier)
            for rows in frames():
                filled = fill_gold(rows, votes) if votes else rows
                checked = self._check(filled, verifier)
                self.writer.keep(checked)
                self.flips.add(rows, checked)
                doubts.add(checked)
                progress.advance(rows.height, correct=self.verdicts["correct"])
            flags = doubts.write(self.writer.out / "gold_audit.parquet")
            return {
                "verdicts": dict(sorted(self.verdicts.items())),
                "methods": dict(sorted(self.methods.items())),
                "workers_replaced": verifier.replaced,
                "gold_flags": flags,
                **({"majority_answers": len(votes)} if self.section.majority else {}),
                **(self.books.totals() if self.section.judge else {}),
                **self.flips.totals(),
            }

    def _check(self, rows: pl.DataFrame, verifier: Verifier) -> pl.DataFrame:
        checked = verify_responses(rows, self.section, verifier=verifier)
        if self.section.judge:
            checked = judge_verdicts(checked, self.section, self.store, self.books)
        self.rows += rows.height
        self.verdicts.update(checked.get_column("verdict").to_list())
        self.methods.update(checked.get_column("method").to_list())
        return checked


def _without_gold(frames: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    for rows in frames:
        if "problem_id" in rows.columns:
            yield rows.filter(pl.col("answer").is_null() | (pl.col("answer").str.strip_chars() == ""))


class _Doubts:
    """Collects what the gold audit needs: each problem once, and the wrong answers of each problem."""

    def __init__(self, verifier: Verifier) -> None:
        self.verifier = verifier
        self.seen: set[str] = set()
        self.problems: list[pl.DataFrame] = []
        self.wrong: list[pl.DataFrame] = []

    def add(self, checked: pl.DataFrame) -> None:
        """Look at one frame of verdict rows."""
        if not {"problem_id", "answer", "problem"} <= set(checked.columns):
            return
        names = [
            n for n in ("problem", "answer", "choices", "answer_kind", "metadata") if n in checked.columns
        ]
        fresh = checked.filter(~pl.col("problem_id").is_in(list(self.seen))).unique(
            "problem_id", maintain_order=True
        )
        self.seen.update(fresh.get_column("problem_id"))
        flags = audit_gold(fresh.select(pl.col("problem_id").alias("id"), *names))
        self.problems.append(flags)
        answered = checked.filter(pl.col("verdict").is_in(["correct", "incorrect"]))
        self.wrong.append(answered.select("problem_id", "answer", "extracted", "verdict"))

    def write(self, path: Path) -> dict[str, int]:
        """Write the flagged problems; returns how many there are of each flag."""
        if not self.problems:
            return {}
        answered = pl.concat(self.wrong)
        suspects = answered.group_by("problem_id").agg(
            right=(pl.col("verdict") == "correct").sum(), samples=pl.len()
        )
        suspects = suspects.filter(
            (pl.col("samples") >= STRONG_SAMPLES) & (pl.col("right") < pl.col("samples") * 0.5)
        )
        rows = answered.filter(pl.col("problem_id").is_in(suspects.get_column("problem_id").to_list()))
        votes = majority_votes(
            [rows.with_columns(content="\\boxed{" + pl.col("extracted") + "}")], self.verifier
        )
        flags = pl.concat([*self.problems, contradicted(rows, votes)])
        with atomic_path(path) as temporary:
            flags.write_parquet(temporary)
        return {name: count for name, count in flags.group_by("flag").len().sort("flag").iter_rows()}


def run_files(patterns: list[str], out: Path, section: VerifySection) -> tuple[dict[str, Any], bool]:
    """Verify responses from files of any origin; extra columns pass through.

    Returns:
        The manifest, and False when a finished folder was found instead.

    Raises:
        UsageError: a path matches nothing, or columns are missing.
    """
    files = expand(patterns)
    settings = key_settings(section)
    inputs = {f"{number}": file_digest(path) for number, path in enumerate(files)}
    if manifest := finished(out, step_key("verify", settings, inputs)):
        return manifest, False
    read = read_rows(patterns)
    rows = as_responses(read.rows, ", ".join(patterns))
    with StepWriter(out, "verify", _schema_of(rows), settings=settings, inputs=inputs) as writer:
        writer.drop(read.dropped)
        task = _Task(section, writer, out.with_name(f"{out.name}-judge"))
        totals = task.run(lambda: iter(rows.iter_slices(FRAME_ROWS)), rows.height)
        return writer.finish(rows_in=task.rows + read.dropped.height, unit="responses", totals=totals), True


def _schema_of(rows: pl.DataFrame) -> TableSchema:
    """VERDICT for response tables; for others their own columns, then the verdict's."""
    if {"response_id", "problem_id"} <= set(rows.columns):
        return VERDICT
    added = {column.name for column in VERDICT_COLUMNS}
    own = tuple(
        Column(name, _arrow_type(rows.get_column(name)), "As in the input.")
        for name in rows.columns
        if name not in added
    )
    kind = () if "answer_kind" in rows.columns else (Column("answer_kind", pa.string(), "`AnswerKind`."),)
    return TableSchema("verified", 1, (*own, *kind, *VERDICT_COLUMNS))


def _arrow_type(column: pl.Series) -> pa.DataType:
    """The column's Arrow type; polars' large strings and lists as the ordinary ones."""
    return _ordinary(column.head(0).to_arrow().type)


def _ordinary(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_large_list(kind):
        return pa.list_(_ordinary(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(f.name, _ordinary(f.type)) for f in kind])
    return kind
