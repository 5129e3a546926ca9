"""How many requests may be in flight, found out from the server's answers. No clock of its own, so it can be simulated.

Slow start: every request that the server takes up lets one more be sent, until it first says 429 or lets requests
wait. The number in flight at a refusal is the ceiling; the limit falls a little below it, comes back, and tries one more
after every few rounds, so that a server with a hard capacity is kept full and hardly ever refuses. Refusals that
follow closely upon one another mean that the capacity itself fell: each makes the next step down twice as large. 5xx
only pauses growth.
"""

from __future__ import annotations

START = 16
STEP = 0.98
"""What a refusal leaves of the ceiling."""
ROUNDS = 2
LEAST_BETWEEN = 150
"""One more is tried after this many rounds and at least this many answers: under 1% of refusals at any capacity."""
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
        self._limit = float(fixed or min(START, most))
        self._good = self._since_fall = self._generation = self._probes = self._soon = 0

    @property
    def limit(self) -> int:
        """Requests that may be in flight now."""
        return max(1, int(self._limit + 1e-9))

    @property
    def generation(self) -> int:
        """Rises at every fall. A refusal of a request that was sent before the last fall brings no second fall."""
        return self._generation

    def started(self, in_flight: int, seconds: float) -> None:
        """The server took a request up, `seconds` after it was sent, with `in_flight` out (itself included)."""
        if self.fixed or self.ceiling is not None:
            return
        if seconds > SLOW_SECONDS:
            self.ceiling = self._limit
        elif in_flight >= 0.9 * self.limit:
            self._limit = min(self.most, self._limit + 1)

    def succeeded(self, in_flight: int) -> None:
        """A request was answered while `in_flight` (itself included) were out."""
        self._since_fall += 1
        if self.fixed or self.ceiling is None or in_flight < 0.9 * self.limit:
            return
        self._good += 1
        if self._limit < self.ceiling:
            # Back to the ceiling within about two rounds, whatever its height.
            self._limit = min(self.ceiling, self._limit + max(1.0, self.ceiling - self._limit) / self.limit)
        elif self._good >= max(ROUNDS * self.limit, LEAST_BETWEEN):
            self._good = 0
            # Each probe that the server takes makes the next one bolder.
            self.ceiling = min(self.most, self.ceiling + 2**self._probes)
            self._probes = min(self._probes + 1, 6)
            self._limit = self.ceiling

    def refused(self, in_flight: int, generation: int) -> None:
        """The server said 429 to a request sent at `generation`, with `in_flight` out (itself included)."""
        if self.fixed:
            return
        level = max(1.0, float(in_flight - 1))
        if generation != self._generation:
            # The rest of a burst: it tells more exactly where the ceiling is.
            if self.ceiling is not None and self._since_fall < self.limit:
                self.ceiling = min(self.ceiling, level)
                self._limit = min(self._limit, max(1.0, self.ceiling * STEP))
            return
        self._generation += 1
        self._soon = min(self._soon + 1, 5) if self.ceiling and self._since_fall < self.limit else 0
        self.ceiling = max(1.0, min(self._limit, level) * STEP ** (2**self._soon - 1))
        self._limit = max(1.0, self.ceiling * STEP)
        self._good = self._since_fall = self._probes = 0

    def troubled(self) -> None:
        """5xx or a broken connection: not the moment to ask for more."""
        self._good = 0
