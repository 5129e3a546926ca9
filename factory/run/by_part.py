"""Steps that treat every part of their input by itself: one worker a part, wherever the engine has it run.

A worker reads part i, calls the room's pure function on it batch by batch, and writes what it keeps and drops
(`PartWriter`). The driver adds up the books in the order of the parts, puts the files in place and writes the manifest.
A step that was stopped goes on with the parts that are not done. Nothing depends on the engine, on the number of
workers or on which of them was killed: the same input gives the same bytes.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from factory.atomic import disk_error
from factory.engines.engine import Engine, engine_or_local
from factory.progress import SILENT, Task, watch
from factory.run.manifest import close_books, step_key
from factory.run.part_file import PartFile
from factory.run.part_writer import PartBooks, PartWriter, named, read_books
from factory.run.parts import MANIFEST, count_rows
from factory.run.writer import arrow_table, file_facts
from schemas import DROPPED, TableSchema

Work = Callable[[Path, PartWriter], dict[str, Any]]
"""Reads a part, writes what becomes of it, returns notes (JSON) for the step's totals. A function of a module or a
`functools.partial` of one; called again on the same part it writes the same."""


@dataclass(frozen=True, slots=True)
class Done:
    """All parts of a step, done but not yet in place: what `close` makes the step's totals of."""

    workshop: Path
    books: list[PartBooks]

    def aside(self, name: str) -> list[Path]:
        """The tables that the workers wrote under this name, in the order of the parts."""
        return [named(self.workshop, name, books.number) for books in self.books]


def run_by_part(
    parts: Sequence[Path],
    out: Path,
    step: str,
    work: Work,
    *,
    schema: TableSchema | None = None,
    settings: Mapping[str, Any],
    inputs: Mapping[str, str],
    engine: Engine | None = None,
    unit: str = "rows",
    unread: pl.DataFrame | None = None,
    makes_rows: bool = False,
    gpu: bool = False,
    watching: bool = True,
    close: Callable[[Done], dict[str, Any]] = lambda done: {},
) -> dict[str, Any]:
    """Do `work` on every part and close the step.

    Args:
        parts: Parquet files; each makes one part of the output, of the same number.
        out: the step's folder.
        step: name in the ledger.
        work: what is done to a part.
        schema: the table that comes out; None for the columns that came in.
        settings: with `inputs`, the step's key; the caller has looked whether it is finished.
        inputs: name to digest.
        engine: where the work runs; None for the local one.
        unit: what is counted.
        unread: rows of `schemas.DROPPED` that came in and belong to no part: lines that could not be read.
        makes_rows: the rows are made here, so as many come in as come out (rollouts of problems).
        gpu: every part wants a GPU (`Engine.map`).
        watching: show progress here; otherwise the work shows its own, in this process.
        close: totals for the manifest, from the books and the tables beside the parts.

    Returns:
        The manifest.

    Raises:
        FactoryError: what `work` raises, or the books of the step do not balance.
    """
    # Absolute, since a worker may stand elsewhere.
    parts = [path.resolve() for path in parts]
    workshop = _workshop(out.resolve(), step_key(step, settings, inputs))
    found = [read_books(workshop, number) for number in range(len(parts))]
    todo = [(number, path) for number, path in enumerate(parts) if found[number] is None]
    books = [each for each in found if each is not None]
    dropped: Counter[str] = Counter()
    with _watched(watching, step, count_rows(parts), unit) as task, engine_or_local(engine) as where:
        task.advance(sum(each.rows_in for each in books))
        for each in where.map(partial(_write, work, workshop, schema, makes_rows), todo, gpu=gpu):
            books.append(each)
            dropped.update(each.dropped)
            task.advance(each.rows_in, dropped=dropped.total())
    done = Done(workshop, sorted(books, key=lambda each: each.number))
    totals = close(done)
    files = _in_place(out, done)
    lost = _sum(each.dropped for each in done.books)
    if unread is not None and unread.height:
        files |= _drop_unread(out, len(parts), unread)
        lost.update(unread["reason"].to_list())
    manifest = close_books(
        out,
        step,
        schema,
        settings=settings,
        inputs=inputs,
        unit=unit,
        rows_in=sum(each.rows_in for each in done.books) + (0 if unread is None else unread.height),
        rows_out=sum(each.rows_out for each in done.books),
        dropped=lost,
        totals=totals,
        files=files,
        parts=[each.content for each in done.books],
    )
    shutil.rmtree(workshop, ignore_errors=True)
    return manifest


def _write(
    work: Work, workshop: Path, schema: TableSchema | None, makes_rows: bool, item: tuple[int, Path]
) -> PartBooks:
    number, path = item
    with PartWriter(workshop, number, schema) as part:
        notes = work(path, part)
        return part.finish(part.rows if makes_rows else count_rows([path]), notes)


def _watched(watching: bool, step: str, total: int, unit: str) -> AbstractContextManager[Task]:
    return watch(step, total, unit) if watching else nullcontext(SILENT)


def _sum(counts: Iterable[Mapping[str, int]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return total


def _workshop(out: Path, key: str) -> Path:
    """The folder of this key's parts, as an earlier attempt left it; what other attempts left is removed."""
    workshop = out / f".parts-{key[:16]}"
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / MANIFEST).unlink(missing_ok=True)
        for other in out.glob(".parts-*"):
            if other != workshop:
                shutil.rmtree(other, ignore_errors=True)
        if not workshop.exists():
            for path in out.glob("part-*.parquet"):
                path.unlink()
            shutil.rmtree(out / "dropped", ignore_errors=True)
            workshop.mkdir()
    except OSError as error:
        raise disk_error(error, out) from error
    return workshop


def _in_place(out: Path, done: Done) -> dict[str, dict[str, Any]]:
    """Move every part to its name in the step's folder; what an earlier attempt moved already is there."""
    files = {}
    for kind, folder in (("kept", out), ("dropped", out / "dropped")):
        for books in done.books:
            if kind in books.files:
                folder.mkdir(exist_ok=True)
                target = folder / f"part-{books.number:05d}.parquet"
                source = named(done.workshop, kind, books.number)
                if source.exists():
                    source.replace(target)
                files[str(target.relative_to(out))] = books.files[kind]
    return files


def _drop_unread(out: Path, number: int, unread: pl.DataFrame) -> dict[str, dict[str, Any]]:
    path = out / "dropped" / f"part-{number:05d}.parquet"
    file = PartFile(path, DROPPED)
    file.add(arrow_table(unread))
    file.close()
    return {str(path.relative_to(out)): file_facts(path)}
