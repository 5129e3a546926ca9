"""A server that repeats, at one place of its reply, whatever identified the client: headers, query, decoded credentials.

`hostile` is text that it adds: markup and control characters.
"""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

PLACES = (
    "content", "reasoning", "served_model", "finish_reason", "refusal", "stream_error", "error_500", "error_400",
    "error_401", "retry_429", "redirect", "html", "whole_json",
)  # fmt: skip
ENCODINGS = {
    "plain": str,
    "percent": lambda text: quote(text, safe=""),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "inside base64": lambda text: base64.b64encode(f"<{text}>".encode()).decode(),
}


class EchoServer:
    """Serves in threads of its own until `stop`; `place`, `encoding` and `hostile` may be changed between requests."""

    def __init__(self) -> None:
        self.place, self.encoding, self.hostile, self.seen = "content", "plain", "", []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                outer.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        header = handler.headers.get("Authorization", "")
        known = [header, handler.path.partition("?")[2]]
        if header.startswith("Basic "):
            known.append(base64.b64decode(header[6:]).decode())
        self.seen.append(" ".join(known))
        text = self.hostile + " ".join(ENCODINGS[self.encoding](each) for each in known if each)
        status, headers, body = self._reply(text)
        data = body.encode()
        handler.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(data)

    def _reply(self, text: str) -> tuple[int, dict[str, str], str]:
        place = self.place
        error = json.dumps({"error": {"message": text}})
        if place.startswith("error_"):
            return int(place[6:]), {}, error
        if place == "retry_429":
            return 429, {"Retry-After": "0"}, error
        if place == "redirect":
            return 307, {"Location": f"http://localhost:1/{quote(text)}"}, ""
        if place == "html":
            return 200, {}, f"<html>{text}</html>"
        message = {"content": "The answer is \\boxed{4}.", "reasoning": "Two and two."}
        if place in ("content", "reasoning", "refusal"):
            message[place] = text
        choice = {"index": 0, "finish_reason": text if place == "finish_reason" else "stop"}
        reply = {"model": text if place == "served_model" else "m", "usage": {"prompt_tokens": 5}}
        if place == "whole_json":
            message["content"] = text
            return 200, {}, json.dumps({**reply, "choices": [{**choice, "message": message}]})
        events = [{**reply, "choices": [{"index": 0, "delta": message}]}]
        events.append(
            {"error": {"message": text}}
            if place == "stream_error"
            else {"choices": [{**choice, "delta": {}}]}
        )
        lines = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
        return 200, {"Content-Type": "text/event-stream"}, f"{lines}data: [DONE]\n\n"
