"""One step: what decides its output, whether that is there, and how it is made.

A step module states its settings and inputs as a `Step` and gives `Step.run` a function that does the work with a
`StepWriter`. Everything else is done here, once: the key, "already finished", checks of the inputs and of the output
folder, the scratch directory, parts, dropped rows, side tables, the balance, the manifest.
"""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

import polars as pl

from factory.atomic import digest, disk_error, read_json, write_json
from factory.engines.engine import Engine, engine_or_local
from factory.errors import FactoryError, UsageError
from factory.progress import SILENT, note, watch
from factory.progress.live import noted_in
from factory.progress.parts import following, note_of, noting
from factory.run.out_folder import OutFolder
from factory.run.parts import (
    MANIFEST,
    check_parts,
    count_rows,
    finish_step,
    finished,
    input_digest,
    step_key,
)  # fmt: skip
from factory.run.writer import Record, Writer, aside_path, read_record, save_record
from schemas import TableSchema

S = TypeVar("S")
Work = Callable[[Path, Writer], dict[str, Any]]
"""Reads a part, writes what becomes of it, returns notes (JSON). A function of a module or a `functools.partial` of
one; called again on the same part it writes the same."""


@dataclass(frozen=True, slots=True)
class StepResult(Generic[S]):
    """A finished step: its manifest, whether it was made just now, and its summary."""

    manifest: dict[str, Any]
    made: bool
    summary: S


class Step(Generic[S]):
    """What decides a step's output, where it goes, and what it says at its end."""

    def __init__(
        self,
        name: str,
        out: Path,
        summary: type[S],
        *,
        settings: Mapping[str, Any],
        inputs: Mapping[str, Path | str],
        schema: TableSchema | None = None,
        unit: str = "rows",
    ) -> None:
        """State the step.

        Args:
            name: in ledger and manifest.
            out: the step's folder.
            summary: a frozen dataclass; stored as the manifest's `totals`.
            settings: all that decides the output, and nothing else (`factory.run.keys.deciding`).
            inputs: what is read, by name: a step's folder or a file by its path, anything else by its digest.
            schema: the table that comes out; None for the columns that came in.
            unit: what is counted.

        Raises:
            FactoryError: an input is a step's folder, and a file of it is missing or changed.
        """
        self.name, self.out, self.summary, self.settings = name, out, summary, dict(settings)
        self.schema, self.unit = schema, unit
        self.folders = {
            name: each
            for name, each in inputs.items()
            if isinstance(each, Path) and (each / MANIFEST).exists()
        }
        self.inputs = {
            name: input_digest(each) if isinstance(each, Path) else each for name, each in inputs.items()
        }

    @property
    def key(self) -> str:
        """See `step_key`."""
        return step_key(self.name, self.settings, self.inputs)

    def finished(self) -> StepResult[S] | None:
        """The result of an earlier run with this key, or None when the step has to run.

        A run that was killed after its manifest may have left its scratch directory; that is removed.

        Raises:
            FactoryError: it is finished, but one of its files is missing or changed.
        """
        try:
            if manifest := finished(self.out, self.key):
                shutil.rmtree(OutFolder(self.out, self.name, self.key).scratch, ignore_errors=True)
        except OSError as error:
            raise disk_error(error, self.out) from error
        return (
            StepResult(manifest, False, summary_from(self.summary, manifest["totals"])) if manifest else None
        )

    def check_out(self) -> None:
        """Look at the output folder before anything is paid for; `run` looks again.

        Raises:
            UsageError: the output folder holds files of others.
        """
        OutFolder(self.out, self.name, self.key).check()

    def run(self, make: Callable[[StepWriter], S], *, again: bool = False) -> StepResult[S]:
        """Return what is finished, or make it.

        Args:
            make: does the work and returns the summary; it tells the writer what it reads, keeps and drops.
            again: make it even if it is finished.

        Raises:
            UsageError: the output folder holds files of others.
            FactoryError: an input is not what its step wrote, or the rows do not balance.
        """
        if not again:
            if done := self.finished():
                return done
            self.say_why()
        for folder in self.folders.values():
            check_parts(folder)
        with StepWriter(
            self.out,
            self.name,
            self.schema,
            settings=self.settings,
            inputs=self.inputs,
            parents={name: read_json(folder / MANIFEST) for name, folder in self.folders.items()},
        ) as writer:
            summary = make(writer)
            return StepResult(writer.finish(unit=self.unit, totals=summary_to(summary)), True, summary)

    def say_why(self) -> None:
        """Name what differs from the finished output that is made again."""
        if not (self.out / MANIFEST).exists():
            return
        former = read_json(self.out / MANIFEST)
        if not isinstance(former, dict) or former.get("step") != self.name:
            return
        pairs = ((former.get("settings", {}), self.settings), (former.get("inputs", {}), self.inputs))
        names = [n for old, new in pairs for n in sorted({*old, *new}) if old.get(n) != new.get(n)]
        note(f"{self.name}: made again, because of other {', '.join(names) or 'versions of the factory'}")


class StepWriter(Writer):
    """Writes a step's folder and its manifest, last and only if the rows balance. Use as a context manager.

    Call `finish` inside it. Leaving without `finish` leaves what was in the folder before; a run that is started again
    resumes from the parts that are done.

    Example:
        with StepWriter(out, "verify", VERDICT, settings={...}, inputs={"responses": digest}) as writer:
            writer.keep(frame)
            writer.drop(dropped)
            writer.finish(rows_in=frame.height + dropped.height)
    """

    def __init__(
        self,
        out: Path,
        step: str,
        schema: TableSchema | None = None,
        *,
        settings: Mapping[str, Any] | None = None,
        inputs: Mapping[str, str] | None = None,
        parents: Mapping[str, dict[str, Any]] | None = None,
    ) -> None:
        """`settings` and `inputs` (name to digest) make up the step's key; `parents` are the inputs' manifests."""
        self.out, self.step = out, step
        self.settings, self.inputs = dict(settings or {}), dict(inputs or {})
        self.parents = dict(parents or {})
        self.read: Counter[str] = Counter()
        """Rows read of each input so far, counted where they are read."""
        self.rows_in: int | None = None
        """Units that came in, where they are not the rows that were read (responses per problem, pairs)."""
        self.session: dict[str, Any] | None = None
        """What was measured while the step ran (attempts, latencies ...): it stands in the manifest and decides nothing."""
        self._unread = 0
        self._began = time.monotonic()
        self._records: list[Record] = []
        self._folder = OutFolder(out, step, step_key(step, self.settings, self.inputs))
        super().__init__(self._folder.scratch, schema)

    def __enter__(self) -> Self:
        """Look at the folder and make the scratch directory.

        Raises:
            UsageError: the folder holds files of others, or cannot be written.
        """
        self._folder.check()
        self._folder.open()
        self._noting = noted_in(self.scratch)
        self._noting.__enter__()
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Remove files that are not complete; a user's mistake leaves nothing to resume from."""
        self._noting.__exit__(None, None, None)
        super().__exit__(kind, error, trace)
        if isinstance(error, UsageError):
            self._folder.give_up()

    def drop_unread(self, rows: pl.DataFrame) -> None:
        """Drop rows (`schemas.DROPPED`) of files that could not be read; they count as rows in."""
        self.drop(rows)
        self._unread += rows.height

    def leave(self, name: str, value: dict[str, Any]) -> None:
        """Put a JSON side file in place now: it explains why the step stops."""
        path = self.side_file(name)
        self._folder.own([str(path.relative_to(self.scratch / "out"))])
        write_json(self.out / path.relative_to(self.scratch / "out"), value)
        write_json(path, value)

    def map(
        self,
        work: Work,
        parts: Sequence[Path],
        *,
        engine: Engine | None = None,
        unit: str = "rows",
        source: str = "rows",
        gpu: bool = False,
        watching: bool = True,
        counts: bool = True,
    ) -> list[Record]:
        """Do `work` on every part, wherever the engine has it run; parts that are done are not done again.

        The same parts give the same bytes, whatever the engine, the number of workers or which of them was killed.

        Args:
            work: what is done to a part; each makes one part of the output, of the same number.
            parts: Parquet files.
            engine: where the work runs; None for the local one.
            unit: what is counted.
            source: name of the input that the parts are of.
            gpu: every part wants a GPU (`Engine.map`).
            watching: show progress here; otherwise the work shows its own, in this process.
            counts: the parts' rows are the step's rows in; otherwise each part's notes say `rows_in`.

        Returns:
            The records of all parts, in order.
        """
        # Absolute, since a worker may stand elsewhere.
        items = [(number, path.resolve()) for number, path in enumerate(parts)]
        found = [read_record(self.scratch, number) for number, _ in items]
        todo = [item for item, record in zip(items, found, strict=True) if record is None]
        records = [record for record in found if record is not None]
        dropped = sum(sum(each.dropped.values()) for each in records)
        shown = watch(self.step, count_rows(parts), unit) if watching else nullcontext(SILENT)
        with shown as task, engine_or_local(engine) as where:
            task.there(sum(each.rows_in for each in records))
            with following(task, self.scratch):
                for each in where.map(
                    partial(_write, work, self.scratch, self.schema, counts), todo, gpu=gpu
                ):
                    records.append(each)
                    dropped += sum(each.dropped.values())
                    note_of(self.scratch, each.number).unlink(missing_ok=True)
                    task.advance(each.rows_in, **({"dropped": f"{dropped:,}"} if dropped else {}))
        self._records = sorted(records, key=lambda each: each.number)
        self.read[source] += count_rows(parts)
        return self._records

    def asides(self, name: str) -> list[Path]:
        """The tables that workers wrote under this name, in the order of the parts."""
        return [aside_path(self.scratch, name, each.number) for each in self._records]

    def finish(
        self,
        *,
        rows_in: int | None = None,
        unit: str = "rows",
        totals: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Write the last parts, put everything in place and write the manifest.

        Args:
            rows_in: units that came in; must equal kept + dropped. By default what the parts' workers counted, else
                what was `read`.
            unit: what is counted: rows, requests, ...
            totals: further sums and facts for the ledger and report (tokens, usd, certificate, audit ...).

        Returns:
            The manifest.

        Raises:
            FactoryError: rows_in differs from kept + dropped, or an input was not read to its end.
        """
        if self._records:
            # Rows beside the parts (unreadable lines) are dropped in a part of their own.
            self._dropped.number = len(self._records)
            for part in self._records:
                self.reasons.update(part.dropped)
        own = self.record(0, empty=not self._records)
        records = [*self._records, own]
        if rows_in is None:
            came = sum(each.rows_in for each in self._records) if self._records else self.read.total()
            rows_in = (came if self.rows_in is None else self.rows_in) + self._unread
        rows_out, lost = sum(each.rows_out for each in records), self.reasons.total()
        if rows_in != rows_out + lost:
            raise FactoryError(
                f"ledger of step {self.step} does not balance: {rows_in} {unit} in, {rows_out} out + {lost} dropped",
                do="this is a defect of the factory; keep the folder and report it",
            )
        self._check_read()
        files = {name: facts for each in records for name, facts in each.files.items()}
        self._folder.replace(files)
        manifest = finish_step(
            self.out,
            self.step,
            step_key(self.step, self.settings, self.inputs),
            schema=self.schema,
            settings=self.settings,
            inputs=self.inputs,
            read=self.read,
            unit=unit,
            rows_out=rows_out,
            dropped=self.reasons,
            totals=totals or {},
            files=files,
            output_digest=digest([part for each in records for part in each.content]),
            seconds=time.monotonic() - self._began,
            session=self.session,
        )
        self._folder.clean()
        return manifest

    def _check_read(self) -> None:
        """Every row that the step before left has been read."""
        for name, parent in self.parents.items():
            if name in self.read and self.read[name] != parent["rows_out"]:
                raise FactoryError(
                    f"step {self.step} read {self.read[name]} rows of {name}, "
                    f"but step {parent['step']} left {parent['rows_out']}",
                    do="this is a defect of the factory; keep the folder and report it",
                )


def summary_to(summary: Any) -> dict[str, Any]:
    """A summary as the manifest holds it, without fields that are None by default."""
    absent = {each.name for each in fields(summary) if each.default is None}
    return {n: value for n, value in asdict(summary).items() if value is not None or n not in absent}


def summary_from(kind: type[S], totals: Mapping[str, Any]) -> S:
    """A summary as its step returned it."""
    return kind(**{each.name: totals[each.name] for each in fields(kind) if each.name in totals})  # type: ignore[arg-type]


def sums(notes: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Counts added up, by name."""
    total: Counter[str] = Counter()
    for each in notes:
        total.update(each)
    return dict(sorted(total.items()))


def _write(
    work: Work, scratch: Path, schema: TableSchema | None, counts: bool, item: tuple[int, Path]
) -> Record:
    number, path = item
    with noting(note_of(scratch, number)), Writer(scratch, schema, number) as part:
        notes = work(path, part)
        rows_in = count_rows([path]) if counts else notes.pop("rows_in")
        return save_record(scratch, part.record(rows_in, notes))
