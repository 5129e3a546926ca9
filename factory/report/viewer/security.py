"""Security headers, and which requests are rejected.

- Content-Security-Policy: scripts, styles and fonts only from our own static files; nothing inline, no other origin, and
  (Trusted Types) no text can be turned into markup by a script.
- A request must name this machine's loopback address in `Host`, so a web page elsewhere that has its own name point at
  127.0.0.1 (DNS rebinding) reads nothing.
- A request that changes something must come from our own page (`Origin`).
"""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; connect-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
"""The report has no script at all, so none is allowed; its one style sheet is inline."""


class Guard:
    """ASGI middleware: turns away foreign requests and adds the headers."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str] | None = None) -> None:
        """`hosts` are the allowed `Host` values with port; any port of a loopback name when None."""
        self.app, self.hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        foreign = not self._ours(host)
        if scope["method"] not in ("GET", "HEAD"):
            foreign = foreign or headers.get("origin") != f"http://{host}"
        policy = REPORT_POLICY if scope["path"] == "/report" else POLICY

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                out = MutableHeaders(scope=message)
                out["content-security-policy"] = policy
                out["x-content-type-options"] = "nosniff"
                out["x-frame-options"] = "DENY"
                out["referrer-policy"] = "no-referrer"
                out["cross-origin-resource-policy"] = "same-origin"
                out["cross-origin-opener-policy"] = "same-origin"
                out["cache-control"] = "no-store"
            await send(message)

        if foreign:
            await PlainTextResponse("the viewer answers only to this machine", 403)(
                scope, receive, send_guarded
            )
            return
        await self.app(scope, receive, send_guarded)

    def _ours(self, host: str) -> bool:
        if self.hosts is not None:
            return host in self.hosts
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        return name in LOOPBACK
