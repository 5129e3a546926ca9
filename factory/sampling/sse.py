"""Server-sent events, taken from bytes as they arrive."""

from __future__ import annotations

from collections.abc import Iterator


class EventBytes:
    """Cuts a byte stream into the payloads of its `data:` lines.

    Works on bytes, so characters that are split over network chunks come together again. A line is at most
    `longest` bytes.
    """

    def __init__(self, longest: int = 64 * 2**20) -> None:
        self.longest = longest
        self._rest = b""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Payloads that are complete after this chunk.

        Raises:
            ValueError: a line is longer than `longest`.
        """
        if self._rest:
            chunk = self._rest + chunk
        if b"\n" not in chunk:
            self._keep(chunk)
            return
        *lines, rest = chunk.split(b"\n")
        self._keep(rest)
        for line in lines:
            if line.startswith(b"data:"):
                payload = line[5:].strip()
                if payload:
                    yield payload

    def _keep(self, rest: bytes) -> None:
        if len(rest) > self.longest:
            raise ValueError("an event longer than 64 MiB")
        self._rest = rest
