"""A loopback server with one behaviour per model name: recorded, streaming and lying. Counts what it delivered.

`delivered[name]` is (requests, tokens of prompts, tokens of answers): a word of a prompt and a word of an answer are a
token each, counted when they are handed to the socket of a client that is still there.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import threading

KEY = "lying-key-0123456789"
THOUGHT, ANSWER = "First add two and two. That is four.", "The sum is \\boxed{4}."


def chunk(delta=None, finish=None, **extra) -> dict:
    return {"model": "m", "choices": [{"index": 0, "delta": delta or {}, "finish_reason": finish}], **extra}


def good(finish="stop", usage=None, thought=THOUGHT, answer=ANSWER, field="reasoning_content") -> list:
    """The events of an ordinary answer."""
    usage = {"prompt_tokens": 5, "completion_tokens": 30} if usage is None else usage
    events = [chunk({field: word + " "}) for word in thought.split()] if thought else []
    events += [chunk({"content": word + " "}) for word in answer.split()]
    return [*events, chunk({}, finish), {"choices": [], "usage": usage}, "[DONE]"]


def words(count: int) -> list:
    return [chunk({"content": f"w{i} "}) for i in range(count)]


class Endless:
    """Events without end, `pause` seconds apart."""

    def __init__(self, event, pause: float = 0.0) -> None:
        self.event, self.pause = event, pause


BROKEN, HANG = object(), object()
"""The connection is cut here; nothing more comes."""
ODD = {
    "only_done": ["[DONE]"],
    "choices_dict": [chunk({"content": "a b"}), {"choices": {"a": 1}}, "[DONE]"],
    "choices_string": [{"choices": ["hi"]}, "[DONE]"],
    "choices_null": [{"choices": [None]}, "[DONE]"],
    "delta_string": [{"choices": [{"delta": "hi"}]}, "[DONE]"],
    "delta_list": [{"choices": [{"delta": ["hi"]}]}, "[DONE]"],
    "event_list": [[1, 2]],
    "event_number": [7],
    "deep_json": ["[" * 100_000],
    "half_json": ['{"choices": [{"delta": '],
    "error_event": [*good()[:4], {"error": {"message": "engine died"}}],
    "error_object": [{"object": "error", "message": "boom", "code": 500}],
    "detail": [{"detail": "backend gone"}],
    "nothing": [],
    "cut": [*good()[:6], BROKEN],
    "cut_at_once": [BROKEN],
    "no_finish": good()[:8],
}
ENDS = {f"finish_{word}": good(word) for word in (
    "length", "max_tokens", "MAX_TOKENS", "model_length", "content_filter", "SAFETY", "recitation", "error", "abort",
    "timeout", "network_error", "cancelled", "tool_calls", "function_call", "pause_turn", "no_such_reason",
    "FINISH_REASON_MAX_TOKENS", "insufficient_system_resource",
)}  # fmt: skip
USAGES = {
    "usage_missing": good(usage={}),
    "usage_zero": good(usage={"prompt_tokens": 0, "completion_tokens": 0}),
    "usage_one": good(usage={"prompt_tokens": 1, "completion_tokens": 1}),
    "usage_negative": good(usage={"prompt_tokens": -5, "completion_tokens": -7}),
    "usage_huge": good(usage={"prompt_tokens": 2**40, "completion_tokens": 2_000_000_000_000}),
    "usage_strings": good(usage={"prompt_tokens": "many", "completion_tokens": "few"}),
    "usage_booleans": good(usage={"prompt_tokens": True, "completion_tokens": True}),
    "usage_null": good(usage={"prompt_tokens": None, "completion_tokens": None}),
    "usage_list": good(usage=[1, 2]),
    "usage_per_chunk": [{**e, "usage": {"prompt_tokens": 5, "completion_tokens": 1}} for e in good()[:12]]
    + good()[12:-2]
    + ["[DONE]"],
    "usage_float": good(usage={"prompt_tokens": 5.0, "completion_tokens": 30.0}),
}
WELL = {
    "well": good(),
    "field_reasoning": good(field="reasoning"),
    "field_thinking": good(field="thinking"),
    "inline_think": good(thought="", answer=f"<think>{THOUGHT}</think> {ANSWER}"),
    "inline_seed": good(thought="", answer=f"<seed:think>{THOUGHT}</seed:think> {ANSWER}"),
    "harmony_stripped": good(thought="", answer=f"analysis{THOUGHT}assistantfinal{ANSWER}"),
    "end_turn": good("end_turn"),
    "double_finish": [*good()[:-2], chunk({}, "stop"), *good()[-2:]],
    "surrogate": [chunk({"content": "\ud83d x "}), *good()],
}
LIES = {
    "beyond_max_tokens": [*words(3_000), *good()[-3:]],
    "endless": [Endless(chunk({"content": "w "}))],
    "endless_slow": [Endless(chunk({"content": "w "}), 0.001)],
    "keep_alive": [Endless(None, 0.05)],
    "one_byte": [Endless("b", 0.05)],
    "stalls": [*good()[:6], HANG],
    "silent": [HANG],
}
HTTP = {
    "echo_500": (500, {"error": {"message": f"bad header Authorization: Bearer {KEY}"}}),
    "escape_500": (500, {"error": {"message": "\x1b]0;owned\x07\x1b[2J\u202e [/b]"}}),
    "html_200": (200, "<html>Bad gateway</html>"),
    "deep_500": (500, "[" * 50_000),
    "bad_400": (400, {"error": {"message": f"too long, key {KEY}"}}),
    "redirect_307": (307, ""),
    "redirect_302": (302, ""),
    "gzip_bomb": (200, gzip.compress(b" " * 200_000_000)),
    "brotli": (200, b"xx"),
    "body_200_mb": (200, None),
}
BEHAVIOURS = {**WELL, **ENDS, **USAGES, **ODD, **LIES, **HTTP}


class LyingServer:
    """Serves in a thread of its own until `stop`."""

    def __init__(self) -> None:
        self.delivered: dict[str, list[int]] = {name: [0, 0, 0] for name in BEHAVIOURS}
        self.elsewhere = 0
        self.loop = asyncio.new_event_loop()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(ready,), daemon=True)
        self._thread.start()
        ready.wait(10)
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def _serve(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(asyncio.start_server(self._client, "127.0.0.1", 0))
        other = self.loop.run_until_complete(asyncio.start_server(self._other, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self.other = other.sockets[0].getsockname()[1]
        ready.set()
        self.loop.run_forever()

    def stop(self) -> None:
        def cancel() -> None:
            for task in asyncio.all_tasks(self.loop):
                task.cancel()
            self.loop.call_later(0.2, self.loop.stop)

        self.loop.call_soon_threadsafe(cancel)
        self._thread.join(5)

    async def _other(self, reader, writer) -> None:
        self.elsewhere += 1
        writer.close()

    async def _client(self, reader, writer) -> None:
        # What lies in our own buffer is not delivered: `drain` ends when the socket has taken all.
        writer.transport.set_write_buffer_limits(high=0)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin1")
                length = next(
                    (
                        int(line.split(":")[1])
                        for line in head.splitlines()
                        if line.lower().startswith("content-length")
                    ),
                    0,
                )
                await self._answer(json.loads(await reader.readexactly(length)), writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _answer(self, request: dict, writer) -> None:
        name = request["model"]
        count = self.delivered[name]
        count[0] += 1
        what = BEHAVIOURS[name]
        if isinstance(what, tuple):
            await self._plain(name, *what, writer)
            return
        count[1] += sum(len(m["content"].split()) for m in request["messages"])
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
        for event in what:
            if event is HANG:
                await asyncio.sleep(3600)
            if event is BROKEN:
                writer.transport.abort()
                raise ConnectionError
            repeat = isinstance(event, Endless)
            while True:
                await self._send(event.event if repeat else event, writer, count)
                if not repeat:
                    break
                await asyncio.sleep(event.pause)
        writer.close()
        raise ConnectionError

    async def _send(self, event, writer, count: list[int]) -> None:
        if writer.is_closing():
            raise ConnectionError
        data = f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n".encode()
        writer.write(b": PROCESSING\n\n" if event is None else b"x" if event == "b" else data)
        await writer.drain()
        if isinstance(event, dict) and isinstance(event.get("choices"), list):
            for choice in event["choices"]:
                delta = choice.get("delta") if isinstance(choice, dict) else None
                texts = delta.values() if isinstance(delta, dict) else ()
                count[2] += sum(len(text.split()) for text in texts if isinstance(text, str))

    async def _plain(self, name: str, status: int, body, writer) -> None:
        more = ""
        if name.startswith("redirect"):
            more = f"Location: http://localhost:{self.other}/v1/chat/completions\r\n"
        more += {"gzip_bomb": "Content-Encoding: gzip\r\n", "brotli": "Content-Encoding: br\r\n"}.get(
            name, ""
        )
        data = (
            body
            if isinstance(body, bytes)
            else body.encode()
            if isinstance(body, str)
            else json.dumps(body).encode()
        )
        size = 200_000_000 if body is None else len(data)
        writer.write(
            f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{more}Content-Length: {size}\r\n\r\n".encode()
        )
        if body is not None:
            writer.write(data)
        while body is None and not writer.is_closing():
            writer.write(b'{"choices": ' + b" " * 100_000)
            await writer.drain()
        await writer.drain()
