"""Step `dedup`: drop exact and near-duplicates of a table, of any size."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from factory.atomic import atomic_path, file_digest, read_json
from factory.config.deduplication import Conflicts, DeduplicationSection
from factory.engines.engine import Engine
from factory.engines.local import ThreadEngine
from factory.errors import UsageError
from factory.run.keys import deciding
from factory.run.parts import side_path
from factory.run.step import Step, StepResult
from factory.run.step_writer import StepWriter
from factory.sources.paths import expand
from factory.sources.stage import require_text, stage
from factory.steps.source import Rows, Source, open_source

STEP = "dedup"
VERSION = 4
"""Rises when other rows are kept with the same settings."""
PAIRS = "pairs.parquet"
KEYS = "keys.parquet"
KNOWN = "known.json"
"""Side tables: verified pairs, what is known of every row, and what they were made of. `rethreshold` starts from them."""
CONFLICTS = "conflicts.parquet"
"""Side table: rows of clusters whose golds contradict each other, with their answers and whether they are kept."""


@dataclass(frozen=True, slots=True)
class Deduplicated:
    """How pairs were found and verified, and how many of a sample's true pairs ended in one cluster (`recall`)."""

    rows: int
    kept: int
    dropped: int
    threshold: float
    candidate_pairs: int
    verified_pairs: int
    conflicts: int
    """Clusters whose golds contradict each other: one row per gold is kept."""
    pairs_from: float
    recall: float | None
    ngram: int | None = None
    bands: int | None = None
    rows_a_band: int | None = None
    exact_pairs: int | None = None
    audit_rows: int | None = None
    audit_pairs: int | None = None
    audit_found: int | None = None


def run(
    rows: Rows,
    out: Path,
    section: DeduplicationSection,
    *,
    field: str,
    step: str = STEP,
    engine: Engine | None = None,
) -> StepResult[Deduplicated]:
    """Write the rows that are no duplicates of another, with `cluster_id`.

    Responses (`field` is `reasoning` or `content`) are compared within their problem only, unless the section says
    `across_problems`.

    Args:
        rows: a step's folder, or files; lines that cannot be read are dropped with the rest.
        out: folder to write.
        section: settings.
        field: column to compare by.
        step: name in the ledger.
        engine: where the work runs; threads of this process when None.

    Raises:
        UsageError: a path matches nothing, or a column is missing.
    """
    source = open_source(rows, out, also=section.against)
    return _step(source, out, section, field, step).run(
        partial(_write, source, section, field, engine or ThreadEngine(), None)
    )


def rethreshold(
    rows: Sequence[str],
    out: Path,
    section: DeduplicationSection,
    *,
    field: str,
    engine: Engine | None = None,
) -> StepResult[Deduplicated]:
    """Cluster an earlier run again with another threshold, from its stored pairs.

    Args:
        rows: the same files.
        out: the folder of the earlier run; its parts are written again.
        section: the same settings, but for the threshold, which is not below that of the earlier run.
        field: the same column.
        engine: where the work runs; threads of this process when None.

    Raises:
        UsageError: there is no such run, or other files or settings, or its pairs do not reach so low.
    """
    source = open_source(rows, out, also=section.against)
    if not side_path(out, KNOWN).exists():
        raise UsageError(f"{out} holds no finished run to start from", do="run without --rethreshold first")
    known = read_json(side_path(out, KNOWN))
    step = _step(source, out, section, field, STEP)
    least = known["settings"]["section"]["threshold"]
    same = section.model_copy(update={"threshold": least})
    if known != {"inputs": step.inputs, "settings": key_parts(same, field)}:
        raise UsageError(
            f"{out} was made of other files or with other settings", do="run without --rethreshold"
        )
    if section.threshold < least:
        raise UsageError(
            f"{out} knows pairs of similarity {least} and more only",
            do=f"run with --threshold {section.threshold} instead",
        )
    return step.run(partial(_write, source, section, field, engine or ThreadEngine(), least))


def key_parts(section: DeduplicationSection, field: str) -> dict[str, Any]:
    """The settings that decide what comes out; files are among the inputs, by their digests."""
    chosen = deciding(section, without={"against"})
    if section.conflicts is Conflicts.KEEP_BOTH:
        del chosen["conflicts"]  # as before there was another rule
    return {"section": chosen, "field": field, "version": VERSION}


def _step(
    source: Source, out: Path, section: DeduplicationSection, field: str, name: str
) -> Step[Deduplicated]:
    against = expand(section.against) if section.against else []
    inputs = source.inputs | {f"against:{number}": file_digest(path) for number, path in enumerate(against)}
    return Step(name, out, Deduplicated, settings=key_parts(section, field), inputs=inputs)


def _write(
    source: Source,
    section: DeduplicationSection,
    field: str,
    engine: Engine,
    known_from: float | None,
    writer: StepWriter,
) -> Deduplicated:
    from factory.deduplication import out_of_core
    from factory.deduplication.deduplicate import RESPONSE_FIELDS
    from factory.deduplication.workshop import Task, parts_of, write_part

    scratch, step = writer.scratch, writer.step
    read = source.parts(scratch, engine)
    compared = {source.name: read}
    if section.against:
        compared["--against"] = stage(section.against, scratch / "against", engine)
    names = pq.read_schema(read.parts[0]).names
    for where, each in compared.items():
        require_text(each, [field], "to deduplicate by", where)
    by_problem = field in RESPONSE_FIELDS and "problem_id" in names and not section.across_problems
    size = sum(path.stat().st_size for each in compared.values() for path in each.parts)
    task = Task(scratch, section, field, "problem_id" if by_problem else None, size)
    parts = parts_of(*(each.parts for each in compared.values()))
    if known_from is None:
        tables = [task.at("rows", part.number) for part in parts]
        signed, linked = out_of_core.cluster(task, parts, engine, step)
        _remember(writer, tables, linked, {"settings": writer.settings, "inputs": writer.inputs})
    else:
        former = {name: side_path(writer.out, name) for name in (KEYS, PAIRS, KNOWN)}
        tables = [former[KEYS]]
        signed, linked = out_of_core.cluster_again(former[KEYS], former[PAIRS], section.threshold)
        for name, path in former.items():
            target = writer.side_file(name)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    audit = linked.audit | out_of_core.decide(task, parts, tables, signed, linked, engine, step)
    writer.map(partial(write_part, task, parts, step), read.parts, engine=engine)
    writer.drop_unread(read.unread)
    writer.side(
        CONFLICTS,
        pl.concat([pl.read_parquet(path) for path in writer.asides("conflicts")]).sort(
            "cluster_id", maintain_order=True
        ),
    )
    return Deduplicated(**audit, pairs_from=known_from or section.threshold)


def _remember(writer: StepWriter, tables: Sequence[Path], linked: Any, made_of: dict[str, Any]) -> None:
    """Write what `rethreshold` starts from."""
    with atomic_path(writer.side_file(KEYS)) as temporary:
        pl.scan_parquet(list(tables)).sink_parquet(temporary)
    pairs = {"left": linked.pairs[:, 0], "right": linked.pairs[:, 1], "similarity": linked.similarities}
    writer.side(PAIRS, pl.DataFrame(pairs))
    writer.side(KNOWN, made_of)
