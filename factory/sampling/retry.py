"""What can go wrong with one request and is worth another try, and when."""

from __future__ import annotations

import asyncio
import email.utils
import time
from collections.abc import Mapping
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
