"""One step: what decides its output, whether that is there, and how it is made.

A step module states its settings and inputs as a `Step` and gives `Step.run` a function that does the work with a
`StepWriter`. Everything else is done once: the key, "already finished" and the checks of the inputs here; the scratch
directory, parts, dropped rows, side tables, the balance and the manifest in `factory.run.step_writer`.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Generic, TypeVar

from factory.atomic import disk_error, read_json
from factory.progress import note
from factory.run.out_folder import OutFolder
from factory.run.parts import (
    MANIFEST,
    check_parts,
    finished,
    input_digest,
    step_key,
)  # fmt: skip
from factory.run.step_writer import StepWriter
from schemas import TableSchema

S = TypeVar("S")


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
