"""Writes a step's folder: parts, dropped rows, side tables, the balance, and the manifest last."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Self

import polars as pl

from factory.atomic import digest, write_json
from factory.engines.engine import Engine, engine_or_local
from factory.errors import FactoryError, UsageError
from factory.progress import SILENT, watch
from factory.progress.live import noted_in
from factory.progress.parts import following, note_of, noting
from factory.run.out_folder import OutFolder
from factory.run.parts import (
    count_rows,
    finish_step,
    step_key,
)  # fmt: skip
from factory.run.writer import Record, Writer, aside_path, read_record, save_record
from schemas import TableSchema

Work = Callable[[Path, Writer], dict[str, Any]]
"""Reads a part, writes what becomes of it, returns notes (JSON). A function of a module or a `functools.partial` of
one; called again on the same part it writes the same."""


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


def _write(
    work: Work, scratch: Path, schema: TableSchema | None, counts: bool, item: tuple[int, Path]
) -> Record:
    number, path = item
    with noting(note_of(scratch, number)), Writer(scratch, schema, number) as part:
        notes = work(path, part)
        rows_in = count_rows([path]) if counts else notes.pop("rows_in")
        return save_record(scratch, part.record(rows_in, notes))
