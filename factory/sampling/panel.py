"""What is shown while a job runs: spent and projected dollars, tokens a second, what is in flight, refusals."""

from __future__ import annotations

import time
from typing import Any

from factory.progress import Task
from factory.sampling.budget import Budget
from factory.sampling.sampler import Completion
from factory.sampling.schedule import Schedule

EVERY_SECONDS = 0.2


class Panel:
    """Feeds the progress line of one job."""

    def __init__(self, task: Task, schedule: Schedule, budget: Budget, expected: int) -> None:
        self.task, self.schedule, self.budget, self.expected = task, schedule, budget, expected
        self.accepted: int | None = None
        self.began = time.monotonic()
        self.said = 0.0
        self.done = self.bought = self.tokens = self.pending = 0
        self.usd = 0.0

    def more(self, count: int) -> None:
        """So many further requests follow upon cut answers."""
        self.expect(self.expected + count)

    def expect(self, count: int) -> None:
        """So many answers are expected in all."""
        self.expected = count
        self.task.total(count)

    def see(self, completion: Completion, bought: bool) -> None:
        """Count one answer and refresh the line now and then."""
        self.done += 1
        self.pending += 1
        if bought:
            self.bought += 1
            self.tokens += completion.completion_tokens or 0
            self.usd += completion.usd or 0.0
        now = time.monotonic()
        if now - self.said >= EVERY_SECONDS or self.done >= self.expected:
            self.said = now
            self.task.advance(self.pending, **self.facts(now))
            self.pending = 0

    def facts(self, now: float) -> dict[str, Any]:
        """What stands beside the bar; what is nought or unknown is left out."""
        seconds = max(now - self.began, 1e-9)
        shown: dict[str, Any] = {}
        if self.tokens:
            shown["tok/s"] = f"{self.tokens / seconds:,.0f}"
        if self.usd:
            left = max(0, self.expected - self.done)
            projected = self.budget.usd + self.usd / self.bought * left
            shown["$"] = f"{self.budget.usd:,.2f} of about {projected:,.2f}"
        if self.accepted is not None:
            shown["accepted"] = self.accepted
        if self.bought:
            shown["in flight"] = f"{self.schedule.in_flight}/{self.schedule.limit.limit}"
        if self.schedule.refusals:
            shown["429s"] = self.schedule.refusals
        if self.schedule.troubles:
            shown["errors retried"] = self.schedule.troubles
        if limit := self.limited_by():
            shown["limited by"] = limit
        return shown

    def limited_by(self) -> str:
        """What keeps the job from going faster."""
        limit = self.schedule.limit
        if self.schedule.waits == "concurrency":
            if limit.fixed:
                return "--concurrency"
            if limit.ceiling is not None:
                return "server (429s)" if self.schedule.refusals else "server (queue)"
            return ""
        names = {"rate": "rate limits", "budget": "budget", "server": "server (asks to wait)"}
        return names.get(self.schedule.waits, "")
