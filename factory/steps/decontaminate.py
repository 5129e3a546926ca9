"""Step `decontaminate`: drop the rows of a table that hold a benchmark problem, and issue the certificate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from factory.atomic import atomic_path, digest, file_digest, read_json
from factory.config.decontamination import DecontaminationSection
from factory.engines.engine import Engine, engine_or_local
from factory.errors import UsageError
from factory.progress.parts import tick
from factory.run.keys import deciding
from factory.run.parts import MANIFEST, iter_part, side_path
from factory.run.step import Step, StepResult
from factory.run.step_writer import StepWriter
from factory.run.writer import Writer
from factory.sampling.presets import open_endpoint
from factory.sources.columns import message_text
from factory.sources.stage import require_text
from factory.steps.source import Rows, Source, open_source
from factory.text import compiled

if TYPE_CHECKING:
    from factory.decontamination.index import BenchmarkIndex
    from factory.decontamination.meaning import Meanings

STEP = "decontaminate"
VERSION = 3
"""Rises when other rows are found with the same settings."""
BATCH_ROWS = 2_000
"""Rows whose texts are looked at together."""
HITS = "hits.parquet"
"""Side table: every hit, those only reported included; read by `factory decontaminate --review`."""
NEAR = "near.parquet"
"""Side table: what the judge of the embedding tier said."""


@dataclass(frozen=True, slots=True)
class Decontaminated:
    """The certificate: benchmarks and their digests, settings, rows found by benchmark and tier."""

    certificate: dict[str, Any]


def run(
    rows: Rows,
    out: Path,
    section: DecontaminationSection,
    *,
    fields: Sequence[str],
    step: str = STEP,
    engine: Engine | None = None,
    store: Path | None = None,
) -> StepResult[Decontaminated]:
    """Write the rows that hold no benchmark problem.

    Args:
        rows: a step's folder, or files; lines that cannot be read are dropped with the rest.
        out: folder to write.
        section: benchmarks and thresholds.
        fields: columns to look in.
        step: name in the ledger.
        engine: where the parts are worked on.
        store: the response store of the embedding tier's judge; a folder beside `out` by default.

    Raises:
        UsageError: a benchmark, a path or a column is missing.
    """
    against = _checked_against(section)
    source = open_source(rows, out, also=section.against)
    made = Step(
        step, out, Decontaminated, settings=key_parts(section, fields), inputs=source.inputs | against
    )
    digests = tuple(value for name, value in against.items() if name.startswith("benchmark:"))
    store = store or out.with_name(f"{out.name}-judge")
    return made.run(partial(_write, source, section, tuple(fields), digests, engine, store))


def differences(out: Path, other: Path) -> pl.DataFrame:
    """What two finished runs over the same files decide differently (`compare.decided_differently`).

    Raises:
        UsageError: a folder holds no finished run, or they are of different files.
    """
    from factory.decontamination.decisions import decided_differently

    manifests = []
    for folder in (out, other):
        if not (folder / MANIFEST).exists() or not side_path(folder, HITS).exists():
            raise UsageError(f"{folder} holds no finished decontamination", do="run it first")
        manifests.append(read_json(folder / MANIFEST))
    ours, theirs = (
        sorted(value for name, value in m["inputs"].items() if name.startswith("rows")) for m in manifests
    )
    if ours != theirs:
        raise UsageError(f"{out} and {other} are of different files: only runs over the same can be compared")
    return decided_differently(*(pl.read_parquet(side_path(folder, HITS)) for folder in (out, other)))


def borderline_hits(out: Path, section: DecontaminationSection) -> pl.DataFrame:
    """Hits of a finished run that another threshold might decide differently, and nobody has (`decisions.borderline`)."""
    from factory.decontamination.decisions import borderline, decided, read_decisions

    hits = pl.read_parquet(side_path(out, HITS))
    # Decisions made since the run are not asked for again.
    made = read_decisions(Path(section.decisions)) if section.decisions else read_decisions(None)
    return borderline(decided(hits, made), section.coverage)


def key_parts(section: DecontaminationSection, fields: Sequence[str]) -> dict[str, Any]:
    """The settings that decide what comes out; files are among the inputs, by their digests."""
    chosen = deciding(section, without={"decisions"})
    if section.sources_until is None:
        del chosen["sources_until"]
    if section.embedding:
        chosen["embedding"] = deciding(section.embedding, without={"model"})
    return {"section": chosen, "fields": list(fields), "version": VERSION}


def _checked_against(section: DecontaminationSection) -> dict[str, str]:
    """Digests of what the texts are compared with: indexes, benchmark files, decisions, the embedding model."""
    from factory.decontamination.embedding import weights_digest
    from factory.decontamination.load import index_digests

    inputs = index_digests(section.against)
    if section.decisions and Path(section.decisions).exists():
        inputs["decisions"] = file_digest(Path(section.decisions))
    if section.embedding:
        inputs["model"] = weights_digest(section.embedding.model)
    return inputs


def _near(
    parts: Sequence[Path],
    fields: Sequence[str],
    section: DecontaminationSection,
    digests: tuple[str, ...],
    store: Path,
    writer: StepWriter,
) -> Path | None:
    """What the judge says of texts that nothing else decides on, before the parts are worked on."""
    if section.embedding is None or section.embedding.judge is None:
        return None
    from factory.decontamination.find import Outside, find_hits, text_digest
    from factory.decontamination.near import near_problems, read_problems

    problems = read_problems(section.against)
    index, meanings = _opened(section, digests)
    texts: dict[str, str] = {}
    for path in parts:
        for rows in iter_part(path, BATCH_ROWS):
            hits = find_hits(rows, index, section, fields=fields, outside=Outside(meanings=meanings))
            left = pl.int_range(rows.height).is_in(hits.filter("drops")["row"].implode()).not_()
            for field in fields:
                told = message_text(rows.filter(left)[field], asked=True)
                texts.update((text_digest(text), text) for text in told if text)
    path = writer.side_file(NEAR)
    path.parent.mkdir(parents=True, exist_ok=True)
    near_problems(texts, problems, section.embedding, store).write_parquet(path)
    return path


def _write(
    source: Source,
    section: DecontaminationSection,
    fields: tuple[str, ...],
    digests: tuple[str, ...],
    engine: Engine | None,
    store: Path,
    writer: StepWriter,
) -> Decontaminated:
    from factory.decontamination.certificate import JSON, MARKDOWN, certify, markdown

    if section.embedding and section.embedding.judge:
        open_endpoint(section.embedding.judge, section.embedding.judge)  # known and with a key
    with engine_or_local(engine) as where:
        read = source.parts(writer.scratch, where)
        require_text(read, fields, "to check", source.name)
        near = _near(read.parts, fields, section, digests, store, writer)
        decisions = Path(section.decisions).resolve() if section.decisions else None
        size = sum(part.stat().st_size for part in read.parts)
        work = partial(_clean, section, fields, writer.step, digests, near, decisions, size)
        records = writer.map(work, read.parts, engine=where)
    writer.drop_unread(read.unread)
    starts = accumulate((each.rows_in for each in records), initial=0)
    hits = pl.concat(
        [
            pl.read_parquet(path).with_columns(pl.col("row") + start)
            for path, start in zip(writer.asides("hits"), starts, strict=False)
        ]
    )
    writer.side(HITS, hits)
    rows = sum(each.rows_in for each in records)
    dropped = rows - sum(each.rows_out for each in records)
    certificate = certify(_opened(section, digests)[0], section, rows, dropped, hits)
    certificate["digest"] = digest(certificate)
    writer.side(JSON, certificate)
    with atomic_path(writer.side_file(MARKDOWN)) as temporary:
        temporary.write_text(markdown(certificate), encoding="utf-8")
    return Decontaminated(certificate)


def _clean(
    section: DecontaminationSection,
    fields: tuple[str, ...],
    step: str,
    digests: tuple[str, ...],
    near: Path | None,
    decisions: Path | None,
    size: int,
    path: Path,
    part: Writer,
) -> dict[str, Any]:
    """One part: keep and drop rows, and write its hits beside it, their rows counted from the part's first."""
    from factory.decontamination.decisions import read_decisions
    from factory.decontamination.decontaminate import decontaminate
    from factory.decontamination.find import HITS as COLUMNS
    from factory.decontamination.find import Outside

    compiled.prepare(size)
    index, meanings = _opened(section, digests)
    outside = Outside(pl.read_parquet(near) if near else None, read_decisions(decisions), meanings)
    seen, hits = 0, [pl.DataFrame(schema=COLUMNS)]
    for rows in iter_part(path, BATCH_ROWS):
        result = decontaminate(rows, index, section, fields=fields, step=step, outside=outside)
        part.keep(result.kept)
        part.drop(result.dropped)
        hits.append(result.hits.with_columns(pl.col("row") + seen))
        seen += rows.height
        tick(rows.height)
    part.aside("hits", pl.concat(hits))
    return {}


def _opened(
    section: DecontaminationSection, digests: tuple[str, ...]
) -> tuple[BenchmarkIndex, Meanings | None]:
    near = section.embedding
    return _index(
        tuple(section.against), digests, near.model if near else None, near.threshold if near else 0
    )


@lru_cache(maxsize=1)
def _index(
    against: tuple[str, ...], digests: tuple[str, ...], model: str | None, threshold: float
) -> tuple[BenchmarkIndex, Meanings | None]:
    """The index, and its vectors with their model if there is one, loaded once per process.

    `digests` are of the named files, so a changed file is read again.
    """
    from factory.decontamination.load import load_index

    if model is None:
        return load_index(against), None
    from factory.decontamination.embedding import open_encoder
    from factory.decontamination.find import arranged
    from factory.decontamination.meaning import Meanings

    encoder = open_encoder(model)
    index = load_index(against, encoder)
    return index, Meanings(index, arranged(index), encoder, threshold)
