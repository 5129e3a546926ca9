"""OpenAI-compatible chat completions, streamed over aiohttp and read with orjson.

The `openai` client spends about twenty times the CPU on a streamed chunk; it is used for batches and files only.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import aiohttp
import orjson

from factory.errors import UsageError
from factory.sampling.budget import Budget
from factory.sampling.continuation import Continues, begun, beta, on_the_wire
from factory.sampling.endpoints import Endpoint, Endpoints
from factory.sampling.failures import RetryableError, Trouble
from factory.sampling.presets import Preset
from factory.sampling.reply import Reply, retry_after
from factory.sampling.sampler import Completion, SampleRequest
from factory.sampling.schedule import Schedule
from factory.sampling.seeds import sample_seed

GAP_SECONDS = 300.0
"""Longest silence inside a stream. A total time-out would cut the longest chains, which are the wanted ones."""
READS_AT_ONCE = 8
REST_SECONDS = (0.1, 0.5)
REST_SHARE = 0.03
"""Between two reads a long stream is left alone for this share of its age, within these limits: waking up for every
token costs more than reading it, and an answer that took a minute may be noticed half a second late."""
CONNECT_SECONDS = 30.0
FATAL = {400, 401, 402, 403, 404, 405, 413, 422}


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
            RetryableError: refused for now, server trouble, broken or stalled stream.
            UsageError: the endpoint refuses the key, the model or the parameters.
        """
        body = self.wire_request(request)["body"]
        if "seed" in body:
            body["seed"] = sample_seed(body["seed"], request.problem_id, request.sample_index)
        body |= {"stream": True, "stream_options": {"include_usage": True}}
        endpoint = self.endpoints.choose(asyncio.get_running_loop().time())
        try:
            completion = await self._exchange(endpoint, body, request, started)
        except RetryableError as error:
            endpoint.report(error.trouble, asyncio.get_running_loop().time())
            if error.partial is not None:
                error.partial = self._priced(error.partial)
            raise
        endpoint.report(None, asyncio.get_running_loop().time())
        return self._priced(completion)

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
        reply = Reply(
            prefilled=self.preset.prefilled, stop_loops=self.stop_loops, turn=turn, parsed=request.parsed
        )
        at_beta = turn is not None and self.preset.continues == Continues.PREFIX
        url = Endpoint(beta(endpoint.base)).url if at_beta else endpoint.url
        try:
            async with self._open().post(url, data=orjson.dumps(body)) as response:
                if response.status != 200:
                    raise await self._refusal(endpoint, response)
                if started is not None:
                    started()
                if response.content_type == "text/event-stream":
                    await self._stream(response, reply)
                else:
                    reply.whole(await response.read())
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError) as error:
            raise RetryableError(
                f"cannot reach {endpoint.base} ({_reason(error)})", Trouble.UNREACHABLE
            ) from error
        except TimeoutError as error:
            message = f"no token for {self.gap_seconds:g} s"
            raise RetryableError(message, Trouble.STALLED, partial=reply.partial()) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            message = f"{type(error).__name__}: {error}"[:300]
            raise RetryableError(message, Trouble.SERVER, partial=reply.partial()) from error
        return reply.completion()

    async def _stream(self, response: aiohttp.ClientResponse, reply: Reply) -> None:
        try:
            await self._read(response, reply)
        except asyncio.CancelledError:
            # The job stops. An answer that lies here whole, unread because we were resting, is paid for: it counts.
            if not _read_whole(response, reply):
                raise
        # A loop that was cut short ends with its connection; a finished stream gives it back.
        if reply.looped:
            response.close()

    async def _read(self, response: aiohttp.ClientResponse, reply: Reply) -> None:
        reads, began = 0, time.monotonic()
        while chunk := await response.content.readany():
            reply.feed(chunk)
            if reply.ended:
                return
            reads += 1
            if reads > READS_AT_ONCE:
                least, most = REST_SECONDS
                await asyncio.sleep(min(most, max(least, REST_SHARE * (time.monotonic() - began))))
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
            return UsageError(f"{endpoint.base} answered HTTP {status}: {said}", do=_advice(status))
        return RetryableError(f"HTTP {status}: {said}", Trouble.SERVER, retry_after=wait)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
            if self._key:
                headers["Authorization"] = f"Bearer {self._key}"
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60),
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=CONNECT_SECONDS, sock_read=self.gap_seconds
                ),
                headers=headers,
                read_bufsize=2**18,
            )
        return self._session

    def _priced(self, completion: Completion) -> Completion:
        prices = self.preset.prices
        if prices is None:
            return completion
        usd = prices.cost(completion.prompt_tokens or 0, completion.completion_tokens or 0)
        return replace(completion, usd=usd)


def _read_whole(response: aiohttp.ClientResponse, reply: Reply) -> bool:
    """Take what has arrived of a stream; whether that completes the answer."""
    with suppress(aiohttp.ClientError, OSError, ValueError, RuntimeError):
        reply.feed(response.content.read_nowait())
        if not reply.ended and response.content.at_eof():
            reply.close()
    return reply.ended


def _reason(error: Exception) -> str:
    return str(getattr(error, "os_error", None) or error or type(error).__name__)[:200]


def _message(text: str) -> str:
    """The server's own words, on one line. Never longer than 200 characters."""
    try:
        error = json.loads(text).get("error", text)
        text = error.get("message", str(error)) if isinstance(error, dict) else str(error)
    except (ValueError, AttributeError):
        pass
    return " ".join(text.split())[:200] or "no message"


def _advice(status: int) -> str:
    if status in (401, 403):
        return "check the key in the environment variable (--api-key-env)"
    if status == 402:
        return "top the account up"
    if status == 404:
        return "check --base-url and --model"
    return "check --model, --max-tokens and the sampling parameters"
