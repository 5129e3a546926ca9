"""One reply, streamed or whole, put together into a completion. Nothing in it is trusted to have the right shape."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from factory.redaction import printable, told
from factory.sampling.finish import Finish, LoopDetector, kind_of, status_of
from factory.sampling.sampler import Completion, Message
from factory.sampling.truncation import join
from factory.sampling.usage import Counted, Usage, booked
from factory.text.reasoning import Parts, split_response
from schemas import ResponseStatus

REASONING_FIELDS = ("reasoning_content", "reasoning", "reasoning_text", "thinking", "thought")
"""Fields of a delta in which servers send reasoning; the first that holds text counts."""
SURELY_LESS = 0.75
"""A usage below this share of the words that arrived is an alarm; the words are booked in any case."""
_STREAM = (b"data:", b":", b"event:", b"id:", b"retry:")


class EventBytes:
    """Cuts a byte stream into server-sent events: (name of the event, data).

    Works on bytes, so characters that are split over network chunks come together again. An event may have its JSON on
    one line, without a blank line after it, or on several `data:` lines. A line is at most `longest` bytes.
    """

    def __init__(self, longest: int = 64 * 2**20) -> None:
        self.longest = longest
        self._rest = b""
        self._name = b""
        self._lines: list[bytes] = []

    def feed(self, chunk: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Events that are complete after this chunk.

        Raises:
            ValueError: a line is longer than `longest`.
        """
        if self._rest:
            chunk = self._rest + chunk
        *lines, rest = chunk.split(b"\n")
        if len(rest) > self.longest:
            raise ValueError(f"an event longer than {self.longest:,} bytes")
        self._rest = rest
        for line in lines:
            if line.startswith(b"data:"):
                payload = line[5:].strip()
                if not self._lines and (payload.endswith(b"}") or payload == b"[DONE]"):
                    yield self._name, payload
                    self._name = b""
                elif payload:
                    self._lines.append(payload)
            elif line.startswith(b"event:"):
                self._name = line[6:].strip()
            elif not line.strip():
                yield from self.end()

    def end(self) -> Iterator[tuple[bytes, bytes]]:
        """The event that ends here, if there is one."""
        if self._lines:
            yield self._name, b"\n".join(self._lines)
        self._lines, self._name = [], b""


class Reply:
    """Collects the text, usage and finish reason of one response from the bytes of an HTTP body.

    The body decides whether it is an event stream or one JSON object, whatever its content type says.
    """

    def __init__(
        self,
        *,
        prefilled: bool = False,
        stop_loops: bool = True,
        turn: Message | None = None,
        parsed: bool = False,
        max_tokens: int | None = None,
    ) -> None:
        """Start a reply.

        Args:
            prefilled: the prompt already opened the reasoning.
            stop_loops: end a reply that repeats itself.
            turn: the beginning that the server was asked to go on with; the completion's text includes it.
            parsed: that beginning came with its reasoning in a field of its own.
            max_tokens: tokens that were asked for; a reply that certainly holds more is ended there.
        """
        self.prefilled, self.turn, self.parsed, self.max_tokens = prefilled, turn, parsed, max_tokens
        self.ended = self.looped = self.overrun = False
        self.counted, self.usage = Counted(), Usage()
        self._events = EventBytes()
        self._body: list[bytes] | None = None
        self._head = b""
        self._streams = False
        self._reasoning: list[str] = []
        self._content: list[str] = []
        self._fresh: list[str] = []
        self._refusal = ""
        self._finish: str | None = None
        self._last: Mapping[str, Any] | None = None
        self._model: str | None = None
        self._detector = LoopDetector() if stop_loops else None

    @property
    def progress(self) -> int:
        """Tokens that have arrived, roughly: what tells a slow reply from one that stands still."""
        return max(self.counted.pieces, self.counted.characters // 4)

    @property
    def finished(self) -> bool:
        """Whether the server said how the answer ended."""
        return self._finish is not None

    def feed(self, chunk: bytes) -> None:
        """Take bytes of the body.

        Raises:
            ValueError: an event is not JSON, or carries an error.
        """
        if not self._streams:
            if self._body is None:
                self._head += chunk
                start = self._head.lstrip(b"\xef\xbb\xbf \t\r\n")
                if not start or any(mark.startswith(start) for mark in _STREAM):
                    return
                chunk, self._head = start, b""
                if not start.startswith(_STREAM):
                    self._body = []
            if self._body is not None:
                self._body.append(chunk)
                return
            self._streams = True
        for name, payload in self._events.feed(chunk):
            self._take(name, payload)
            if self.ended:
                break
        self._look()

    def count_on(self, chunk: bytes) -> None:
        """Count what had been sent after the reply was cut off; its text is not kept."""
        kept = len(self._reasoning), len(self._content)
        for _, payload in self._events.feed(chunk):
            if payload == b"[DONE]":
                break
            self._event(_loads(payload))
        self._look()
        del self._reasoning[kept[0] :], self._content[kept[1] :]

    def close(self) -> None:
        """The body ended.

        Raises:
            ValueError: nothing said that the answer was finished, so the stream broke; or it is no chat completion.
        """
        if self._body is not None:
            self._whole(_loads(b"".join(self._body)))
            return
        for name, payload in self._events.end():
            self._take(name, payload)
        self._look()
        if not self.ended and self._finish is None:
            raise ValueError(
                "the stream ended before its finish_reason" if self._streams else "an empty reply"
            )
        self.ended = True

    def whole(self, body: bytes) -> None:
        """Take a reply that is one JSON object.

        Raises:
            ValueError: it is not a chat completion.
        """
        self._whole(_loads(body))

    def completion(self) -> Completion:
        """What the reply came to.

        Raises:
            ValueError: it ended without any choice.
        """
        if self._finish is None and not self.looped and not self._content and not self._reasoning:
            raise ValueError("a reply without text and without a finish_reason")
        return self._completion()

    def partial(self) -> Completion | None:
        """What had arrived when the reply broke; None when nothing had."""
        return self._completion() if self._reasoning or self._content else None

    def _completion(self) -> Completion:
        parts = self._parts("".join(self._reasoning), "".join(self._content))
        finish = Finish.LENGTH.value if self.overrun else self._finish
        status = status_of(parts, finish, refused=bool(self._refusal))
        if self.looped:
            status = ResponseStatus.LOOPED
        said = self.usage.number("completion_tokens", self.counted.pieces)
        return Completion(
            reasoning=parts.reasoning,
            content=parts.content or self._refusal or None,
            status=status,
            finish_reason=finish,
            prompt_tokens=self.usage.number("prompt_tokens"),
            completion_tokens=booked(said, self.counted),
            reasoning_tokens=self.usage.reasoning(),
            served_model=self._model,
            parsed=self.parsed or bool(self._reasoning),
            doubt=self._doubt(said),
        )

    def _doubt(self, said: int | None) -> str | None:
        """What is wrong with the reply's figures or its end, as an alarm counts it."""
        if self.overrun:
            return "went beyond max_tokens and was cut off"
        if kind_of(self._finish) == Finish.UNKNOWN:
            return f"ended with the unknown finish_reason {printable(self._finish or '')[:40]!r}, taken as truncated"
        if self.usage.strange() or (said == 0 and self.counted.least):
            return "has a usage that cannot be true; the tokens that arrived are booked"
        if said is not None and said < SURELY_LESS * self.counted.least - 8:
            return "has a usage below the words that arrived; the words are booked"
        if said is not None and self.max_tokens is not None and said > self.max_tokens:
            return "has a usage above max_tokens; it is booked as said"
        return None

    def _parts(self, reasoning: str, text: str) -> Parts:
        if self.turn is not None:
            return join(self.turn, reasoning, text, parsed=self.parsed)
        return split_response(reasoning, text, prefilled=self.prefilled and not reasoning)

    def _take(self, name: bytes, payload: bytes) -> None:
        if payload == b"[DONE]":
            self.ended = True
        else:
            data = _loads(payload)
            if name == b"error":
                raise ValueError(f"error inside the stream{_said(data)}")
            self._event(data)

    def _look(self) -> None:
        """Look at what is new once for every network read, and not for every token."""
        if not self._fresh:
            return
        text = "".join(self._fresh)
        self._fresh.clear()
        self.counted.add(text)
        if self.max_tokens is not None and self.counted.least > self.max_tokens:
            self.overrun = self.ended = True
        elif self._detector is not None and not self.ended and self._detector.feed(text):
            self.looped = self.ended = True

    def _whole(self, data: Mapping[str, Any]) -> None:
        _check(data)
        choice = _first(data.get("choices"))
        if choice is None or not isinstance(choice.get("message"), Mapping):
            raise ValueError(f"no choice with a message in the reply{_said(data)}")
        self._event(data)
        self._look()
        self.overrun = False
        self.ended = True

    def _event(self, data: Mapping[str, Any]) -> None:
        _check(data)
        self.usage.add(data.get("usage"))
        choice = _first(data.get("choices"))
        if choice is None:
            return
        _check(choice)
        if self._model is None and isinstance(data.get("model"), str):
            self._model = printable(data["model"])[:200]
        delta = choice.get("delta")
        if not delta and not self._content and not self._reasoning:
            # Replies that are not streamed, and servers that send all again in their last event.
            delta = choice.get("message")
        # Some gateways send the finishing event twice.
        if isinstance(delta, Mapping) and not (self._finish is not None and choice == self._last):
            self._delta(delta)
        if choice.get("finish_reason"):
            self._finish, self._last = printable(str(choice["finish_reason"]))[:100], choice

    def _delta(self, delta: Mapping[str, Any]) -> None:
        reasoning = next((text for name in REASONING_FIELDS if (text := _text(delta.get(name)))), "")
        if not reasoning and isinstance(details := delta.get("reasoning_details"), list):
            reasoning = "".join(_text(part.get("text")) for part in details if isinstance(part, Mapping))
        content = delta.get("content")
        thought, said = _parts_of(content) if isinstance(content, list) else ("", _text(content))
        for text, pieces in ((reasoning + thought, self._reasoning), (said, self._content)):
            if text:
                pieces.append(text)
                self._fresh.append(text)
                self.counted.pieces += 1
        self._refusal += _text(delta.get("refusal"))


def _parts_of(content: list[Any]) -> tuple[str, str]:
    """Reasoning and text of content that comes as parts (Mistral; OpenAI's and Anthropic's types)."""
    thought: list[str] = []
    said: list[str] = []
    for part in content:
        if isinstance(part, str):
            said.append(part)
        elif isinstance(part, Mapping):
            kind = str(part.get("type"))
            inner = next(
                (part[name] for name in ("text", "thinking", "reasoning", "content") if part.get(name)), ""
            )
            text = "".join(_parts_of(inner)) if isinstance(inner, list) else _text(inner)
            (thought if "think" in kind or "reasoning" in kind else said).append(text)
    return "".join(thought), "".join(said)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _first(choices: Any) -> Mapping[str, Any] | None:
    """The first choice; others, which nobody asked for, are left out."""
    if not isinstance(choices, list):
        return None
    return next(
        (each for each in choices if isinstance(each, Mapping) and each.get("index") in (0, None)), None
    )


def _check(data: Mapping[str, Any]) -> None:
    """Refuse an event or choice that carries an error, in any of the shapes in which servers send one."""
    told = data.get("detail") or data.get("message")
    if data.get("error") or data.get("object") == "error" or data.get("type") == "error":
        raise ValueError(f"error inside the reply{_said(data)}")
    if "choices" not in data and "delta" not in data and isinstance(told, str | list):
        raise ValueError(f"error inside the reply{_said(data)}")


def _loads(payload: bytes) -> dict[str, Any]:
    try:
        data = orjson.loads(payload)
    except orjson.JSONDecodeError:
        # orjson refuses lone surrogates, which some servers send; they become replacement characters.
        try:
            data = _clean(json.loads(payload))
        except RecursionError:
            raise ValueError("JSON nested too deeply") from None
        except ValueError:
            raise ValueError(f"not JSON: {told(payload[:200].decode('utf-8', 'replace'), 80)}") from None
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


def _said(data: Mapping[str, Any]) -> str:
    """The server's own words."""
    error = data.get("error") or data.get("detail") or data.get("message")
    if not error:
        return ""
    text = error.get("message", error) if isinstance(error, Mapping) else error
    return f": {told(str(text))}"
