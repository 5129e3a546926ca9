"""OpenAI-compatible chat completions, streamed over aiohttp and read with orjson.

The `openai` client spends about twenty times the CPU on a streamed chunk; it is used for batches and files only. Every
request ends: there are bounds on the time without tokens, on tokens and on bytes, compressed or not.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import orjson
from yarl import URL

from factory.errors import FactoryError, UsageError
from factory.redaction import HIDDEN, hide, told
from factory.sampling.budget import Budget
from factory.sampling.continuation import Continues, begun, beta, on_the_wire
from factory.sampling.endpoints import Endpoint, Endpoints
from factory.sampling.presets import Preset
from factory.sampling.response_parser import Reply
from factory.sampling.retry import Abandoned, RefusedError, RetryableError, Trouble, retry_after
from factory.sampling.sampler import Completion, SampleRequest
from factory.sampling.schedule import Schedule
from factory.sampling.seeds import sample_seed
from factory.sampling.usage import booked, prompt_tokens
from schemas import ResponseStatus

GAP_SECONDS = 300.0
"""Longest silence inside a stream. A total time-out would cut the longest chains, which are the wanted ones."""
FIRST_TOKEN = 2
"""The first token may take this many gaps: requests wait in queues, with keep-alive comments or without."""
SLOWEST = 0.1
"""Tokens per second that a reply must bring over a gap; fewer are no progress."""
READS_AT_ONCE = 8
REST_SECONDS = (0.1, 0.5)
REST_SHARE = 0.03
"""Between two reads a long stream is left alone for this share of its age, within these limits: waking up for every
token costs more than reading it, and an answer that took a minute may be noticed half a second late."""
CONNECT_SECONDS = 30.0
FREE_BYTES, BYTES_PER_TOKEN = 2**20, 2**11
"""A body may have this many bytes, and this many more for each token that was asked for."""
PIECE = 2**18
"""Bytes that are decompressed at once."""
REDIRECTS = 2
FATAL = {400, 401, 402, 403, 404, 405, 413, 422}
ONE_REQUEST = {400, 403, 413, 422}
"""Refusals that may be for this request only: too long, or moderated."""


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


class HttpSampler:
    """A teacher or student behind one or more OpenAI-compatible endpoints."""

    def __init__(
        self,
        preset: Preset,
        model: str,
        urls: Iterable[str],
        key: str | None = None,
        *,
        gap_seconds: float = GAP_SECONDS,
        stop_loops: bool = True,
        schedule: Schedule | None = None,
    ) -> None:
        """Nothing is opened before the first request.

        Args:
            preset: dialect and prices.
            model: model id that is asked for.
            urls: base URLs (`.../v1`), each optionally followed by `=WEIGHT`.
            key: bearer token.
            gap_seconds: longest silence inside a stream.
            stop_loops: abort a stream that repeats itself.
            schedule: used by `sample`.
        """
        self.preset, self.name, self.model, self.revision = preset, preset.name, model, None
        self.endpoints = Endpoints(urls)
        self.gap_seconds, self.stop_loops = gap_seconds, stop_loops
        self._key = key
        if key:
            hide(key)
        self._schedule = schedule
        self._session: aiohttp.ClientSession | None = None

    def wire_request(self, request: SampleRequest) -> dict[str, Any]:
        """The request's body, without what concerns the transport only."""
        params, preset = request.params, self.preset
        budget = min(params.max_tokens, preset.most_tokens or params.max_tokens)
        body: dict[str, Any] = {
            "model": self.model,
            **on_the_wire(request.messages, preset.continues),
            preset.max_tokens_field: budget,
            **preset.extra,
        }
        if preset.samples_params:
            body |= {"temperature": params.temperature, "top_p": params.top_p}
        if preset.seeds and params.seed is not None:
            body["seed"] = params.seed
        return {"sampler": self.name, "body": body}

    async def sample(
        self, requests: Iterable[SampleRequest]
    ) -> AsyncIterator[tuple[SampleRequest, Completion]]:
        """Answer all requests, many at once, in the order in which the answers come."""
        answers: asyncio.Queue[tuple[SampleRequest, Completion]] = asyncio.Queue()

        async def source() -> AsyncIterator[SampleRequest]:
            for request in requests:
                yield request

        async def done(request: SampleRequest, completion: Completion) -> None:
            answers.put_nowait((request, completion))

        work = asyncio.create_task((self._schedule or Schedule()).run(self, source(), Budget(), done))
        try:
            while not work.done() or not answers.empty():
                getting = asyncio.create_task(answers.get())
                await asyncio.wait({getting, work}, return_when=asyncio.FIRST_COMPLETED)
                if getting.done():
                    yield getting.result()
                else:
                    getting.cancel()
            work.result()
        finally:
            work.cancel()

    async def ask(self, request: SampleRequest, started: Callable[[], None] | None = None) -> Completion:
        """Answer one request, without retries; `started` is called when the status 200 is there.

        Raises:
            RetryableError: refused for now, server trouble, broken or stalled stream, a reply that is none.
            Abandoned: cancelled after something had arrived.
            UsageError: the endpoint refuses the key, the model or the parameters.
        """
        body = self.wire_request(request)["body"]
        if "seed" in body:
            body["seed"] = sample_seed(body["seed"], request.problem_id, request.sample_index)
        body |= {"stream": True, "stream_options": {"include_usage": True}}
        loop = asyncio.get_running_loop()
        endpoint = self.endpoints.choose(loop.time())
        try:
            completion = await self._exchange(endpoint, body, request, started)
        except RetryableError as error:
            endpoint.report(error.trouble, loop.time())
            raise
        endpoint.report(None, loop.time())
        return completion

    def costed(self, completion: Completion, request: SampleRequest, share: float = 1.0) -> Completion:
        """A completion with its prompt counted, its price, and without the key, should the server echo it.

        `share` of the price is charged.
        """
        counted = prompt_tokens(request.messages)
        prompt = booked(completion.prompt_tokens, counted)
        prices = self.preset.prices
        usd = share * prices.cost(prompt or 0, completion.completion_tokens or 0) if prices else None
        completion = replace(completion, prompt_tokens=prompt, usd=usd)
        texts = {name: getattr(completion, name) for name in ("reasoning", "content", "served_model")}
        if self._key and any(self._key in (text or "") for text in texts.values()):
            hidden = {name: text and text.replace(self._key, HIDDEN) for name, text in texts.items()}
            completion = replace(completion, **hidden)
        return completion

    async def aclose(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _exchange(
        self,
        endpoint: Endpoint,
        body: dict[str, Any],
        request: SampleRequest,
        started: Callable[[], None] | None,
    ) -> Completion:
        turn = begun(request.messages)
        most = body[self.preset.max_tokens_field]
        reply = Reply(
            prefilled=self.preset.prefilled,
            stop_loops=self.stop_loops,
            turn=turn,
            parsed=request.parsed,
            max_tokens=most,
        )
        at_beta = turn is not None and self.preset.continues == Continues.PREFIX
        url = Endpoint(beta(endpoint.base)).url if at_beta else endpoint.url
        taken_up = False

        def arrived() -> Completion | None:
            """What a broken attempt cost: nothing before the server took it up, then the prompt and what came."""
            if not taken_up:
                return None
            nothing = Completion(None, None, ResponseStatus.FAILED, completion_tokens=0)
            return self.costed(reply.partial() or nothing, request)

        try:
            async with self._post(url, orjson.dumps(body)) as response:
                if response.status != 200:
                    raise await self._refusal(endpoint, response)
                taken_up = True
                if started is not None:
                    started()
                await self._stream(response, reply, most)
            return self.costed(reply.completion(), request)
        except (RetryableError, FactoryError):
            raise
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError) as error:
            raise RetryableError(
                f"cannot reach {endpoint.base} ({_reason(error)})", Trouble.UNREACHABLE
            ) from error
        except TimeoutError as error:
            message = f"no progress for {self.gap_seconds:g} s"
            raise RetryableError(message, Trouble.STALLED, partial=arrived()) from error
        except asyncio.CancelledError:
            if (partial := arrived()) is not None:
                raise Abandoned(partial) from None
            raise
        except Exception as error:  # whatever a server sends, it costs one attempt and not the job
            message = f"{type(error).__name__}: {error}" if not isinstance(error, ValueError) else str(error)
            raise RetryableError(message, Trouble.SERVER, partial=arrived()) from error

    @asynccontextmanager
    async def _post(self, url: str, data: bytes) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request; a redirect is followed on the same host only, since it would carry the prompt elsewhere."""
        target = URL(url)
        for _ in range(REDIRECTS + 1):
            async with self._open().post(target, data=data, allow_redirects=False) as response:
                if not 300 <= response.status < 400:
                    yield response
                    return
                place = target.join(URL(response.headers.get("Location", "")))
                if response.status not in (307, 308) or place.origin() != target.origin():
                    raise UsageError(
                        f"{target.origin()} redirects to {place.with_query(None)} (HTTP {response.status}), which is "
                        "not followed",
                        do="give that address as --base-url if you trust it",
                    )
                target = place
        raise UsageError(f"{target.origin()} redirects in a circle", do="check --base-url")

    async def _stream(self, response: aiohttp.ClientResponse, reply: Reply, most: int) -> None:
        body = _Body(response, FREE_BYTES + BYTES_PER_TOKEN * most)
        try:
            await self._read(body, reply)
        except asyncio.CancelledError:
            # The job stops. An answer that lies here whole, unread because we were resting, is paid for: it counts.
            with suppress(aiohttp.ClientError, OSError, ValueError, RuntimeError):
                if body.take_rest(reply):
                    return
            raise
        if reply.overrun:
            # What the server had sent beyond the limit before it noticed is paid for as well.
            with suppress(aiohttp.ClientError, OSError, ValueError, RuntimeError):
                reply.count_on(response.content.read_nowait())
        # A reply that was cut short ends with its connection; a finished stream gives it back.
        if reply.looped or reply.overrun:
            response.close()

    async def _read(self, body: _Body, reply: Reply) -> None:
        loop = asyncio.get_running_loop()
        reads, began = 0, loop.time()
        patience = Patience(self.gap_seconds, began)
        async with asyncio.timeout_at(patience.until) as limit:
            while chunks := await body.read():
                for chunk in chunks:
                    reply.feed(chunk)
                    if reply.ended:
                        return
                reads += 1
                limit.reschedule(patience.see(reply.progress, loop.time()))
                if reads > READS_AT_ONCE:
                    least, longest = REST_SECONDS
                    await asyncio.sleep(min(longest, max(least, REST_SHARE * (loop.time() - began))))
            reply.close()

    async def _refusal(self, endpoint: Endpoint, response: aiohttp.ClientResponse) -> Exception:
        text = (await response.content.read(4096)).decode("utf-8", "replace")
        said = _message(text)
        wait = retry_after(response.headers)
        status = response.status
        if status == 429 or (status == 503 and wait is not None):
            if "insufficient_quota" in text:
                return UsageError(f"{endpoint.base} says the account is out of credit: {said}")
            return RetryableError(f"HTTP {status}: {said}", Trouble.THROTTLED, retry_after=wait)
        if status in FATAL:
            kind = RefusedError if status in ONE_REQUEST else UsageError
            return kind(f"{endpoint.base} answered HTTP {status}: {said}", do=_advice(status))
        return RetryableError(f"HTTP {status}: {said}", Trouble.SERVER, retry_after=wait)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            headers = {
                "Content-Type": "application/json",
                "Accept": "text/event-stream",
                "Accept-Encoding": "identity",
            }
            if self._key:
                headers["Authorization"] = f"Bearer {self._key}"
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60),
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=CONNECT_SECONDS, sock_read=self.gap_seconds
                ),
                headers=headers,
                read_bufsize=2**18,
                auto_decompress=False,
            )
        return self._session


class _Body:
    """A response's bytes, decompressed in pieces, and not more of them than `most`."""

    def __init__(self, response: aiohttp.ClientResponse, most: int) -> None:
        coding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if coding not in ("", "identity", "gzip", "deflate"):
            raise ValueError(f"a reply compressed as {told(coding, 40)}, which was not asked for")
        self._content, self._most = response.content, most
        self._unpack = (
            None if coding in ("", "identity") else zlib.decompressobj(47 if coding == "gzip" else 15)
        )
        self._size = 0

    async def read(self) -> list[bytes]:
        """What has arrived; nothing at the end."""
        while chunk := await self._content.readany():
            if pieces := self._plain(chunk):
                return pieces
        return []

    def take_rest(self, reply: Reply) -> bool:
        """Feed what lies here unread; whether that completes the reply."""
        for piece in self._plain(self._content.read_nowait()):
            reply.feed(piece)
        if not reply.ended and self._content.at_eof():
            reply.close()
        return reply.ended

    def _plain(self, chunk: bytes) -> list[bytes]:
        pieces = [chunk] if self._unpack is None else []
        while self._unpack is not None and chunk:
            pieces.append(self._unpack.decompress(chunk, PIECE))
            chunk = self._unpack.unconsumed_tail
            self._count(len(pieces[-1]))
        if self._unpack is None:
            self._count(len(chunk))
        return [piece for piece in pieces if piece]

    def _count(self, size: int) -> None:
        self._size += size
        if self._size > self._most:
            raise ValueError(f"a reply of more than {self._most:,} bytes")


def _reason(error: Exception) -> str:
    return str(getattr(error, "os_error", None) or error or type(error).__name__)[:200]


def _message(text: str) -> str:
    """The server's own words, on one line. Never longer than 200 characters."""
    try:
        data = json.loads(text)
        error = data.get("error") or data.get("detail") or data.get("message") or text
        text = error.get("message", str(error)) if isinstance(error, dict) else str(error)
    except (ValueError, AttributeError, RecursionError):
        pass
    return told(str(text)) or "no message"


def _advice(status: int) -> str:
    if status in (401, 403):
        return "check the key in the environment variable (--api-key-env)"
    if status == 402:
        return "top the account up"
    if status == 404:
        return "check --base-url and --model"
    return "check --model, --max-tokens and the sampling parameters"
