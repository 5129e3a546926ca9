"""Progress of long operations: a bar with rate and time left on a terminal, log lines elsewhere, JSON lines on request.

Set `FACTORY_PROGRESS` to `bar`, `log`, `json` or `off` to choose; the default looks at whether stderr is a terminal.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from factory.redaction import printable, safe

LOG_EVERY_SECONDS = 10.0


class Task(Protocol):
    """One long operation that is being watched."""

    def advance(self, amount: float = 1, **facts: Any) -> None:
        """Count `amount` more done; `facts` (dollars, tokens/s, accepted share ...) are shown beside the bar."""

    def total(self, amount: float) -> None:
        """Change the expected total."""


class _Silent:
    def advance(self, amount: float = 1, **facts: Any) -> None:
        pass

    def total(self, amount: float) -> None:
        pass


SILENT: Task = _Silent()
"""Shows nothing."""


class _Lines:
    """Log or JSON lines, at most one in `LOG_EVERY_SECONDS`."""

    def __init__(self, name: str, total: float | None, unit: str, *, as_json: bool) -> None:
        self.name, self.expected, self.unit, self.as_json = name, total, unit, as_json
        self.done = 0.0
        self.facts: dict[str, Any] = {}
        self.began = self.said = time.monotonic()

    def advance(self, amount: float = 1, **facts: Any) -> None:
        self.done += amount
        self.facts.update(facts)
        if time.monotonic() - self.said >= LOG_EVERY_SECONDS:
            self.say()

    def total(self, amount: float) -> None:
        self.expected = amount

    def say(self) -> None:
        self.said = time.monotonic()
        seconds = max(self.said - self.began, 1e-9)
        rate = self.done / seconds
        left = (self.expected - self.done) / rate if self.expected and rate else None
        if self.as_json:
            line = {
                "task": self.name,
                "done": self.done,
                "total": self.expected,
                "rate": round(rate, 3),
                **self.facts,
            }
            print(json.dumps({**line, "seconds_left": left}, default=str), file=sys.stderr, flush=True)  # noqa: T201
            return
        share = f"{self.done:,.0f}/{self.expected:,.0f}" if self.expected else f"{self.done:,.0f}"
        tail = f", {_clock(left)} left" if left and left > 1 else ""
        facts = "".join(f", {key} {value}" for key, value in self.facts.items())
        print(f"{self.name}: {share} {self.unit}, {rate:,.1f}/s{facts}{tail}", file=sys.stderr, flush=True)  # noqa: T201


class _Bar:
    def __init__(self, progress: Any, task_id: Any) -> None:
        self.progress, self.task_id = progress, task_id
        self.facts: dict[str, Any] = {}

    def advance(self, amount: float = 1, **facts: Any) -> None:
        self.facts.update(facts)
        shown = "  ".join(f"{key} {value}" for key, value in self.facts.items())
        speed = self.progress.tasks[self.task_id].speed
        rate = f"{speed:,.1f}/s" if speed else ""
        self.progress.update(self.task_id, advance=amount, facts=shown, rate=rate)

    def total(self, amount: float) -> None:
        self.progress.update(self.task_id, total=amount)


def note(line: str) -> None:
    """Say one line on stderr, where progress is shown."""
    if os.environ.get("FACTORY_PROGRESS") != "off":
        print(safe(line), file=sys.stderr, flush=True)  # noqa: T201


@contextmanager
def silently() -> Iterator[None]:
    """Show nothing for a while: a worker's progress is shown by whoever started it."""
    before = os.environ.get("FACTORY_PROGRESS")
    os.environ["FACTORY_PROGRESS"] = "off"
    try:
        yield
    finally:
        if before is None:
            del os.environ["FACTORY_PROGRESS"]
        else:
            os.environ["FACTORY_PROGRESS"] = before


@contextmanager
def watch(name: str, total: float | None = None, unit: str = "rows") -> Iterator[Task]:
    """Watch one long operation.

    Args:
        name: what is being done, two or three words.
        total: how many units are expected; None when unknown.
        unit: rows, requests, steps, MB ...
    """
    name = printable(name)
    seen = sys.stderr.isatty() or "ipykernel" in sys.modules  # a notebook shows rich's bars
    mode = os.environ.get("FACTORY_PROGRESS") or ("bar" if seen else "log")
    if mode == "off":
        yield _Silent()
    elif mode in ("log", "json"):
        lines = _Lines(name, total, unit, as_json=mode == "json")
        try:
            yield lines
        finally:
            if lines.done or lines.expected:
                lines.say()
    else:
        yield from _bar(name, total, unit)


def _bar(name: str, total: float | None, unit: str) -> Iterator[Task]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.table import Column

    console, fixed = Console(stderr=True), Column(no_wrap=True)
    narrow = console.width < 110
    # Where there is little room the bar is short, and what is shown beside it takes a second line: nothing is cut off.
    columns = (
        TextColumn("{task.description}" if narrow else "{task.description:<22}"),
        BarColumn(10 if narrow else 40, table_column=fixed),
        MofNCompleteColumn(table_column=fixed),
        TextColumn(unit),
        TextColumn("{task.fields[rate]}"),
        *(() if narrow else (TimeElapsedColumn(table_column=fixed),)),
        TimeRemainingColumn(table_column=fixed),
        TextColumn("{task.fields[facts]}", table_column=Column(overflow="fold")),
    )
    with Progress(*columns, console=console) as progress:
        task_id = progress.add_task(name, total=total, facts="", rate="")
        yield _Bar(progress, task_id)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
