"""What a progress bar shows, as lines of a given width: what matters most stays, the bar shrinks."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from factory.redaction import printable

WINDOW_SECONDS = 30.0
"""The rate is that of the last half minute."""
POINT_SECONDS = 0.1
"""Points of the rate lie at least so far apart, however often something is counted."""
STILL_SECONDS = 0.5
"""A bar that has not moved for so long shows that work goes on."""
LONGEST_BAR, SHORTEST_BAR, WIDE = 40, 4, 110
MONEY = "$"
"""The fact that stands in the first line."""


@dataclass(slots=True)
class State:
    """How far an operation is. Rates count what was done since it was begun here, not what was there before."""

    name: str
    unit: str
    expected: float | None = None
    done: float = 0.0
    before: float = 0.0
    """Part of `done` that an earlier attempt had done."""
    facts: dict[str, Any] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)
    moved: float = field(default_factory=time.monotonic)
    _past: deque[tuple[float, float]] = field(default_factory=deque)

    def move(self, amount: float, *, before: bool = False, now: float | None = None) -> None:
        """Count so much more."""
        now = time.monotonic() if now is None else now
        self.done += amount
        if before:
            self.before += amount
        if amount:
            self.moved = now
            if not self._past or now - self._past[-1][0] >= POINT_SECONDS:
                self._past.append((now, self.done - self.before))
            while self._past and now - self._past[0][0] > WINDOW_SECONDS:
                self._past.popleft()

    def rate(self, now: float) -> float | None:
        """Units per second; None while nothing was done."""
        new = self.done - self.before
        if new <= 0:
            return None
        start, at = self._past[0] if self._past and now - self.began > WINDOW_SECONDS else (self.began, 0.0)
        return (new - at) / max(now - start, 1e-3) or None

    def left(self, now: float) -> float | None:
        """Seconds that are left, if that can be known."""
        rate = self.rate(now)
        return max(0.0, self.expected - self.done) / rate if rate and self.expected else None


def lines(state: State, width: int, now: float) -> list[str]:
    """The bar and what stands beside it, then further facts, in lines of at most `width` letters."""
    wide = width >= WIDE
    done = f"{state.done:,.0f}" + (f"/{state.expected:,.0f}" if state.expected else "")
    parts = [f"{done} {state.unit}" if wide or not state.expected else done]
    rate, left = state.rate(now), state.left(now)
    if rate:
        parts.append(speed(rate))
    over = bool(state.expected) and state.done >= (state.expected or 0)
    parts.append(f"{clock(left)} left" if left is not None and not over else clock(now - state.began))
    facts = dict(state.facts)
    if MONEY in facts:
        parts.append(printable(f"${facts.pop(MONEY)}"))
    name, rest = state.name, [printable(f"{key} {value}") for key, value in facts.items()]
    while len(head := "  ".join(parts)) + len(name) + 1 > width and len(parts) > 1:
        parts.pop(1)
    room = width - len(name) - len(head) - 2
    if wide and rest and room - SHORTEST_BAR > len("  ".join(rest)):
        room -= len("  ".join(rest)) + 2
        head, rest = "  ".join([head, *rest]), []
    drawn = bar(state, min(LONGEST_BAR, room), now) if room >= SHORTEST_BAR else ""
    first = " ".join(filter(None, (name, drawn, head)))
    return [first[:width], *_folded(rest, width)]


def note_line(facts: Mapping[str, Any]) -> str:
    """A note of `live.py` in one line: `generate 412/1,200 responses  99/s  0:08 left  $0.41 of $20`."""
    total, left = facts["total"], facts["seconds_left"]
    parts = [f"{facts['task']} {facts['done']:,.0f}{f'/{total:,.0f}' if total else ''} {facts['unit']}"]
    parts += [speed(facts["rate"])] if facts["rate"] else []
    parts += [f"{clock(left)} left"] if left is not None else []
    parts += [f"${facts[MONEY]}"] if MONEY in facts else []
    return printable("  ".join(parts))


def bar(state: State, width: int, now: float) -> str:
    """Filled as far as is known; a mark runs through the rest while nothing else moves."""
    share = min(1.0, state.done / state.expected) if state.expected else 0.0
    full = int(share * width)
    cells = ["━"] * full + ["╌"] * (width - full)
    if full < width and now - state.moved > STILL_SECONDS:
        cells[full + int((now - state.began) * 8) % (width - full)] = "━"
    return "".join(cells)


def _folded(facts: list[str], width: int) -> list[str]:
    """Facts in lines of their own, each fact in one piece where it fits."""
    folded: list[str] = []
    for fact in facts:
        if folded and len(folded[-1]) + 2 + len(fact) <= width:
            folded[-1] += f"  {fact}"
        else:
            folded += [f"  {fact}"[at : at + width] for at in range(0, len(fact) + 2, width)]
    return folded


def speed(rate: float) -> str:
    """`99/s`; per minute or hour where that says more."""
    if rate >= 10:
        return f"{rate:,.0f}/s"
    if rate >= 0.5:
        return f"{rate:.1f}/s"
    return f"{60 * rate:.1f}/min" if rate * 60 >= 0.5 else f"{3600 * rate:.1f}/h"


def clock(seconds: float) -> str:
    """`0:08`, `1:02:03`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
