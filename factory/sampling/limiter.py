"""How many requests may be in flight, found out from the server's answers. No clock of its own, so it can be simulated.

Slow start: every success adds one until the server first says 429. After that the last good level is remembered as the
ceiling: the limit falls below it, comes back in a few rounds, and tries one more only now and then (so that a server
with a hard capacity is kept full and hardly ever refuses). A refusal soon after a refusal means that the capacity
itself fell: then the limit falls by a quarter. 5xx only pauses growth.
"""

from __future__ import annotations

START = 16
SMALL_STEP = 0.98
BIG_STEP = 0.75
ROUNDS_BETWEEN_PROBES = 8
"""Full rounds of successes at the ceiling before one more is tried."""


class AdaptiveLimit:
    """The number of requests that may be in flight.

    Args:
        most: never more than this.
        fixed: always exactly this; answers do not move it.
    """

    def __init__(self, most: int = 1024, fixed: int | None = None) -> None:
        self.fixed = fixed
        self.most = most
        self._limit = float(fixed or min(START, most))
        self.ceiling: float | None = None
        self._good = 0
        self._since_fall = 0
        self._generation = 0
        self._probes = 0

    @property
    def limit(self) -> int:
        """Requests that may be in flight now."""
        return max(1, int(self._limit))

    @property
    def generation(self) -> int:
        """Rises at every fall. A refusal of a request that was sent before the last fall says nothing new."""
        return self._generation

    def succeeded(self, in_flight: int) -> None:
        """A request was answered while `in_flight` (itself included) were out."""
        self._since_fall += 1
        if self.fixed or in_flight < 0.9 * self.limit:
            return
        if self.ceiling is None:
            self._limit = min(self.most, self._limit + 1)
            return
        self._good += 1
        if self._limit < self.ceiling:
            # Back to the ceiling within about two rounds, whatever its height.
            self._limit = min(self.ceiling, self._limit + max(1.0, self.ceiling - self._limit) / self.limit)
        elif self._good >= ROUNDS_BETWEEN_PROBES * self.limit:
            self._good = 0
            self._probes += 1
            # Each probe that the server took makes the next one bolder.
            self.ceiling = min(self.most, self.ceiling + 2 ** min(self._probes - 1, 6))
            self._limit = self.ceiling

    def refused(self, in_flight: int, generation: int) -> None:
        """The server said 429 to a request sent at `generation`, with `in_flight` out (itself included)."""
        if self.fixed or generation != self._generation:
            return
        self._generation += 1
        soon = self.ceiling is not None and self._since_fall < 2 * self.limit
        level = max(1.0, min(self._limit, in_flight) - 1)
        first = self.ceiling is None
        self.ceiling = max(1.0, level * BIG_STEP) if soon else level
        self._limit = max(1.0, self.ceiling * (BIG_STEP if first else SMALL_STEP))
        self._good = self._since_fall = self._probes = 0

    def troubled(self) -> None:
        """5xx or a broken connection: not the moment to ask for more."""
        self._good = 0
