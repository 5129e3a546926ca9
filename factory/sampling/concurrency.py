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
"""

from __future__ import annotations

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
