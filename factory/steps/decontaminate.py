"""Step: drop the rows of a table that hold a benchmark problem, and issue the certificate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from factory.atomic import atomic_path, digest, file_digest, read_json
from factory.config.decontamination import DecontaminationSection
from factory.engines.engine import Engine, engine_or_local
from factory.errors import UsageError
from factory.run.by_part import Done, run_by_part
from factory.run.part_writer import PartWriter
from factory.run.parts import MANIFEST, finished, input_digest, iter_part, part_paths
from factory.run.writer import step_key
from factory.sources.files import no_drops
from factory.sources.paths import expand, refuse_own_input
from factory.sources.stage import Staged, require_text, staged

if TYPE_CHECKING:
    from factory.decontamination.index import BenchmarkIndex

STEP = "decontaminate"
BATCH_ROWS = 2_000
"""Rows whose texts are looked at together."""
HITS = "hits.parquet"
"""Every hit, beside the parts, those only reported included: read by `factory decontaminate --review`."""
BESIDE = ("benchmark:", "decisions", "model:")
"""Inputs that are not the rows themselves."""
NEAR = "near.parquet"
"""What the embedding tier found, beside the parts."""


def run(
    rows: Path,
    out: Path,
    section: DecontaminationSection,
    *,
    fields: Sequence[str],
    step: str = STEP,
    engine: Engine | None = None,
    store: Path | None = None,
) -> dict[str, Any]:
    """Write the rows of `rows` that hold no benchmark problem.

    Args:
        rows: a step's folder.
        out: folder to write.
        section: benchmarks and thresholds.
        fields: columns to look in.
        step: name in the ledger.
        engine: where the parts are worked on.
        store: the response store of the embedding tier's judge; a folder beside `out` by default.

    Returns:
        The manifest; `totals` is the certificate.

    Raises:
        UsageError: a benchmark, the folder or a column is missing.
    """
    inputs = {"rows": input_digest(rows)} | _checked_against(section)
    if done := finished(out, step_key(step, key_parts(section, fields), inputs)):
        return done
    if not (parts := part_paths(rows)):
        raise UsageError(f"{rows} holds no part-*.parquet", do="run the step that writes it first")
    return _write(Staged(parts, no_drops()), out, section, fields, step, inputs, engine, store)


def run_files(
    patterns: Sequence[str],
    out: Path,
    section: DecontaminationSection,
    *,
    fields: Sequence[str],
    engine: Engine | None = None,
    store: Path | None = None,
) -> tuple[dict[str, Any], bool]:
    """The same for files, folders and globs; lines that cannot be read are dropped with the rest.

    Returns:
        The manifest, and whether there was anything to do.
    """
    refuse_own_input(out, [*patterns, *section.against])
    inputs = {str(path): file_digest(path) for path in expand(patterns)} | _checked_against(section)
    if done := finished(out, step_key(STEP, key_parts(section, fields), inputs)):
        return done, False
    with engine_or_local(engine) as where, staged(patterns, out, where) as read:
        return _write(read, out, section, fields, STEP, inputs, where, store), True


def differences(out: Path, other: Path) -> pl.DataFrame:
    """What two finished runs over the same files decide differently (`compare.decided_differently`).

    Raises:
        UsageError: a folder holds no finished run, or they are of different files.
    """
    from factory.decontamination.compare import decided_differently

    manifests = []
    for folder in (out, other):
        if not (folder / MANIFEST).exists() or not (folder / HITS).exists():
            raise UsageError(f"{folder} holds no finished decontamination", do="run it first")
        manifests.append(read_json(folder / MANIFEST))
    ours, theirs = (
        sorted(value for name, value in m["inputs"].items() if not name.startswith(BESIDE)) for m in manifests
    )
    if ours != theirs:
        raise UsageError(f"{out} and {other} are of different files: only runs over the same can be compared")
    return decided_differently(*(pl.read_parquet(folder / HITS) for folder in (out, other)))


def borderline_hits(out: Path, section: DecontaminationSection) -> pl.DataFrame:
    """Hits of a finished run that another threshold might decide differently, and nobody has (`decisions.borderline`)."""
    from factory.decontamination.decisions import borderline, decided, read_decisions

    hits = pl.read_parquet(out / HITS)
    # Decisions made since the run are not asked for again.
    made = read_decisions(Path(section.decisions)) if section.decisions else read_decisions(None)
    return borderline(decided(hits, made), section.coverage)


def key_parts(section: DecontaminationSection, fields: Sequence[str]) -> dict[str, Any]:
    """The settings that decide what comes out; files are among the inputs, by their digests."""
    dumped = section.model_dump(mode="json", exclude={"decisions": True, "embedding": {"model", "judge"}})
    if section.embedding:
        dumped["embedding"]["judge"] = section.embedding.judge and section.embedding.judge.identity()
    return {"section": dumped, "fields": list(fields)}


def _checked_against(section: DecontaminationSection) -> dict[str, str]:
    """Digests of what the texts are compared with: indexes, benchmark files, decisions, the embedding model."""
    from factory.decontamination.load import index_digests

    inputs = index_digests(section.against)
    if section.decisions and Path(section.decisions).exists():
        inputs["decisions"] = file_digest(Path(section.decisions))
    if section.embedding:
        folder = Path(section.embedding.model)
        inputs |= {
            f"model:{path.name}": file_digest(path) for path in sorted(folder.glob("*")) if path.is_file()
        }
    return inputs


def _near(
    parts: Sequence[Path],
    out: Path,
    fields: Sequence[str],
    section: DecontaminationSection,
    store: Path | None,
) -> Path | None:
    """The embedding tier over all texts, before the parts are worked on; what it finds lies beside the parts."""
    if section.embedding is None:
        return None
    from factory.decontamination.find import text_digest
    from factory.decontamination.near import near_problems, read_problems

    problems = read_problems(section.against)
    texts: dict[str, str] = {}
    for path in parts:
        for rows in iter_part(path, BATCH_ROWS):
            for field in fields:
                if field in rows.columns:
                    texts.update((text_digest(text), text) for text in rows[field] if text)
    out.mkdir(parents=True, exist_ok=True)
    found = near_problems(texts, problems, section.embedding, store or out.with_name(f"{out.name}-judge"))
    with atomic_path(out / NEAR) as temporary:
        found.write_parquet(temporary)
    return (out / NEAR).resolve()


def _write(
    read: Staged,
    out: Path,
    section: DecontaminationSection,
    fields: Sequence[str],
    step: str,
    inputs: Mapping[str, str],
    engine: Engine | None,
    store: Path | None,
) -> dict[str, Any]:
    require_text(read, fields, "to check")
    near = _near(read.parts, out, fields, section, store)
    decisions = Path(section.decisions).resolve() if section.decisions else None
    digests = tuple(value for name, value in inputs.items() if name.startswith("benchmark:"))
    return run_by_part(
        read.parts,
        out,
        step,
        partial(_clean, section, tuple(fields), step, digests, near, decisions),
        settings=key_parts(section, fields),
        inputs=inputs,
        engine=engine,
        unread=read.unread,
        close=partial(_close, out, section, digests),
    )


def _clean(
    section: DecontaminationSection,
    fields: tuple[str, ...],
    step: str,
    digests: tuple[str, ...],
    near: Path | None,
    decisions: Path | None,
    path: Path,
    part: PartWriter,
) -> dict[str, Any]:
    """One part: keep and drop rows, and write its hits beside it, their rows counted from the part's first."""
    from factory.decontamination.decisions import read_decisions
    from factory.decontamination.decontaminate import decontaminate
    from factory.decontamination.find import HITS as COLUMNS
    from factory.decontamination.find import Outside

    index = _index(tuple(section.against), digests)
    outside = Outside(pl.read_parquet(near) if near else None, read_decisions(decisions))
    seen, hits = 0, [pl.DataFrame(schema=COLUMNS)]
    for rows in iter_part(path, BATCH_ROWS):
        result = decontaminate(rows, index, section, fields=fields, step=step, outside=outside)
        part.keep(result.kept)
        part.drop(result.dropped)
        hits.append(result.hits.with_columns(pl.col("row") + seen))
        seen += rows.height
    part.aside("hits", pl.concat(hits))
    return {}


@lru_cache(maxsize=1)
def _index(against: tuple[str, ...], digests: tuple[str, ...]) -> BenchmarkIndex:
    """The index, once a process; `digests` are what the named files hold, so a changed file is read anew."""
    from factory.decontamination.load import load_index

    return load_index(against)


def _close(
    out: Path, section: DecontaminationSection, digests: tuple[str, ...], done: Done
) -> dict[str, Any]:
    """Write the hits of all parts as one table and issue the certificate."""
    from factory.decontamination.decontaminate import certify

    starts = accumulate((books.rows_in for books in done.books), initial=0)
    hits = pl.concat(
        [
            pl.read_parquet(path).with_columns(pl.col("row") + start)
            for path, start in zip(done.aside("hits"), starts, strict=False)
        ]
    )
    with atomic_path(out / HITS) as temporary:
        hits.write_parquet(temporary)
    index = _index(tuple(section.against), digests)
    rows = sum(books.rows_in for books in done.books)
    dropped = sum(books.rows_in - books.rows_out for books in done.books)
    certificate = certify(index, section, rows, dropped, hits)
    return {"certificate": {**certificate, "digest": digest(certificate)}}
