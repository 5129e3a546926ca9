"""An OpenAI-compatible server on loopback that fails on purpose and counts what it completed.

Run as a program: `python fault_server.py '{"faults": {"429": 0.1}}'` prints its port on the first line and serves until
it is killed. Written on bare asyncio protocols, so that it costs less than any client that is measured against it, and
so that it can break HTTP in ways that a web framework would not allow.

Settings (all optional):
    style       reasoning_content | reasoning | inline | no_open | none | refusal
    tokens      completion tokens a response, or [least, most]
    chunk       tokens in one streamed chunk
    rate        tokens a second of one stream; None is at once
    latency     seconds before the first byte
    faults      name -> probability; names are the keys of `FAULTS` below
    per_request most faults that one request (prompt and seed) suffers, so that jobs end
    capacity    requests at once; more are refused with 429
    key         bearer token that is required
    text        content to answer with, instead of a boxed number
    finish      finish_reason
    model       served model name
    usage       false leaves the usage out
    loop        the reasoning repeats itself
    chain       words of a chain that is cut at max_tokens, and gone on with when asked as vLLM or DeepSeek want it
    seed        of the faults

GET /stats gives counts; GET /log the identities in the order of their completion; POST /settings changes settings.
"""

from __future__ import annotations

import asyncio
import email.utils
import hashlib
import json
import random
import sys
import time
import zlib

DEFAULTS = {
    "style": "reasoning_content",
    "tokens": 20,
    "chunk": 1,
    "rate": None,
    "latency": 0.0,
    "faults": {},
    "per_request": 3,
    "capacity": None,
    "key": None,
    "text": None,
    "finish": "stop",
    "model": "fake-r1",
    "usage": True,
    "loop": False,
    "chain": None,
    "seed": 0,
    "retry_after": 0.05,
}
FAULTS = (
    "429",
    "429_after",
    "429_date",
    "500",
    "502",
    "503",
    "reset_before",
    "reset_during",
    "stall",
    "bad_json",
    "bad_sse",
    "html",
    "empty_choices",
    "error_event",
    "dup_finish",
    "split_unicode",
    "no_done",
    "huge",
    "no_usage",
)
WORDS = [
    "so",
    "let",
    "us",
    "check",
    "the",
    "sum",
    "of",
    "these",
    "two",
    "numbers",
    "again",
    "and",
    "then",
    "add",
    "three",
]


class Server:
    def __init__(self, settings: dict) -> None:
        self.set(settings)
        self.asked: dict[str, int] = {}
        self.completed: list[str] = []
        self.faulted: dict[str, int] = {}
        self.suffered: dict[str, int] = {}
        self.open = self.most_open = self.aborted = self.chunks = 0
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict] = {}

    def set(self, settings: dict) -> None:
        self.settings = {**DEFAULTS, **settings}
        self.random = random.Random(self.settings["seed"])

    def stats(self) -> dict:
        return {
            "asked": sum(self.asked.values()),
            "identities": len(self.asked),
            "completed": len(self.completed),
            "completed_identities": len(set(self.completed)),
            "faults": self.faulted,
            "open": self.open,
            "most_open": self.most_open,
            "aborted": self.aborted,
            "chunks": self.chunks,
        }

    def fault(self, identity: str) -> str | None:
        faults = self.settings["faults"]
        if not faults or self.suffered.get(identity, 0) >= self.settings["per_request"]:
            return None
        draw = self.random.random()
        for name, share in faults.items():
            draw -= share
            if draw < 0:
                self.suffered[identity] = self.suffered.get(identity, 0) + 1
                self.faulted[name] = self.faulted.get(name, 0) + 1
                return name
        return None


class Connection(asyncio.Protocol):
    def __init__(self, server: Server) -> None:
        self.server = server
        self.buffer = b""
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

    async def handle(self, method: str, path: str, headers: dict, body: bytes) -> None:
        server = self.server
        path = path.partition("?")[0]
        if path == "/stats":
            return self.reply(200, server.stats())
        if path == "/log":
            return self.reply(200, server.completed)
        if path == "/asked":
            return self.reply(200, server.asked)
        if path == "/settings":
            server.set(json.loads(body))
            return self.reply(200, {})
        if path.endswith("/models"):
            return self.reply(200, {"object": "list", "data": [{"id": server.settings["model"]}]})
        if "/files" in path or "/batches" in path:
            return self.batch(method, path, headers, body)
        if not path.endswith("/chat/completions"):
            return self.reply(404, {"error": {"message": f"no such path {path}"}})
        key = server.settings["key"]
        if key and headers.get(b"authorization") != b"bearer " + key.encode().lower():
            return self.reply(401, {"error": {"message": "Incorrect API key provided"}})
        request = json.loads(body)
        server.open += 1
        server.most_open = max(server.most_open, server.open)
        try:
            await self.complete(request, path)
        except asyncio.CancelledError:
            server.aborted += 1
        finally:
            server.open -= 1

    async def complete(self, request: dict, path: str) -> None:
        server, settings = self.server, self.server.settings
        identity = identity_of(request)
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
        if not request.get("stream"):
            server.completed.append(identity)
            return self.reply(200, whole(pieces, request, settings, fault))
        if await self.stream(pieces, request, settings, fault):
            server.completed.append(identity)

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
        self.transport.write(
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
        for number in range(0, len(pieces), chunk):
            if fault == "reset_during" and number >= half:
                self.transport.abort()
                return False
            if fault == "stall" and number >= half:
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
            sent += chunk
            if rate:
                ahead = began + sent / rate - loop.time()
                if ahead > 0:
                    await asyncio.sleep(ahead)
            if not self.resume.is_set():
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
            self.transport.write(b"%x\r\n%b\r\n" % (len(data), data))
            return
        for byte in range(0, len(data), 3):
            piece = data[byte : byte + 3]
            self.transport.write(b"%x\r\n%b\r\n" % (len(piece), piece))

    def finish_chunked(self) -> None:
        self.transport.write(b"0\r\n\r\n")

    def reply(self, status: int, value, headers: dict | None = None) -> None:
        self.raw(status, json.dumps(value).encode(), "application/json", headers)

    def raw(self, status: int, body: bytes, kind: str, headers: dict | None = None) -> None:
        lines = [f"HTTP/1.1 {status} X", f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        self.transport.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def batch(self, method: str, path: str, headers: dict, body: bytes) -> None:
        """The Files and Batches endpoints: a batch is done after it was looked at twice."""
        server = self.server
        parts = [part for part in path.split("/") if part and part != "v1"]
        if parts[0] == "files" and method == "POST":
            name = f"file-{len(server.files)}"
            boundary = headers[b"content-type"].split(b"boundary=")[1]
            for piece in body.split(b"--" + boundary):
                if b'name="file"' in piece:
                    server.files[name] = piece.split(b"\r\n\r\n", 1)[1].rsplit(b"\r\n", 1)[0]
            self.reply(
                200,
                {
                    "id": name,
                    "object": "file",
                    "bytes": 1,
                    "created_at": 1,
                    "filename": "x",
                    "purpose": "batch",
                    "status": "processed",
                },
            )
        elif parts[0] == "files":
            self.raw(200, server.files[parts[1]], "application/octet-stream")
        elif method == "POST":
            wanted = json.loads(body)
            name = f"batch-{len(server.batches)}"
            server.batches[name] = {"id": name, "looks": 0, **wanted}
            self.reply(200, self.batch_state(name))
        else:
            server.batches[parts[1]]["looks"] += 1
            self.reply(200, self.batch_state(parts[1]))

    def batch_state(self, name: str) -> dict:
        server = self.server
        batch = server.batches[name]
        done = batch["looks"] >= 2
        if done and "output_file_id" not in batch:
            lines = []
            for line in reversed(server.files[batch["input_file_id"]].splitlines()):
                item = json.loads(line)
                identity = identity_of(item["body"])
                server.asked[identity] = server.asked.get(identity, 0) + 1
                server.completed.append(identity)
                reply = whole(
                    answer(item["body"], identity, server.settings), item["body"], server.settings, None
                )
                lines.append(
                    {
                        "custom_id": item["custom_id"],
                        "response": {"status_code": 200, "body": reply},
                        "error": None,
                    }
                )
            batch["output_file_id"] = f"file-{len(server.files)}"
            server.files[batch["output_file_id"]] = "\n".join(json.dumps(line) for line in lines).encode()
        return {
            "id": name,
            "object": "batch",
            "endpoint": "/v1/chat/completions",
            "input_file_id": batch["input_file_id"],
            "completion_window": "24h",
            "created_at": 1,
            "status": "completed" if done else "in_progress",
            "output_file_id": batch.get("output_file_id"),
            "metadata": batch.get("metadata"),
        }


def identity_of(request: dict) -> str:
    prompt = (
        request["messages"][-1]["content"]
        if request["messages"][-1]["role"] == "user"
        else json.dumps(request["messages"])
    )
    return f"{prompt}|{request.get('seed')}|{request.get('max_tokens')}"


def answer(request: dict, identity: str, settings: dict, *, huge: bool = False) -> list[tuple[str, str]]:
    """Pieces of an answer, one token each: (field of the delta, text)."""
    mark = zlib.crc32(identity.encode())
    count = settings["tokens"]
    if isinstance(count, list):
        count = count[0] + mark % (count[1] - count[0] + 1)
    count = min(count, request.get("max_tokens") or count)
    if huge:
        count = 20
    content = settings["text"] or f"The answer is \\boxed{{{mark % 100}}}."
    word = ("\u6570\u5b66\U0001f600 " * 60_000) if huge else None
    number = "" if settings["loop"] else mark % 1000
    thought = [word or f"{WORDS[i % len(WORDS)]}{number and number + i} " for i in range(count)]
    thought[0] = f"{hashlib.md5(identity.encode()).hexdigest()} "
    style = settings["style"]
    cut = settings["finish"] == "length"
    tail = [] if cut else [content]
    if style in ("reasoning_content", "reasoning"):
        return [(style, t) for t in thought] + [("content", t) for t in tail]
    if style == "inline":
        return [("content", t) for t in ["<think>\n", *thought, *([] if cut else ["\n</think>\n\n"]), *tail]]
    if style == "no_open":
        return [("content", t) for t in [*thought, *([] if cut else ["\n</think>\n\n"]), *tail]]
    if style == "refusal":
        return [("refusal", "I cannot help with that.")]
    return [("content", t) for t in ([*thought] if cut else [content])]


def stretch(request: dict, settings: dict, path: str) -> tuple[list[tuple[str, str]], str]:
    """The part of one long chain that a request asks for, cut at its max_tokens: pieces and finish reason.

    The chain depends on the user's words and the seed only, so its parts fit together in one way.
    """
    users = [m["content"] for m in request["messages"] if m["role"] == "user"]
    mark = hashlib.md5(f"{users}|{request.get('seed')}".encode()).hexdigest()
    # Every second word begins without a space, so that a cut may fall inside what reads as one word.
    words = [f"{' ' if i % 2 else ''}{mark[i % 32]}{i}" for i in range(settings["chain"])]
    tokens = ["<think>\n", *words, "\n</think>\n\n", "It", " is", f" \\boxed{{{int(mark, 16) % 100}}}", "."]
    if settings["style"] == "none":
        tokens = words
    last = request["messages"][-1]
    start = 0
    if last["role"] == "assistant":
        if last.get("prefix"):
            if "/beta/" not in path:
                raise ValueError("prefix needs the beta endpoint")
            so_far = "<think>\n" + last["reasoning_content"]
            so_far += "\n</think>\n\n" + last["content"] if last["content"] else ""
        elif request.get("continue_final_message") and request.get("add_generation_prompt") is False:
            so_far = last["content"]
        else:
            raise ValueError("the last message is the assistant's")
        text = ""
        while text != so_far:
            if start == len(tokens) or not so_far.startswith(text):
                raise ValueError(f"that is not what was said: {so_far!r}")
            text += tokens[start]
            start += 1
    end = min(len(tokens), start + request["max_tokens"])
    close = tokens.index("\n</think>\n\n") if settings["style"] != "none" else -1
    pieces = []
    for i in range(start, end):
        if settings["style"] in ("inline", "none"):
            pieces.append(("content", tokens[i]))
        elif i not in (0, close):
            pieces.append((settings["style"] if i < close else "content", tokens[i]))
    return pieces, "stop" if end == len(tokens) else "length"


def usage(pieces: list, request: dict) -> dict:
    prompt = sum(len(m["content"].split()) for m in request["messages"])
    return {"prompt_tokens": prompt, "completion_tokens": len(pieces), "total_tokens": prompt + len(pieces)}


def whole(pieces: list, request: dict, settings: dict, fault: str | None) -> dict:
    message = {"role": "assistant", "content": None}
    for name, text in pieces:
        message[name] = (message.get(name) or "") + text
    return {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": settings["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": settings["finish"]}],
        "usage": usage(pieces, request),
    }


async def main() -> None:
    server = Server(json.loads(sys.argv[1]) if len(sys.argv) > 1 else {})
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(lambda: Connection(server), "127.0.0.1", 0, backlog=4096)
    print(listening.sockets[0].getsockname()[1], flush=True)
    await listening.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
