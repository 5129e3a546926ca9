"""How many requests may be in flight, found out from the server's answers. No clock of its own, so it can be simulated.

Every request that is taken up raises the limit by one, so it doubles each round, until load is met for the first time.

A refusal (429) means too much load only when it depends on the load. So acceptances and refusals are counted by level:
the number of requests in flight when one was sent, itself included, less those of them that were refused since. A
refusal at a level where nearly all requests are accepted (while the limit doubles: at half that level and above) is
chance (a gateway, another tenant) and moves nothing. One at a level where requests are not accepted is a ceiling: the
limit goes just below it and tries one more soon, then after twice as many answers each time it is refused again, so that
a server with a hard capacity is kept full and hardly ever refuses, and a refusal by chance costs a few answers of growth.
Refusals at levels that were accepted before mean that the capacity fell; each that follows closely upon the last makes
the next step down twice as large. 5xx only pauses growth.

How fast requests are sent is a token bucket each for requests, prompt tokens and completion tokens per minute, reserved
before they are used. Completion tokens are reserved by the live 90th percentile of lengths, and corrected when the answer
is there: counting only finished answers would let a burst of long chains overshoot.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from factory.sampling.store.leases import Leases


START = 48
SHARE = 0.25
"""Share of refusals at a level and above from which they count as load; random refusals stay far below it."""
ENOUGH = 4
"""Refusals that show that a level which was accepted before is refused now."""
STEP = 0.98
"""What a fall of the capacity leaves of the limit, at first."""
RETRY = 4
"""Answers after which a ceiling that was met once is tried again; doubled each time that it is met."""
ROUNDS = 2
LEAST_BETWEEN = 150
"""A ceiling that stands is tried after this many rounds and at least this many answers: under 1% of refusals."""
SLOW_SECONDS = 10.0
"""A request that waits longer to be taken up stands in a queue: more in flight would only make it longer."""


class AdaptiveLimit:
    """The number of requests that may be in flight.

    Args:
        most: never more than this.
        fixed: always exactly this; answers do not move it.
    """

    def __init__(self, most: int = 1024, fixed: int | None = None) -> None:
        self.fixed, self.most = fixed, most
        self.ceiling: float | None = None
        self.strikes = 0
        """How often the ceiling was met in a row."""
        self._limit = float(fixed or min(START, most))
        self._accepted: dict[int, float] = {}
        self._refused: dict[int, float] = {}
        self._waiting: dict[int, int] = {}
        """Requests that were neither taken up nor refused so far, in the order of sending, with their levels."""
        self._starting = True
        """No ceiling was met so far."""
        self._full = False
        """Whether the limit is what keeps more from being sent."""
        self._number = self._good = self._since_fall = self._since_decay = self._soon = self._fell_at = 0

    @property
    def limit(self) -> int:
        """Requests that may be in flight now."""
        return max(1, int(self._limit + 1e-9))

    def sent(self, in_flight: int) -> int:
        """A request is sent, with `in_flight` out (itself included); returns its number for what follows."""
        self._number += 1
        self._waiting[self._number] = in_flight
        self._full = in_flight >= 0.9 * self.limit
        return self._number

    def started(self, number: int, seconds: float) -> None:
        """The server took a request up, `seconds` after it was sent."""
        level = self._waiting.pop(number, 0)
        self._count(self._accepted, level)
        if self.fixed:
            return
        if self.ceiling is None:
            if seconds > SLOW_SECONDS:
                self.ceiling, self.strikes = self._limit, 8
            elif self._full:
                self._limit = min(self.most, self._limit + 1)
        elif level > self.ceiling and seconds <= SLOW_SECONDS:
            # The ceiling was none, or the server can take more by now.
            self.ceiling, self.strikes, self._good = None, 0, 0
            self._limit = min(self.most, max(self._limit, level + 1.0))

    def lost(self, number: int) -> None:
        """A request broke before the server took it up."""
        self._waiting.pop(number, None)

    def succeeded(self, in_flight: int) -> None:
        """A request was answered while `in_flight` (itself included) were out."""
        self._since_fall += 1
        if self.fixed or self.ceiling is None or in_flight < 0.9 * self.limit:
            return
        self._good += 1
        if self._limit < self.ceiling:
            # Back to the ceiling within about two rounds, whatever its height.
            self._limit = min(self.ceiling, self._limit + max(1.0, self.ceiling - self._limit) / self.limit)
        elif self._good >= min(RETRY << min(self.strikes - 1, 30), max(ROUNDS * self.limit, LEAST_BETWEEN)):
            self._good = 0
            self._limit = min(self.most, self.ceiling + 1)

    def refused(self, number: int) -> bool:
        """The server said 429 to a request; whether load is the reason, as far as can be known."""
        level = max(1, self._waiting.pop(number, 1))
        for later in self._waiting:
            if later > number:
                self._waiting[later] -= 1
        self._count(self._refused, level)
        lowest = level // 2 if self._starting else level
        accepted = sum(count for at, count in self._accepted.items() if at >= lowest)
        refused = sum(count for at, count in self._refused.items() if at >= lowest)
        if refused <= SHARE * (accepted + refused) or (accepted and refused < ENOUGH):
            return False
        if self.fixed:
            return True
        below = max(1.0, level - 1.0)
        if self._starting:
            self._starting, accepted, below = False, 0, float(max(self._accepted, default=1))
        if number <= self._fell_at:
            # The rest of a burst: it brings no second fall, but may tell more exactly where the ceiling is.
            if self.ceiling is not None and below < self.ceiling and not accepted:
                self.ceiling, self._limit = below, min(self._limit, below)
            return True
        self._fell_at = self._number
        if accepted:
            self._soon = min(self._soon + 1, 5) if self._since_fall < self.limit else 0
            below = max(1.0, min(self._limit, below) * STEP ** (2**self._soon - 1))
            self._accepted.clear()
            self._refused.clear()
        self.strikes += 1
        self.ceiling = self._limit = min(self._limit, below)
        self._good = self._since_fall = 0
        return self.strikes > 1 or accepted > 0

    def troubled(self) -> None:
        """5xx or a broken connection: not the moment to ask for more."""
        self._good = 0

    def _count(self, counts: dict[int, float], level: int) -> None:
        counts[level] = counts.get(level, 0.0) + 1
        self._since_decay += 1
        if self._since_decay >= max(4 * self.limit, 64):
            # What was seen some rounds ago counts half.
            self._since_decay = 0
            for each in (self._accepted, self._refused):
                for at in [at for at, count in each.items() if count < 1]:
                    del each[at]
                for at in each:
                    each[at] /= 2


Need = tuple[float, float, float]
"""Requests, prompt tokens and completion tokens that one request reserves."""


class Rates(Protocol):
    """Rate limits of one process (`RateLimiter`) or of many (`SharedRates`)."""

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


GROUP = 256
"""Waiting requests that are put to the rate limits together."""
LEAST_WAIT = 0.05


class SharedRates:
    """The job's rate limits, shared by its workers. Requests are put to the ledger in groups and sent at once."""

    def __init__(self, leases: Leases, limits: RateLimits, default_length: int) -> None:
        self.leases = leases
        per_minute = (limits.requests, limits.prompt_tokens, limits.completion_tokens)
        self.rates = [each / 60 if each else None for each in per_minute]
        self.active = any(self.rates)
        self.lengths = LengthEstimate(default_length)
        self._waiting: deque[tuple[Need, asyncio.Future[None]]] = deque()
        self._give = [0.0, 0.0, 0.0]
        self._asking: asyncio.Task[None] | None = None

    def need(self, prompt_tokens: int, max_tokens: int) -> Need:
        """What one request reserves."""
        return (1.0, float(prompt_tokens), float(min(max_tokens, self.lengths.p90)))

    async def admit(self, need: Need) -> None:
        """Return when the request may be sent."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((need, turn))
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        await turn

    def settle(self, need: Need, prompt_tokens: int | None, tokens: int | None, now: float) -> None:
        """Correct the reservation by what was really used, with the next request that is put to the ledger."""
        if prompt_tokens is not None:
            self._give[1] += prompt_tokens - need[1]
        if tokens is not None:
            self._give[2] += tokens - need[2]
            self.lengths.add(tokens)

    async def _ask(self) -> None:
        while self._waiting:
            group = [(need, turn) for need, turn in self._waiting if not turn.cancelled()][:GROUP]
            give, self._give = self._give, [0.0, 0.0, 0.0]
            try:
                granted, wait = await asyncio.to_thread(
                    self.leases.take, self.rates, [need for need, _ in group], give
                )
            except Exception as error:
                for _, turn in group:
                    if not turn.done():
                        turn.set_exception(error)
                self._waiting.clear()
                return
            admitted = {id(turn) for _, turn in group[:granted]}
            self._waiting = deque(
                (need, turn)
                for need, turn in self._waiting
                if id(turn) not in admitted and not turn.cancelled()
            )
            for _, turn in group[:granted]:
                if not turn.done():
                    turn.set_result(None)
            if self._waiting:
                await asyncio.sleep(max(wait, LEAST_WAIT))
