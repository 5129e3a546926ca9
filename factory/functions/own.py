"""`OwnFunction`: a function of the user's own over rows, in worker processes that are killed at their limit and replaced."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from factory.config.base import did_you_mean
from factory.engines import framed
from factory.engines.framed import Answer, Late, Lost, Worker, Workers
from factory.engines.frames import MEMORY_BYTES
from factory.errors import UsageError
from factory.functions.source import Source
from factory.functions.worker import OUT_OF_MEMORY

ROW = "row"
"""The parameter that gets the whole row as a dict."""
SECONDS = 5.0
"""Processor time of one call, where no section says another."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a function said of one row: its value, or in one line why there is none."""

    value: Any = None
    error: str | None = None
    late: bool = False
    """It did not end within its limit."""
    seconds: float = 0.0

    def refused(self, name: str, want: str) -> Outcome:
        """The same as an error: the value is nothing that is wanted."""
        if self.error is not None:
            return self
        shown = repr(self.value)
        shown = shown if len(shown) <= 80 else shown[:77] + "..."
        return Outcome(error=f"{name} returned {shown}: {want}", seconds=self.seconds)


class OwnFunction(Workers):
    """A function over rows. Use as a context manager; nothing is executed before it is loaded."""

    def __init__(self, reference: str, *, count: int | None = None, seconds: float = SECONDS) -> None:
        """`FILE.py:FUNCTION`, in `count` processes (one a core by default), with `seconds` of processor time for each row.

        Raises:
            UsageError: there is no such function.
        """
        self.source = Source.of(reference)
        path = self.source.path.absolute()
        words = ["-m", "factory.functions.worker", str(path), self.source.name, repr(seconds)]
        super().__init__(words, count, seconds)
        self._facts: dict[str, Any] | None = None

    @property
    def name(self) -> str:
        """The function's name."""
        return self.source.name

    def load(self) -> dict[str, Any]:
        """Load the file in a worker; the parameters: `required`, `optional` and `every`.

        Raises:
            UsageError: the file cannot be loaded, or the name is no plain function; one line.
        """
        if self._facts is None:
            worker = Worker(self.words, self.seconds)
            try:
                self._facts = self._loaded(worker)
            except UsageError:
                worker.kill()
                raise
            self._idle.put(worker)
        return self._facts

    def _loaded(self, worker: Worker) -> dict[str, Any]:
        where = self.source.path
        found: dict[str, Any] | None = {"event": "loading"}
        while found is not None and found["event"] == "loading":
            found = worker.read(framed.LOAD_SECONDS)
        if found is None and worker.process.poll() is None:
            raise UsageError(f"{where} was not loaded within {framed.LOAD_SECONDS:g} s")
        if found is None:
            raise UsageError(f"{where} ended the process while it was loaded ({_how(worker.how())})")
        if found["event"] == "failed":
            raise UsageError(f"cannot load {where}: {found['why']}")
        return found

    def wants(self, known: Collection[str]) -> list[str]:
        """The fields that it gets of rows with these.

        Raises:
            UsageError: it asks for another one, or cannot be loaded.
        """
        facts = self.load()
        for name in facts["required"]:
            if name != ROW and name not in known:
                near = did_you_mean(name, [*known, ROW])
                raise UsageError(
                    f"{self.source.path}: {self.name} asks for {name}, and the rows have no such field",
                    do=near or f"fields: {', '.join(sorted(known))}, and row for all of them",
                )
        asked = [*facts["required"], *facts["optional"]]
        return list(known) if facts["every"] else [name for name in asked if name in known]

    def call_many(self, rows: Sequence[Mapping[str, Any]]) -> list[Outcome]:
        """What it says of every row, in order; a field that other rows have is None.

        Raises:
            UsageError: it asks for a field that none of them has, or cannot be loaded.
        """
        if not rows:
            return []
        wanted = self.wants(dict.fromkeys(name for row in rows for name in row))
        facts = self.load()
        whole = ROW in facts["required"] or ROW in facts["optional"]
        asked = [_fields(row, wanted, whole=whole) for row in rows]
        return [self._outcome(answer) for answer in self.ask_many(asked)]

    def _outcome(self, answer: Answer) -> Outcome:
        if isinstance(answer, Late):
            return Outcome(
                error=f"{self.name} did not end within {answer.limit}", late=True, seconds=answer.seconds
            )
        if isinstance(answer, Lost):
            return Outcome(error=f"{self.name} ended its process ({_how(answer.how)})")
        if answer["error"] is not None:
            return Outcome(error=f"{self.name}: {answer['error']}", seconds=answer["seconds"])
        return Outcome(json.loads(answer["value"]), seconds=answer["seconds"])


def _fields(row: Mapping[str, Any], wanted: Iterable[str], *, whole: bool) -> dict[str, Any]:
    return {name: row.get(name) for name in wanted} | ({ROW: dict(row)} if whole else {})


def _how(how: str) -> str:
    if how == f"exit code {OUT_OF_MEMORY}":
        return f"more than {MEMORY_BYTES >> 30} GiB of memory"
    return how
