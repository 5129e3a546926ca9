"""Step: drop exact and near-duplicates of a table, of any size."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from factory.atomic import atomic_path, disk_error, file_digest, read_json, write_json
from factory.config.deduplication import DeduplicationSection
from factory.engines.engine import Engine
from factory.engines.threads import ThreadEngine
from factory.errors import UsageError
from factory.run.by_part import run_by_part
from factory.run.manifest import step_key
from factory.run.parts import finished, input_digest, part_paths
from factory.sources.files import no_drops
from factory.sources.paths import expand, refuse_own_input
from factory.sources.stage import Staged, require_text, stage

STEP = "dedup"
PAIRS = "pairs.parquet"
KEYS = "keys.parquet"
KNOWN = "known.json"
"""Verified pairs, what is known of every row, and what they were made of, beside the parts: what `factory dedup
--rethreshold` starts from."""


def run(
    rows: Path,
    out: Path,
    section: DeduplicationSection,
    *,
    field: str,
    step: str = STEP,
    engine: Engine | None = None,
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
        engine: where the work runs; threads of this process when None.

    Returns:
        The manifest; `totals` holds the audit.

    Raises:
        UsageError: the folder or a column is missing.
    """
    settings, inputs = key_parts(section, field), {"rows": input_digest(rows)} | _against(section)
    if done := finished(out, step_key(step, settings, inputs)):
        return done
    if not (parts := part_paths(rows)):
        raise UsageError(f"{rows} holds no part-*.parquet", do="run the step that writes it first")
    where: Engine = engine or ThreadEngine()
    with _Workshop(out, step_key(step, settings, inputs)) as workshop:
        return _write(Staged(parts, no_drops()), out, workshop, section, field, step, inputs, where)


def run_files(
    patterns: Sequence[str],
    out: Path,
    section: DeduplicationSection,
    *,
    field: str,
    engine: Engine | None = None,
) -> tuple[dict[str, Any], bool]:
    """The same for files, folders and globs; lines that cannot be read are dropped with the rest.

    Returns:
        The manifest, and whether there was anything to do.
    """
    refuse_own_input(out, [*patterns, *section.against])
    settings = key_parts(section, field)
    inputs = {str(path): file_digest(path) for path in expand(patterns)} | _against(section)
    if done := finished(out, step_key(STEP, settings, inputs)):
        return done, False
    where: Engine = engine or ThreadEngine()
    with _Workshop(out, step_key(STEP, settings, inputs)) as workshop:
        read = stage(patterns, workshop / "read", where)
        return _write(read, out, workshop, section, field, STEP, inputs, where), True


def rethreshold(
    patterns: Sequence[str],
    out: Path,
    section: DeduplicationSection,
    *,
    field: str,
    engine: Engine | None = None,
) -> dict[str, Any]:
    """Cluster an earlier run again with another threshold, from its stored pairs.

    Args:
        patterns: the same files.
        out: the folder of the earlier run; its parts are written anew.
        section: the same settings, but for the threshold, which is not below that of the earlier run.
        field: the same column.
        engine: where the work runs; threads of this process when None.

    Raises:
        UsageError: there is no such run, or other files or settings, or its pairs do not reach so low.
    """
    refuse_own_input(out, [*patterns, *section.against])
    if not (out / KNOWN).exists():
        raise UsageError(f"{out} holds no finished run to start from", do="run without --rethreshold first")
    known = read_json(out / KNOWN)
    inputs = {str(path): file_digest(path) for path in expand(patterns)} | _against(section)
    least = known["settings"]["section"]["threshold"]
    same = section.model_copy(update={"threshold": least})
    if known["inputs"] != inputs or known["settings"] != key_parts(same, field):
        raise UsageError(
            f"{out} was made of other files or with other settings", do="run without --rethreshold"
        )
    if section.threshold < least:
        raise UsageError(
            f"{out} knows pairs of similarity {least} and more only",
            do=f"run with --threshold {section.threshold} instead",
        )
    where: Engine = engine or ThreadEngine()
    with _Workshop(out, step_key(STEP, key_parts(section, field), inputs)) as workshop:
        read = stage(patterns, workshop / "read", where)
        return _write(read, out, workshop, section, field, STEP, inputs, where, known_from=least)


def key_parts(section: DeduplicationSection, field: str) -> dict[str, Any]:
    """The settings that decide what comes out."""
    return {"section": section.model_dump(mode="json"), "field": field}


def _against(section: DeduplicationSection) -> dict[str, str]:
    return {
        f"against:{path}": file_digest(path) for path in (expand(section.against) if section.against else [])
    }


class _Workshop:
    """A folder for this key's files, as an earlier attempt left it; it goes when the step is done."""

    def __init__(self, out: Path, key: str) -> None:
        self.out, self.path = out, out.resolve() / f".dedup-{key[:16]}"

    def __enter__(self) -> Path:
        try:
            self.out.mkdir(parents=True, exist_ok=True)
            for other in self.out.glob(".dedup-*"):
                if other.name != self.path.name:
                    shutil.rmtree(other, ignore_errors=True)
            self.path.mkdir(exist_ok=True)
        except OSError as error:
            raise disk_error(error, self.out) from error
        return self.path

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        # A user's mistake leaves nothing to go on with.
        if error is None or isinstance(error, UsageError):
            shutil.rmtree(self.path, ignore_errors=True)


def _write(
    read: Staged,
    out: Path,
    workshop: Path,
    section: DeduplicationSection,
    field: str,
    step: str,
    inputs: Mapping[str, str],
    engine: Engine,
    known_from: float | None = None,
) -> dict[str, Any]:
    from factory.deduplication import out_of_core
    from factory.deduplication.deduplicate import RESPONSE_FIELDS
    from factory.deduplication.workshop import Task, parts_of, write_part

    compared = {"the input": read}
    if section.against:
        compared["--against"] = stage(section.against, workshop / "against", engine)
    names = pq.read_schema(read.parts[0]).names
    for where, each in compared.items():
        require_text(each, [field], "to deduplicate by", where)
    by_problem = field in RESPONSE_FIELDS and "problem_id" in names and not section.across_problems
    task = Task(workshop, section, field, "problem_id" if by_problem else None)
    parts = parts_of(*(each.parts for each in compared.values()))
    if known_from is None:
        rows, linked, audit = out_of_core.cluster(task, parts, engine, step)
        _remember(out, rows.tables, linked, {"settings": key_parts(section, field), "inputs": dict(inputs)})
    else:
        rows, linked, audit = out_of_core.cluster_again(out / KEYS, out / PAIRS, section.threshold)
    audit |= out_of_core.decide(task, parts, rows, linked, engine, step)
    return run_by_part(
        read.parts,
        out,
        step,
        partial(write_part, task, parts, step),
        settings=key_parts(section, field),
        inputs=inputs,
        engine=engine,
        unread=read.unread,
        close=lambda done: audit | {"pairs_from": known_from or section.threshold},
    )


def _remember(out: Path, tables: Sequence[Path], linked: Any, made_of: dict[str, Any]) -> None:
    """Write what `rethreshold` starts from."""
    (out / KNOWN).unlink(missing_ok=True)
    with atomic_path(out / KEYS) as temporary:
        pl.scan_parquet(list(tables)).sink_parquet(temporary)
    pairs = pl.DataFrame(
        {"left": linked.pairs[:, 0], "right": linked.pairs[:, 1], "similarity": linked.similarities}
    )
    with atomic_path(out / PAIRS) as temporary:
        pairs.write_parquet(temporary)
    write_json(out / KNOWN, made_of)
