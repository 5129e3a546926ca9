"""Reading one streamed reply to its end, within bounds on the time without tokens, on tokens and on bytes."""

from __future__ import annotations

import asyncio
import socket
import zlib
from contextlib import suppress
from dataclasses import dataclass

import aiohttp

from factory.redaction import told
from factory.sampling.response_parser import Reply

FIRST_TOKEN = 2
"""The first token may take this many gaps: requests wait in queues, with keep-alive comments or without."""
SLOWEST = 0.1
"""Tokens per second that a reply must bring over a gap; fewer are no progress."""
READS_AT_ONCE = 8
REST_SECONDS = (0.1, 0.5)
REST_SHARE = 0.03
"""Between two reads a long stream is left alone for this share of its age, within these limits: waking up for every
token costs more than reading it, and an answer that took a minute may be noticed half a second late."""
FREE_BYTES, BYTES_PER_TOKEN = 2**20, 2**11
"""A body may have this many bytes, and this many more for each token that was asked for."""
PIECE = 2**18
"""Bytes that are decompressed at once."""
LATE_SECONDS, LATE_BYTES = 1.0, 2**23
"""How long, and how much, is read of a stream that is cut off, to count what its server had sent by then."""
READ_BYTES = 2**18
"""Bytes that are read at once; the connection's buffer holds twice as many."""
SMALL_READS, SMALL_BYTES = 4, 2**14
"""So many reads in a row of fewer bytes than this show that nothing more waits in buffers on the way."""
BEYOND_BYTES = 3 * READ_BYTES + LATE_BYTES
"""A server that ignores `max_tokens` can get at most this much of its stream, for each request in flight, past a cap."""


class BeyondBoundsError(ValueError):
    """A reply has more bytes than the tokens that were asked for can take."""


@dataclass(slots=True)
class Patience:
    """Until when a reply may take. Seconds of a clock that is given, so that limits are tested without waiting."""

    gap: float
    began: float
    until: float = 0.0
    _tokens: int = 0

    def __post_init__(self) -> None:
        self.until = self.began + FIRST_TOKEN * self.gap

    def see(self, tokens: int, now: float) -> float:
        """The deadline after `tokens` have arrived: it moves with the first token, then at the slowest rate allowed."""
        if tokens - self._tokens >= (max(1.0, SLOWEST * self.gap) if self._tokens else 1):
            self._tokens, self.until = tokens, now + self.gap
        return self.until


async def read_stream(response: aiohttp.ClientResponse, reply: Reply, max_tokens: int, gap: float) -> None:
    """Feed a response's body to a reply until that has ended.

    Raises:
        TimeoutError: no progress within `gap` seconds.
        BeyondBoundsError: too many bytes.
        ValueError: what came is no chat completion.
    """
    body = Body(response, FREE_BYTES + BYTES_PER_TOKEN * max_tokens)
    try:
        await _read(body, reply, gap)
    except asyncio.CancelledError:
        # The job stops. An answer that lies here complete, unread because we were resting, is paid for: it counts.
        with suppress(aiohttp.ClientError, OSError, ValueError, RuntimeError):
            if body.take_rest(reply):
                return
        raise
    # A reply that was cut short ends with its connection; a finished stream gives it back.
    if reply.looped or reply.overrun:
        await _count_late(response, body, reply)
        response.close()


async def _read(body: Body, reply: Reply, gap: float) -> None:
    loop = asyncio.get_running_loop()
    reads, began = 0, loop.time()
    patience = Patience(gap, began)
    async with asyncio.timeout_at(patience.until) as limit:
        while chunk := await body.read():
            reply.feed(chunk)
            if reply.ended:
                return
            reads += 1
            limit.reschedule(patience.see(reply.progress, loop.time()))
            if reads > READS_AT_ONCE:
                least, longest = REST_SECONDS
                await asyncio.sleep(min(longest, max(least, REST_SHARE * (loop.time() - began))))
        reply.close()


async def _count_late(response: aiohttp.ClientResponse, body: Body, reply: Reply) -> None:
    """Stop a stream that loops or goes beyond `max_tokens`, and count what its server had sent until then.

    When the buffers are nearly empty the socket is shut down for both directions: what has arrived can still be read,
    and whatever the server sends from now on is answered with a reset.
    """
    body.most += LATE_BYTES
    with suppress(aiohttp.ClientError, OSError, ValueError, TimeoutError):
        async with asyncio.timeout(LATE_SECONDS):
            small = 0
            while small < SMALL_READS and (chunk := await body.read()):
                reply.count_on(chunk)
                small = small + 1 if len(chunk) < SMALL_BYTES else 0
            if response.connection is not None and response.connection.transport is not None:
                response.connection.transport.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
            while chunk := await body.read():
                reply.count_on(chunk)


class Body:
    """A response's bytes, decompressed in pieces, and not more of them than `most`."""

    def __init__(self, response: aiohttp.ClientResponse, most: int) -> None:
        coding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if coding not in ("", "identity", "gzip", "deflate"):
            raise ValueError(f"a reply compressed as {told(coding, 40)}, which was not asked for")
        self.most = most
        self._content = response.content
        self._unpack = (
            None if coding in ("", "identity") else zlib.decompressobj(47 if coding == "gzip" else 15)
        )
        self._size = 0

    async def read(self) -> bytes:
        """What has arrived; nothing at the end."""
        while chunk := await self._content.readany():
            if plain := self._plain(chunk):
                return plain
        return b""

    def take_rest(self, reply: Reply) -> bool:
        """Feed what lies here unread; whether that completes the reply."""
        reply.feed(self._plain(self._content.read_nowait()))
        if not reply.ended and self._content.at_eof():
            reply.close()
        return reply.ended

    def _plain(self, chunk: bytes) -> bytes:
        if self._unpack is None:
            self._count(len(chunk))
            return chunk
        pieces = []
        while chunk:
            pieces.append(self._unpack.decompress(chunk, PIECE))
            chunk = self._unpack.unconsumed_tail
            self._count(len(pieces[-1]))
        return b"".join(pieces)

    def _count(self, size: int) -> None:
        self._size += size
        if self._size > self.most:
            raise BeyondBoundsError(f"a reply of more than {self.most:,} bytes")
