"""Step: drop exact and near-duplicates of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from factory.deduplication.result import Known
from factory.errors import UsageError
from factory.progress import watch
from factory.recipe.deduplication import DeduplicationSection
from factory.sources.files import ReadResult, no_drops, read_rows
from factory.sources.paths import expand
from factory.store.atomic import atomic_path, file_digest, read_json
from factory.store.parts import MANIFEST, finished, input_digest, read_parts
from factory.store.writer import StepWriter, step_key

STEP = "dedup"
PAIRS = "pairs.parquet"
KEYS = "keys.parquet"
"""Verified pairs, and hash and guard of every row, beside the parts: what `factory dedup --rethreshold` starts from."""


def run(
    rows: Path, out: Path, section: DeduplicationSection, *, field: str, step: str = STEP
) -> dict[str, Any]:
    """Write the rows of `rows` that are no duplicates of another, with `cluster_id`.

    Responses (`field` is `reasoning` or `content`) are compared within their problem only, unless the section says
    `across_problems`.

    Args:
        rows: a step's folder.
        out: folder to write.
        section: settings.
        field: column to compare by.
        step: name in the ledger.

    Returns:
        The manifest; `totals` holds the audit.

    Raises:
        UsageError: the folder or a column is missing.
    """
    settings, inputs = key_parts(section, field), {"rows": input_digest(rows)} | _against(section)
    if done := finished(out, step_key(step, settings, inputs)):
        return done
    return _write(ReadResult(read_parts(rows), no_drops()), out, section, field, step, inputs)


def run_files(
    patterns: Sequence[str], out: Path, section: DeduplicationSection, *, field: str
) -> tuple[dict[str, Any], bool]:
    """The same for files, folders and globs; lines that cannot be read are dropped with the rest.

    Returns:
        The manifest, and whether there was anything to do.
    """
    settings = key_parts(section, field)
    inputs = {str(path): file_digest(path) for path in expand(patterns)} | _against(section)
    if done := finished(out, step_key(STEP, settings, inputs)):
        return done, False
    return _write(read_rows(patterns), out, section, field, STEP, inputs), True


def rethreshold(
    patterns: Sequence[str], out: Path, section: DeduplicationSection, *, field: str
) -> dict[str, Any]:
    """Cluster an earlier run again with another threshold, from its stored pairs.

    Args:
        patterns: the same files.
        out: the folder of the earlier run; its parts are written anew.
        section: the same settings, but for the threshold, which is not below that of the earlier run.
        field: the same column.

    Raises:
        UsageError: there is no such run, or other files or settings, or its pairs do not reach so low.
    """
    manifest = read_json(out / MANIFEST) if (out / MANIFEST).exists() else None
    if manifest is None or not (out / KEYS).exists():
        raise UsageError(f"{out} holds no finished run to start from", do="run without --rethreshold first")
    inputs = {str(path): file_digest(path) for path in expand(patterns)} | _against(section)
    same = section.model_copy(update={"threshold": manifest["settings"]["section"]["threshold"]})
    if manifest["inputs"] != inputs or manifest["settings"] != key_parts(same, field):
        raise UsageError(
            f"{out} was made of other files or with other settings", do="run without --rethreshold"
        )
    least = manifest["totals"]["pairs_from"]
    if section.threshold < least:
        raise UsageError(
            f"{out} knows pairs of similarity {least} and more only",
            do=f"run with --threshold {section.threshold} instead",
        )
    known = Known(pl.read_parquet(out / KEYS), pl.read_parquet(out / PAIRS))
    return _write(read_rows(patterns), out, section, field, STEP, inputs, (known, least))


def key_parts(section: DeduplicationSection, field: str) -> dict[str, Any]:
    """The settings that decide what comes out."""
    return {"section": section.model_dump(mode="json"), "field": field}


def _against(section: DeduplicationSection) -> dict[str, str]:
    return {
        f"against:{path}": file_digest(path) for path in (expand(section.against) if section.against else [])
    }


def _write(
    read: ReadResult,
    out: Path,
    section: DeduplicationSection,
    field: str,
    step: str,
    inputs: Mapping[str, str],
    earlier: tuple[Known, float] | None = None,
) -> dict[str, Any]:
    from factory.deduplication.deduplicate import RESPONSE_FIELDS, deduplicate

    rows = read.rows
    by_problem = field in RESPONSE_FIELDS and "problem_id" in rows.columns and not section.across_problems
    writer = StepWriter(out, step, settings=key_parts(section, field), inputs=inputs)
    with watch(step, rows.height) as task, writer:
        result = deduplicate(
            rows,
            section,
            field=field,
            within="problem_id" if by_problem else None,
            step=step,
            against=read_rows(section.against).rows if section.against else None,
            known=earlier[0] if earlier else None,
        )
        writer.keep(result.kept)
        writer.drop(read.dropped)
        writer.drop(result.dropped)
        for name, table in () if earlier else ((PAIRS, result.known.pairs), (KEYS, result.known.keys)):
            with atomic_path(out / name) as temporary:
                table.write_parquet(temporary)
        task.advance(rows.height, dropped=result.dropped.height)
        totals = result.audit | {"pairs_from": earlier[1] if earlier else section.threshold}
        return writer.finish(rows_in=read.rows_in, totals=totals)
