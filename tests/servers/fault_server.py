"""An OpenAI-compatible server on loopback that fails on purpose and counts what it completed.

Run as a program: `python fault_server.py '{"faults": {"429": 0.1}}'` prints its port on the first line and serves until
it is killed. Written on bare asyncio protocols, so that it costs less than any client that is measured against it, and
so that it can break HTTP in ways that a web framework would not allow.

Settings (all optional):
    style       reasoning_content | reasoning | inline | no_open | none | refusal
    tokens      completion tokens a response, or [least, most]
    chunk       tokens in one streamed chunk
    rate        tokens a second of one stream; None is at once
    tick        seconds that a stream may run ahead of its rate: wakes the server up less often
    latency     seconds before the first byte
    faults      name -> probability; names are in `state.FAULTS`
    per_request most faults that one request (prompt and seed) suffers, so that jobs end
    capacity    requests at once; more are refused with 429
    key         bearer token that is required
    text        content to answer with, instead of a boxed number
    replies     part of a prompt -> [[reasoning, content], ...]; the seed chooses one of them
    finish      finish_reason
    model       served model name
    usage       false leaves the usage out
    loop        the reasoning repeats itself
    chain       words of a chain that is cut at max_tokens, and gone on with when asked as vLLM or DeepSeek want it
    seed        of the faults

GET /stats gives counts; GET /log the identities in the order of their completion; GET /times when requests came, in
seconds, with their completion tokens; POST /settings changes settings.
"""

from __future__ import annotations

import asyncio
import email.utils
import json
import sys
import time

from answers import answer, identity_of, stretch, usage, whole
from batches import answer_batch
from state import Server


class Connection(asyncio.Protocol):
    def __init__(self, server: Server) -> None:
        self.server = server
        self.buffer = b""
        self.pending: list[bytes] = []
        self.task: asyncio.Task | None = None
        self.resume = asyncio.Event()
        self.resume.set()

    def connection_made(self, transport) -> None:
        self.transport = transport

    def pause_writing(self) -> None:
        self.resume.clear()

    def resume_writing(self) -> None:
        self.resume.set()

    def connection_lost(self, error) -> None:
        self.resume.set()
        if self.task is not None and not self.task.done():
            self.task.cancel()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return
        lines = head.split(b"\r\n")
        headers = dict(line.lower().split(b": ", 1) for line in lines[1:] if b": " in line)
        length = int(headers.get(b"content-length", 0))
        if len(rest) < length:
            return
        self.buffer = rest[length:]
        method, path, _ = lines[0].split(b" ")
        self.task = asyncio.get_running_loop().create_task(
            self.handle(method.decode(), path.decode(), headers, rest[:length])
        )
        if headers.get(b"connection") == b"close":
            self.task.add_done_callback(lambda _: self.transport.close())

    async def handle(self, method: str, path: str, headers: dict, body: bytes) -> None:
        server = self.server
        path = path.partition("?")[0]
        if path == "/stats":
            return self.reply(200, server.stats())
        if path == "/log":
            return self.reply(200, server.completed)
        if path == "/ends":
            # When each answer was done, and when clients left before theirs was.
            return self.reply(
                200,
                {"answers": [*zip(server.completed, server.ends, strict=True)], "hang_ups": server.hang_ups},
            )
        if path == "/times":
            return self.reply(200, server.times)
        if path == "/asked":
            return self.reply(200, server.asked)
        if path == "/settings":
            server.set(json.loads(body))
            return self.reply(200, {})
        if path.endswith("/models"):
            return self.reply(200, {"object": "list", "data": [{"id": server.settings["model"]}]})
        if "/files" in path or "/batches" in path:
            return answer_batch(self, method, path, headers, body)
        if not path.endswith("/chat/completions"):
            return self.reply(404, {"error": {"message": f"no such path {path}"}})
        key = server.settings["key"]
        if key and headers.get(b"authorization") != b"bearer " + key.encode().lower():
            return self.reply(401, {"error": {"message": "Incorrect API key provided"}})
        request = json.loads(body)
        if not request.get("messages"):
            return self.reply(400, {"error": {"message": "messages is empty"}})
        server.open += 1
        server.most_open = max(server.most_open, server.open)
        try:
            await self.complete(request, path)
        except asyncio.CancelledError:
            server.aborted += 1
            server.hang_ups.append(time.monotonic())
        finally:
            server.open -= 1

    async def complete(self, request: dict, path: str) -> None:
        server, settings = self.server, self.server.settings
        identity, came = identity_of(request), time.monotonic()
        server.asked[identity] = server.asked.get(identity, 0) + 1
        if settings["capacity"] and server.open > settings["capacity"]:
            server.faulted["capacity"] = server.faulted.get("capacity", 0) + 1
            return self.reply(429, {"error": {"message": "too many requests"}})
        if settings["latency"]:
            await asyncio.sleep(settings["latency"])
        fault = server.fault(identity)
        if fault is not None and await self.before(fault):
            return None
        if settings["chain"]:
            try:
                pieces, finish = stretch(request, settings, path)
            except ValueError as error:
                return self.reply(400, {"error": {"message": str(error)}})
            settings = {**settings, "finish": finish}
        else:
            pieces = answer(request, identity, settings, huge=fault == "huge")
            server.times.append((came, len(pieces)))
        if not request.get("stream"):
            server.complete(identity)
            server.deliver(request, len(pieces))
            return self.reply(200, whole(pieces, request, settings, fault))
        if await self.stream(pieces, request, settings, fault):
            server.complete(identity)

    async def before(self, fault: str) -> bool:
        """Faults that end the request before its answer."""
        wait = self.server.settings["retry_after"]
        error = {"error": {"message": f"injected {fault}"}}
        if fault == "429":
            self.reply(429, error)
        elif fault == "429_after":
            self.reply(429, error, {"Retry-After": str(wait)})
        elif fault == "429_date":
            # The server's clock is an hour off; only the difference between its two dates means anything.
            now = time.time() - 3600
            dates = {
                "Date": email.utils.formatdate(now, usegmt=True),
                "Retry-After": email.utils.formatdate(now + 1, usegmt=True),
            }
            self.reply(429, error, dates)
        elif fault in ("500", "502", "503"):
            self.reply(int(fault), error)
        elif fault == "reset_before":
            self.transport.abort()
        elif fault == "bad_json":
            self.raw(200, b'{"choices": [{"message": ', "application/json")
        elif fault == "html":
            self.raw(200, b"<html><body>Bad gateway</body></html>", "text/html")
        elif fault == "empty_choices":
            self.reply(200, {"choices": [], "model": "x"})
        else:
            return False
        return True

    async def stream(self, pieces: list, request: dict, settings: dict, fault: str | None) -> bool:
        self.pending.append(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        rate, chunk = settings["rate"], settings["chunk"]
        head = f'data: {{"id":"c","object":"chat.completion.chunk","model":"{settings["model"]}",'
        loop = asyncio.get_running_loop()
        began, sent = loop.time(), 0
        self.event(
            head + '"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}'
        )
        half = len(pieces) // 2
        self.server.deliver(request, 0)
        for number in range(0, len(pieces), chunk):
            if fault == "reset_during" and number >= half:
                self.flush()
                self.transport.abort()
                return False
            if fault == "stall" and number >= half:
                self.flush()
                await asyncio.sleep(3600)
            if fault == "bad_sse" and number >= half:
                self.event('data: {"choices": [{"delta": ')
                self.finish_chunked()
                return False
            if fault == "error_event" and number >= half:
                self.event('data: {"error": {"message": "engine died"}}')
                self.finish_chunked()
                return False
            field = pieces[number][0]
            group = [text for name, text in pieces[number : number + chunk] if name == field]
            rest = [(name, text) for name, text in pieces[number : number + chunk] if name != field]
            self.delta(head, field, "".join(group), fault)
            if rest:
                self.delta(head, rest[0][0], "".join(text for _, text in rest), fault)
            self.server.chunks += 1
            self.server.completion_tokens += len(group) + len(rest)
            sent += chunk
            if rate:
                ahead = began + sent / rate - loop.time()
                if ahead > settings["tick"]:
                    self.flush()
                    await asyncio.sleep(ahead)
            if not self.resume.is_set():
                self.flush()
                await self.resume.wait()
        finish = f'{head}"choices":[{{"index":0,"delta":{{}},"finish_reason":"{settings["finish"]}"}}]}}'
        self.event(finish)
        if fault == "dup_finish":
            self.event(finish)
        if settings["usage"] and fault != "no_usage":
            self.event(head + f'"choices":[],"usage":{json.dumps(usage(pieces, request))}}}')
        if fault != "no_done":
            self.event("data: [DONE]")
        self.finish_chunked()
        return True

    def delta(self, head: str, field: str, text: str, fault: str | None) -> None:
        self.event(
            head
            + f'"choices":[{{"index":0,"delta":{{"{field}":{json.dumps(text, ensure_ascii=False)}}},"finish_reason":null}}]}}',
            split=fault == "split_unicode",
        )

    def event(self, text: str, *, split: bool = False) -> None:
        data = text.encode() + b"\n\n"
        if not split:
            self.pending.append(b"%x\r\n%b\r\n" % (len(data), data))
            if len(self.pending) >= 256:
                self.flush()
            return
        self.flush()
        for byte in range(0, len(data), 3):
            piece = data[byte : byte + 3]
            self.transport.write(b"%x\r\n%b\r\n" % (len(piece), piece))

    def finish_chunked(self) -> None:
        self.pending.append(b"0\r\n\r\n")
        self.flush()

    def flush(self) -> None:
        """Send what is pending in one system call, as an engine's step sends it."""
        if self.pending:
            self.transport.write(b"".join(self.pending))
            self.pending.clear()

    def reply(self, status: int, value, headers: dict | None = None) -> None:
        self.raw(status, json.dumps(value).encode(), "application/json", headers)

    def raw(self, status: int, body: bytes, kind: str, headers: dict | None = None) -> None:
        lines = [f"HTTP/1.1 {status} X", f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        self.transport.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


async def main() -> None:
    server = Server(json.loads(sys.argv[1]) if len(sys.argv) > 1 else {})
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(lambda: Connection(server), "127.0.0.1", 0, backlog=4096)
    print(listening.sockets[0].getsockname()[1], flush=True)
    await listening.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
