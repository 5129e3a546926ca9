"""What can go wrong with one request and is worth another try."""

from __future__ import annotations

from enum import StrEnum

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
    """No token within the gap limit."""


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
        super().__init__(message)
        self.trouble, self.retry_after, self.partial = trouble, retry_after, partial
