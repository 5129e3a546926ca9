"""What can go wrong with one request and is worth another try, when, and at which of several endpoints."""

from __future__ import annotations

import asyncio
import email.utils
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from factory.errors import UsageError
from factory.redaction import told
from factory.sampling.sampler import Completion


class Trouble(StrEnum):
    """Kinds of trouble; each moves the concurrency differently."""

    THROTTLED = "throttled"
    """429 or 503 with Retry-After: too much asked at once. Concurrency shrinks."""
    SERVER = "server"
    """5xx, reset, malformed reply: the server's own trouble. Growth pauses, nothing shrinks."""
    UNREACHABLE = "unreachable"
    """No connection."""
    STALLED = "stalled"
    """No token within the gap limit, or hardly any."""


class RetryableError(Exception):
    """One attempt failed.

    `partial` holds what had arrived: it is kept when no attempt succeeds, and its tokens count as spent.
    """

    def __init__(
        self,
        message: str,
        trouble: Trouble = Trouble.SERVER,
        *,
        retry_after: float | None = None,
        partial: Completion | None = None,
    ) -> None:
        """`retry_after` in seconds, as the server asked."""
        super().__init__(told(message, 300))
        self.trouble, self.retry_after, self.partial = trouble, retry_after, partial
        self.load = False
        """Whether the server refused because of what is in flight, as far as can be known."""


class RefusedError(UsageError):
    """The server calls this request wrong (its parameters, its length, its words); another may be right."""


class Abandoned(asyncio.CancelledError):
    """A request was cancelled after something had arrived; `partial` holds it, and its tokens count as spent."""

    def __init__(self, partial: Completion) -> None:
        super().__init__()
        self.partial = partial


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Seconds that the server asks to wait: `Retry-After-Ms`, `Retry-After` as seconds or as a date.

    A date is read against the server's own `Date` header, so a skewed clock on either side does no harm (RFC 9110
    sections 10.2.3 and 6.6.1).
    """
    try:
        if "Retry-After-Ms" in headers:
            return _wait(float(headers["Retry-After-Ms"]) / 1000)
        value = headers.get("Retry-After")
        if value is None:
            return None
        try:
            return _wait(float(value))
        except ValueError:
            until = email.utils.parsedate_to_datetime(value).timestamp()
            date = headers.get("Date")
            there = (
                email.utils.parsedate_to_datetime(date).timestamp()
                if date
                else (time.time() if now is None else now)
            )
            return _wait(until - there)
    except (ValueError, TypeError, OverflowError):
        return None


def _wait(seconds: float) -> float | None:
    return max(0.0, seconds) if seconds == seconds and seconds != float("inf") else None


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
    if found and "?" in found[1] and "=" not in re.split("[?&]", found[1])[-1]:
        found = None  # the value of the query's last parameter
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
