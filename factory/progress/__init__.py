"""Progress of long operations: a bar with rate and time left on a terminal, log lines elsewhere, JSON lines on request.

Set `FACTORY_PROGRESS` to `bar`, `log`, `json` or `off` to choose; the default looks at whether stderr is a terminal.
Whatever is shown here, a step leaves a note of it for other processes (`live.py`), except when it is `off`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Protocol

from factory.progress import live
from factory.progress.line import MONEY, State, clock, lines
from factory.redaction import printable, safe

LOG_EVERY_SECONDS = 10.0
FRAMES_PER_SECOND = 8


class Task(Protocol):
    """One long operation that is being watched."""

    watched: bool
    """Whether anybody sees it."""

    def advance(self, amount: float = 1, **facts: Any) -> None:
        """Count `amount` more done; `facts` (dollars, tokens/s, accepted share ...) are shown beside the bar."""

    def there(self, amount: float) -> None:
        """Count what was done before: it is no part of the rate."""

    def within(self, amount: float) -> None:
        """So much of what is under way is done; `advance` counts it when it is complete."""

    def total(self, amount: float) -> None:
        """Change the expected total."""

    def measured(self, facts: Callable[[], dict[str, Any]]) -> None:
        """What this session has measured so far, as plain numbers; asked for when a note or a JSON line is written."""


class _Silent:
    watched = False

    def advance(self, amount: float = 1, **facts: Any) -> None:
        pass

    def there(self, amount: float) -> None:
        pass

    def within(self, amount: float) -> None:
        pass

    def total(self, amount: float) -> None:
        pass

    def measured(self, facts: Callable[[], dict[str, Any]]) -> None:
        pass


SILENT: Task = _Silent()
"""Shows nothing."""


class _Shown:
    """Counts into a `State`."""

    watched = True

    def __init__(self, name: str, total: float | None, unit: str) -> None:
        self.state = State(name, unit, total)
        self.partly = 0.0
        self.session: Callable[[], dict[str, Any]] = dict
        self.note, self.noted = live.place(), 0.0
        self.move(0)

    def advance(self, amount: float = 1, **facts: Any) -> None:
        self.state.facts.update(facts)
        inside = min(amount, self.partly)
        self.partly -= inside
        self.move(amount - inside)

    def move(self, amount: float, *, before: bool = False) -> None:
        self.state.move(amount, before=before)
        if self.note and time.monotonic() - self.noted >= live.NOTE_SECONDS:
            self.noted = time.monotonic()
            live.leave(self.note, self.facts())

    def facts(self) -> dict[str, Any]:
        """All that is known, as one JSON object."""
        state, now = self.state, time.monotonic()
        found = {"task": state.name, "done": state.done, "total": state.expected, "unit": state.unit}
        found |= {"rate": round(state.rate(now) or 0.0, 3), **state.facts, "seconds_left": state.left(now)}
        return found | ({"session": session} if (session := self.session()) else {})

    def over(self) -> None:
        """Take the note away."""
        if self.note:
            self.note.unlink(missing_ok=True)

    def measured(self, facts: Callable[[], dict[str, Any]]) -> None:
        self.session = facts

    def there(self, amount: float) -> None:
        self.move(amount, before=True)

    def within(self, amount: float) -> None:
        if amount > self.partly:
            self.move(amount - self.partly)
            self.partly = amount

    def total(self, amount: float) -> None:
        self.state.expected = amount


class _Lines(_Shown):
    """Log or JSON lines, at most one in `LOG_EVERY_SECONDS`."""

    def __init__(self, name: str, total: float | None, unit: str, *, as_json: bool) -> None:
        super().__init__(name, total, unit)
        self.as_json, self.said = as_json, time.monotonic()

    def advance(self, amount: float = 1, **facts: Any) -> None:
        super().advance(amount, **facts)
        if time.monotonic() - self.said >= LOG_EVERY_SECONDS:
            self.say()

    def say(self) -> None:
        self.said = time.monotonic()
        state = self.state
        rate, left = state.rate(self.said) or 0.0, state.left(self.said)
        if self.as_json:
            line = {"at": datetime.now(UTC).isoformat(timespec="seconds"), **self.facts()}
            _write(json.dumps(line, default=str))
            return
        share = f"{state.done:,.0f}/{state.expected:,.0f}" if state.expected else f"{state.done:,.0f}"
        tail = f", {clock(left)} left" if left and left > 1 else ""
        facts = "".join(
            printable(f", ${value}" if key == MONEY else f", {key} {value}")
            for key, value in state.facts.items()
        )
        _write(f"{state.name}: {share} {state.unit}, {rate:,.1f}/s{facts}{tail}")


def note(line: str) -> None:
    """Say one line on stderr, where progress is shown."""
    if (mode := os.environ.get("FACTORY_PROGRESS")) != "off":
        line = json.dumps({"note": safe(line)}) if mode == "json" else safe(line)
        _write(line)


def _write(line: str) -> None:
    with suppress(OSError):  # a log that is full or gone is no reason to stop a job that was paid for
        print(line, file=sys.stderr, flush=True)  # noqa: T201


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
        yield SILENT
    elif mode in ("log", "json"):
        said = _Lines(name, total, unit, as_json=mode == "json")
        try:
            yield said
        finally:
            said.over()
            if said.state.done or said.state.expected:
                said.say()
    else:
        yield from _bar(_Shown(name, total, unit))


def _bar(shown: _Shown) -> Iterator[Task]:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(stderr=True)

    def drawn() -> Text:
        first, *rest = lines(shown.state, console.width, time.monotonic())
        text = Text("\n".join([first, *rest]), no_wrap=True)
        text.highlight_regex("━+", "cyan")
        text.highlight_regex("╌+", "bright_black")
        return text

    # What is printed to a pipe, or kept back, is not drawn above the bar instead.
    above = sys.stdout.isatty()
    speed = FRAMES_PER_SECOND
    try:
        with Live(get_renderable=drawn, console=console, refresh_per_second=speed, redirect_stdout=above):
            yield shown
    finally:
        shown.over()
