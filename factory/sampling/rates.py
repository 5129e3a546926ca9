"""Requests, input tokens and output tokens a minute, reserved before they are used.

Output tokens are reserved by the live 90th percentile of lengths, and corrected when the answer is there: counting
only finished answers would let a burst of long chains overshoot.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Protocol

Need = tuple[float, float, float]
"""Requests, prompt tokens and completion tokens that one request reserves."""


class Rates(Protocol):
    """Rate limits of one process (`RateLimiter`) or of many (`factory.sampling.shared.SharedRates`)."""

    active: bool

    def need(self, prompt_tokens: int, max_tokens: int) -> Need: ...  # noqa: D102

    async def admit(self, need: Need) -> None: ...  # noqa: D102

    def settle(  # noqa: D102
        self, need: Need, prompt_tokens: int | None, tokens: int | None, now: float
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class RateLimits:
    """What the endpoint allows in a minute; None is no limit."""

    requests: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class Bucket:
    """A token bucket that refills steadily. `now` in seconds is given, never read."""

    def __init__(self, per_minute: float | None, burst_seconds: float = 5.0) -> None:
        """`burst_seconds` of rate may be used at once."""
        self.rate = per_minute / 60 if per_minute else None
        self.size = self.rate * burst_seconds if self.rate else 0.0
        self.level = self.size
        self.then: float | None = None

    def wait(self, amount: float, now: float) -> float:
        """Seconds until `amount` may be taken. More than the bucket holds may be taken from a full one."""
        if self.rate is None:
            return 0.0
        self._refill(now)
        return max(0.0, (min(amount, self.size) - self.level) / self.rate)

    def take(self, amount: float, now: float) -> None:
        """Take, or give back when negative."""
        if self.rate is not None:
            self._refill(now)
            self.level -= amount

    def _refill(self, now: float) -> None:
        assert self.rate is not None
        if self.then is not None:
            self.level = min(self.size, self.level + (now - self.then) * self.rate)
        self.then = now


class LengthEstimate:
    """The live 90th percentile of completion lengths over the last answers."""

    def __init__(self, default: int, window: int = 200) -> None:
        """`default` is used until ten answers are there."""
        self.default = default
        self.recent: deque[int] = deque(maxlen=window)
        self._value, self._stale = default, False

    def add(self, tokens: int) -> None:
        """One more answer's length."""
        self.recent.append(tokens)
        self._stale = True

    @property
    def p90(self) -> int:
        """Tokens that nine of ten answers stay below."""
        if self._stale and len(self.recent) >= 10:
            self._value = sorted(self.recent)[int(0.9 * (len(self.recent) - 1))]
            self._stale = False
        return self._value


class RateLimiter:
    """The three buckets together."""

    def __init__(self, limits: RateLimits, default_length: int = 4096) -> None:
        self.buckets = (
            Bucket(limits.requests),
            Bucket(limits.prompt_tokens),
            Bucket(limits.completion_tokens),
        )
        self.lengths = LengthEstimate(default_length)
        self.active = any(bucket.rate is not None for bucket in self.buckets)

    def need(self, prompt_tokens: int, max_tokens: int) -> Need:
        """What one request reserves."""
        return (1.0, float(prompt_tokens), float(min(max_tokens, self.lengths.p90)))

    def wait(self, need: Need, now: float) -> float:
        """Seconds until the request may be sent."""
        return max(bucket.wait(amount, now) for bucket, amount in zip(self.buckets, need, strict=True))

    def take(self, need: Need, now: float) -> None:
        """Reserve."""
        for bucket, amount in zip(self.buckets, need, strict=True):
            bucket.take(amount, now)

    async def admit(self, need: Need) -> None:
        """Wait until the request may be sent, and reserve."""
        loop = asyncio.get_running_loop()
        while (wait := self.wait(need, loop.time())) > 0:
            await asyncio.sleep(wait)
        self.take(need, loop.time())

    def settle(self, need: Need, prompt_tokens: int | None, tokens: int | None, now: float) -> None:
        """Correct the reservation by what was really used."""
        if prompt_tokens is not None:
            self.buckets[1].take(prompt_tokens - need[1], now)
        if tokens is not None:
            self.buckets[2].take(tokens - need[2], now)
            self.lengths.add(tokens)
