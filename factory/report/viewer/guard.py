"""Who may ask the viewer, and what its pages may do.

- Content-Security-Policy: scripts, styles and fonts only from our own static files; nothing inline, no other origin, and
  (Trusted Types) no text can be turned into markup by a script.
- On loopback a request must name this machine's loopback address in `Host`, so a web page elsewhere that has its own name
  point at 127.0.0.1 (DNS rebinding) reads nothing.
- On another address every request needs the token that `factory view` printed: once in the address, then in a cookie that
  scripts cannot read and other sites cannot send.
- A request that changes something must come from our own page (`Origin`).
"""

from __future__ import annotations

import hmac
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
COOKIE = "factory-view"

RULES = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; connect-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'"
)
TRUSTED_TYPES = "require-trusted-types-for 'script'; trusted-types 'none'"
POLICY = f"{RULES}; frame-ancestors 'none'; {TRUSTED_TYPES}"
REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
"""The report has no script at all, so none is allowed; its one style sheet is inline."""

HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


class Guard:
    """ASGI middleware: turns away foreign requests and adds the headers."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str] | None = None, token: str | None = None) -> None:
        """`hosts` are the allowed `Host` values with port; any port of a loopback name when None.

        With a `token` any name is allowed, and every request must bring the token.
        """
        self.app, self.hosts, self.token = app, hosts, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        policy = REPORT_POLICY if scope["path"] == "/report" else POLICY

        own = HEADERS | {"content-security-policy": policy}
        if scope["path"].startswith("/static/"):
            own["cache-control"] = "private, max-age=300"  # the same for every run, and half a megabyte

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(own)
            await send(message)

        await (self._refused(scope, headers) or self.app)(scope, receive, send_guarded)

    def _refused(self, scope: Scope, headers: Headers) -> Response | None:
        host = headers.get("host", "")
        if scope["method"] not in ("GET", "HEAD") and headers.get("origin") != f"http://{host}":
            return PlainTextResponse("the viewer answers only to its own pages", 403)
        if self.token is None:
            ours = self._ours(host)
            return None if ours else PlainTextResponse("the viewer answers only to this machine", 403)
        if self._is_token(_cookie(headers.get("cookie", ""))):
            return None
        asked = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if not self._is_token(dict(asked).get("token", "")):
            return PlainTextResponse("open the address with the token that `factory view` printed", 403)
        rest = urlencode([(name, value) for name, value in asked if name != "token"])
        answer = RedirectResponse(_own_path(scope["path"]) + (f"?{rest}" if rest else ""), 303)
        answer.set_cookie(COOKIE, self.token, httponly=True, samesite="strict")
        return answer

    def _is_token(self, value: str) -> bool:
        assert self.token is not None
        return hmac.compare_digest(value.encode("utf-8", "replace"), self.token.encode())

    def _ours(self, host: str) -> bool:
        if self.hosts is not None:
            return host in self.hosts
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        return name in LOOPBACK


def _own_path(path: str) -> str:
    """A path that stays on this host: `//elsewhere/` is a name of another one."""
    return "/" + path.lstrip("/\\")


def _cookie(header: str) -> str:
    try:
        found = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""
