"""OpenAI-compatible chat completions, streamed over aiohttp and read with orjson.

The `openai` client spends about twenty times the CPU on a streamed chunk; it is used for batches and files only. Every
request ends: there are bounds on the time without tokens, on tokens and on bytes, compressed or not. An attempt that the
server ends is booked at what arrived. One that we end (stalled, looping, too long, stopped) is booked at its whole
reservation: not every provider stops when the connection is closed (OpenRouter's page on streaming names those behind it
that generate, and bill, to the end).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp
import orjson
from yarl import URL

from factory.errors import FactoryError, UsageError
from factory.redaction import hide, secrets_of, told, without
from factory.sampling.presets import Preset
from factory.sampling.response_parser import Reply
from factory.sampling.retry import (
    Abandoned,
    Endpoint,
    Endpoints,
    RefusedError,
    RetryableError,
    Trouble,
    retry_after,
)
from factory.sampling.sampler import Completion, SampleRequest, sample_seed
from factory.sampling.stream import READ_BYTES, BeyondBoundsError, read_stream
from factory.sampling.truncation import Continues, begun, beta, on_the_wire
from factory.sampling.usage import booked, prompt_tokens
from schemas import ResponseStatus

GAP_SECONDS = 300.0
"""Longest silence inside a stream. A total time-out would cut the longest chains, which are the wanted ones."""
CONNECT_SECONDS = 30.0
REDIRECTS = 2
ECHOES = ("reasoning", "content", "served_model", "finish_reason", "error", "doubt")
"""Texts of a completion that a server decides."""
FATAL = {400, 401, 402, 403, 404, 405, 413, 422}
ONE_REQUEST = {400, 403, 413, 422}
"""Refusals that may be for this request only: too long, or moderated."""


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
    ) -> None:
        """Nothing is opened before the first request.

        Args:
            preset: dialect and prices.
            model: model id that is asked for.
            urls: base URLs (`.../v1`), each optionally followed by `=WEIGHT`.
            key: bearer token.
            gap_seconds: longest silence inside a stream.
            stop_loops: abort a stream that repeats itself.
        """
        self.preset, self.name, self.model, self.revision = preset, preset.name, model, None
        self.endpoints = Endpoints(urls)
        self.gap_seconds, self.stop_loops = gap_seconds, stop_loops
        self._key = key
        self._secrets = [key] if key else []
        for endpoint in self.endpoints.all:
            self._secrets += secrets_of(endpoint.base)
        for secret in self._secrets:
            hide(secret)
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
        """A completion with its prompt counted, its price, and without keys and passwords, should the server echo them.

        `share` of the price is charged.
        """
        counted = prompt_tokens(request.messages)
        prompt = booked(completion.prompt_tokens, counted)
        prices = self.preset.prices
        usd = share * prices.cost(prompt or 0, completion.completion_tokens or 0) if prices else None
        completion = replace(completion, prompt_tokens=prompt, usd=usd)
        texts = {name: getattr(completion, name) for name in ECHOES}
        hidden: dict[str, Any] = {name: without(text, self._secrets) for name, text in texts.items() if text}
        if any(hidden[name] != texts[name] for name in hidden):
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

        def arrived(at_least: int = 0) -> Completion | None:
            """What a broken attempt cost: nothing before the server took it up, then the prompt and what came."""
            if not taken_up:
                return None
            came = reply.partial() or Completion(None, None, ResponseStatus.FAILED)
            tokens = max(came.completion_tokens or 0, at_least)
            return self.costed(replace(came, completion_tokens=tokens), request)

        try:
            async with self._post(url, orjson.dumps(body)) as response:
                if response.status != 200:
                    raise await self._refusal(endpoint, response)
                taken_up = True
                if started is not None:
                    started()
                await read_stream(response, reply, most, self.gap_seconds)
            return self._with_unseen(self.costed(reply.completion(), request), reply, most)
        except (RetryableError, FactoryError):
            raise
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError) as error:
            raise RetryableError(
                f"cannot reach {endpoint.base} ({_reason(error)})", Trouble.UNREACHABLE
            ) from error
        except TimeoutError as error:
            message = f"no progress for {self.gap_seconds:g} s"
            raise RetryableError(message, Trouble.STALLED, partial=arrived(most)) from error
        except asyncio.CancelledError:
            if (partial := arrived(0 if reply.finished else most)) is not None:
                raise Abandoned(partial) from None
            raise
        except BeyondBoundsError as error:
            raise RetryableError(str(error), Trouble.SERVER, partial=arrived(most)) from error
        except Exception as error:  # whatever a server sends, it costs one attempt and not the job
            message = f"{type(error).__name__}: {error}" if not isinstance(error, ValueError) else str(error)
            raise RetryableError(message, Trouble.SERVER, partial=arrived()) from error

    def _with_unseen(self, completion: Completion, reply: Reply, most: int) -> Completion:
        """With what the server may have generated, and bill, though we cut it off.

        That is the rest of the reservation; once more the whole of it where the server went beyond `max_tokens`.
        """
        if not (reply.looped or reply.overrun):
            return completion
        counted = completion.completion_tokens or 0
        tokens = most - counted if counted < most else most
        usd = self.preset.prices.cost(0, tokens) if self.preset.prices else None
        unseen = Completion(
            None, None, ResponseStatus.FAILED, prompt_tokens=0, completion_tokens=tokens, usd=usd
        )
        return replace(completion, unseen=unseen)

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
                read_bufsize=READ_BYTES,
                auto_decompress=False,
            )
        return self._session


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
