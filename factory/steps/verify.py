"""Step `verify`: responses in, the same responses with verdicts out. Nothing is dropped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from factory.progress import watch
from factory.recipe.verify import VerifySection
from factory.sources.files import read_rows
from factory.sources.paths import expand
from factory.store.atomic import file_digest
from factory.store.parts import finished, input_digest, iter_parts, scan_parts
from factory.store.writer import StepWriter, step_key
from factory.verification import CHECKER_VERSION, Verifier, verify_responses
from factory.verification.columns import as_responses
from schemas.table import Column, TableSchema
from schemas.verdict import VERDICT, VERDICT_COLUMNS

FRAME_ROWS = 10_000
"""Rows verified and written at a time."""


def run(responses: Path, out: Path, section: VerifySection, *, step: str = "verify") -> dict[str, Any]:
    """Verify every response of a step's folder.

    Args:
        responses: folder of RESPONSE parts.
        out: folder for VERDICT parts.
        section: workers, seconds, judge, majority.
        step: name in the ledger, where a run verifies more than once.

    Returns:
        The manifest; `totals` counts verdicts and methods.
    """
    settings = key_settings(section)
    inputs = {"responses": input_digest(responses)}
    if manifest := finished(out, step_key(step, settings, inputs)):
        return manifest
    expected = scan_parts(responses).select(pl.len()).collect().item()
    with StepWriter(out, step, VERDICT, settings=settings, inputs=inputs) as writer:
        rows_in, totals = verify_frames(iter_parts(responses), expected, section, writer)
        return writer.finish(rows_in=rows_in, unit="responses", totals=totals)


def key_settings(section: VerifySection) -> dict[str, Any]:
    """What decides verdicts: the settings without the number of workers, and the checker's version."""
    return {**section.model_dump(mode="json", exclude={"workers"}), "checker": CHECKER_VERSION}


def verify_frames(
    frames: Iterable[pl.DataFrame], expected: int, section: VerifySection, writer: StepWriter
) -> tuple[int, dict[str, Any]]:
    """Verify frame by frame into `writer`.

    Returns:
        Rows seen, and the totals for the manifest.
    """
    verdicts: Counter[str] = Counter()
    methods: Counter[str] = Counter()
    rows_in = 0
    with Verifier(section) as verifier, watch("verify", expected, "responses") as task:
        for rows in frames:
            checked = verify_responses(rows, section, verifier=verifier)
            writer.keep(checked)
            rows_in += rows.height
            verdicts.update(checked.get_column("verdict").to_list())
            methods.update(checked.get_column("method").to_list())
            task.advance(rows.height, correct=verdicts["correct"])
        totals = {
            "verdicts": dict(sorted(verdicts.items())),
            "methods": dict(sorted(methods.items())),
            "workers_replaced": verifier.replaced,
        }
    return rows_in, totals


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
    frames = (rows.slice(at, FRAME_ROWS) for at in range(0, rows.height, FRAME_ROWS))
    with StepWriter(out, "verify", _schema_of(rows), settings=settings, inputs=inputs) as writer:
        writer.drop(read.dropped)
        rows_in, totals = verify_frames(frames, rows.height, section, writer)
        return writer.finish(rows_in=rows_in + read.dropped.height, unit="responses", totals=totals), True


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
