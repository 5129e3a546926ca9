"""Several endpoints for one teacher: shares by weight, failover, and a circuit breaker for each."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from factory.errors import UsageError
from factory.sampling.retry import Trouble

TRIP = 5
"""Troubles in a row that open the breaker."""
_WEIGHTED = re.compile(r"(.*)=([0-9.]+)")
COOL_SECONDS = 20.0
"""How long an open breaker keeps requests away before one is let through to try."""


@dataclass(slots=True)
class Endpoint:
    """One base URL with its share and its breaker."""

    base: str
    weight: float = 1.0
    credit: float = 0.0
    troubles: int = 0
    closed_until: float = 0.0
    asked: int = 0

    @property
    def url(self) -> str:
        """Where chat completions are asked for."""
        head, mark, query = self.base.partition("?")
        return f"{head.rstrip('/')}/chat/completions{mark}{query}"

    def report(self, trouble: Trouble | None, now: float) -> None:
        """Count an answer (None) or a trouble. Refusals are not trouble: the server is well, only busy."""
        if trouble is None:
            self.troubles = 0
        elif trouble != Trouble.THROTTLED:
            self.troubles += 1
            if self.troubles >= TRIP:
                self.closed_until = now + COOL_SECONDS


class Endpoints:
    """Smooth weighted round robin over the endpoints whose breaker is closed."""

    def __init__(self, urls: Iterable[str]) -> None:
        """`urls` are base URLs; `URL=3` gives one a weight of 3.

        Raises:
            UsageError: no URL, or one that is not http(s).
        """
        self.all = [_endpoint(url) for url in urls]
        if not self.all:
            raise UsageError("no endpoint", do="give --base-url")

    def choose(self, now: float) -> Endpoint:
        """The endpoint of the next request. When every breaker is open, the one that may close first."""
        able = [e for e in self.all if e.closed_until <= now]
        if not able:
            able = [min(self.all, key=lambda e: e.closed_until)]
        for endpoint in able:
            endpoint.credit += endpoint.weight
        best = max(able, key=lambda e: e.credit)
        best.credit -= sum(e.weight for e in able)
        best.asked += 1
        return best


def _endpoint(text: str) -> Endpoint:
    found = _WEIGHTED.fullmatch(text.strip())
    url, weight = (found[1], found[2]) if found else (text.strip(), "")
    if not url.startswith(("http://", "https://")):
        raise UsageError(
            f"{url or 'empty'} is not an endpoint", do="give a URL such as http://localhost:8000/v1"
        )
    try:
        share = float(weight) if weight else 1.0
    except ValueError:
        share = -1.0
    if share <= 0:
        raise UsageError(f"{text}: the weight is not a positive number", do="write URL=2")
    return Endpoint(url.rstrip("/").removesuffix("/chat/completions"), share)
