"""One reply, streamed or whole, put together into a completion."""

from __future__ import annotations

import email.utils
import json
import time
from collections.abc import Mapping
from typing import Any

import orjson

from factory.sampling.continuation import join
from factory.sampling.loops import LoopDetector
from factory.sampling.sampler import Completion, Message
from factory.sampling.split import Parts, split_response, status_of
from factory.sampling.sse import EventBytes
from schemas import ResponseStatus


class Reply:
    """Collects deltas, usage and the finish reason of one response.

    Repeated chunks (same id and same index of the choice's delta, sent twice by some gateways) are not told apart
    from honest repetition, except for repeats of the finishing chunk, which are ignored.
    """

    def __init__(
        self,
        *,
        prefilled: bool = False,
        stop_loops: bool = True,
        turn: Message | None = None,
        parsed: bool = False,
    ) -> None:
        """`turn` is the beginning that the server was asked to go on with; the completion's text includes it.

        `parsed`: that beginning came with its reasoning in a field of its own.
        """
        self.prefilled, self.turn, self.parsed = prefilled, turn, parsed
        self.ended = False
        self.looped = False
        self._events = EventBytes()
        self._reasoning: list[str] = []
        self._content: list[str] = []
        self._fresh: list[str] = []
        self._refusal = ""
        self._finish: str | None = None
        self._usage: Mapping[str, Any] = {}
        self._model: str | None = None
        self._chunks = 0
        self._detector = LoopDetector() if stop_loops else None

    def feed(self, chunk: bytes) -> None:
        """Take bytes of an event stream.

        Raises:
            ValueError: an event is not JSON, or carries an error.
        """
        for payload in self._events.feed(chunk):
            if payload == b"[DONE]":
                self.ended = True
                self._fresh.clear()
                return
            self._event(_loads(payload))
        if self._fresh:
            # Once for every network read and not for every token.
            text = "".join(self._fresh)
            self._fresh.clear()
            if self._detector is not None and self._detector.feed(text):
                self.looped = self.ended = True

    def close(self) -> None:
        """The stream ended without `[DONE]`.

        Raises:
            ValueError: nothing said that the answer was finished, so the stream broke.
        """
        if self._finish is None:
            raise ValueError("stream ended before its finish_reason")
        self.ended = True

    def whole(self, body: bytes) -> None:
        """Take a reply that was not streamed.

        Raises:
            ValueError: it is not a chat completion.
        """
        data = _loads(body)
        choices = data.get("choices")
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            raise ValueError(f"no choices in the reply{_said(data)}")
        self._event({**data, "choices": [{**choices[0], "delta": choices[0].get("message") or {}}]})
        self._finish = self._finish or "stop"
        self.ended = True

    def completion(self) -> Completion:
        """What the reply came to.

        Raises:
            ValueError: it ended without any choice.
        """
        if self._finish is None and not self.looped and not self._content and not self._reasoning:
            raise ValueError("empty choices")
        parts = self._parts("".join(self._reasoning), "".join(self._content))
        status = status_of(parts, self._finish, refused=bool(self._refusal))
        if self.looped:
            status = ResponseStatus.LOOPED
        details = self._usage.get("completion_tokens_details") or {}
        return Completion(
            reasoning=parts.reasoning,
            content=parts.content or self._refusal or None,
            status=status,
            finish_reason=self._finish,
            prompt_tokens=_count(self._usage.get("prompt_tokens")),
            completion_tokens=_count(self._usage.get("completion_tokens")) or self._estimate(),
            reasoning_tokens=_count(details.get("reasoning_tokens")) if isinstance(details, dict) else None,
            served_model=self._model,
            parsed=self.parsed or bool(self._reasoning),
        )

    def partial(self) -> Completion | None:
        """What had arrived when the reply broke; None when nothing had."""
        if not self._reasoning and not self._content:
            return None
        return self.completion()

    def _parts(self, reasoning: str, text: str) -> Parts:
        if self.turn is not None:
            return join(self.turn, reasoning, text, parsed=self.parsed)
        return split_response(reasoning, text, prefilled=self.prefilled and not reasoning)

    def _estimate(self) -> int | None:
        """Tokens of a reply without usage: its chunks, or a quarter of its characters when chunks hold several."""
        characters = sum(map(len, self._reasoning)) + sum(map(len, self._content))
        return (self._chunks if characters < 12 * self._chunks else characters // 4) or None

    def _event(self, data: Mapping[str, Any]) -> None:
        if data.get("error"):
            raise ValueError(f"error inside the stream{_said(data)}")
        if isinstance(usage := data.get("usage"), dict):
            self._usage = usage
        choices = data.get("choices")
        if not choices:
            return
        choice = choices[0]
        if self._model is None and isinstance(data.get("model"), str):
            self._model = data["model"]
        if self._finish is not None:
            return
        delta = choice.get("delta")
        if delta:
            self._delta(delta)
        if choice.get("finish_reason"):
            self._finish = str(choice["finish_reason"])

    def _delta(self, delta: Mapping[str, Any]) -> None:
        reasoning = delta.get("reasoning_content") or delta.get("reasoning")
        content = delta.get("content")
        if reasoning and isinstance(reasoning, str):
            self._reasoning.append(reasoning)
            self._fresh.append(reasoning)
            self._chunks += 1
        if content and isinstance(content, str):
            self._content.append(content)
            self._fresh.append(content)
            self._chunks += 1
        if "refusal" in delta and isinstance(delta["refusal"], str):
            self._refusal += delta["refusal"]


def _loads(payload: bytes) -> dict[str, Any]:
    try:
        data = orjson.loads(payload)
    except orjson.JSONDecodeError:
        # orjson refuses lone surrogates, which some servers send; they become replacement characters.
        data = _clean(json.loads(payload))
    if not isinstance(data, dict):
        raise ValueError("an event that is not a JSON object")
    return data


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _clean(item) for key, item in value.items()}
    return value


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and 0 <= value < 2**31 else None


def _said(data: Mapping[str, Any]) -> str:
    error = data.get("error")
    if not error:
        return ""
    text = error.get("message", error) if isinstance(error, dict) else error
    return f": {' '.join(str(text).split())[:200]}"


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Seconds that the server asks to wait: `Retry-After-Ms`, `Retry-After` as seconds or as a date.

    A date is read against the server's own `Date` header, so a skewed clock on either side does no harm (RFC 9110
    sections 10.2.3 and 6.6.1).
    """
    try:
        if "Retry-After-Ms" in headers:
            return max(0.0, float(headers["Retry-After-Ms"]) / 1000)
        value = headers.get("Retry-After")
        if value is None:
            return None
        try:
            return max(0.0, float(value))
        except ValueError:
            until = email.utils.parsedate_to_datetime(value).timestamp()
            date = headers.get("Date")
            there = (
                email.utils.parsedate_to_datetime(date).timestamp()
                if date
                else (time.time() if now is None else now)
            )
            return max(0.0, until - there)
    except (ValueError, TypeError, OverflowError):
        return None
