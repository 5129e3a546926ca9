"""The viewer's web application: pages over the sheets, one problem at a time, and the reviewer's marks.

Pages are written on the server with every value escaped; the scripts are three static files of ours.

- Content-Security-Policy: scripts, styles and fonts only from our own static files; nothing inline, no other origin, and
  (Trusted Types) no text can be turned into markup by a script.
- A request must name this machine's loopback address in `Host`, so a web page elsewhere that has its own name point at
  127.0.0.1 (DNS rebinding) reads nothing.
- A request that changes something must come from our own page (`Origin`).
"""

from __future__ import annotations

import json
import re
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from factory.errors import FactoryError, UsageError
from factory.report.blocks import show
from factory.report.lineage import trace
from factory.report.step_folders import RunTables
from factory.report.viewer.problem import any_row, as_text, cut_text, dropped_row, problem_page
from factory.report.viewer.query import Filter, Operator, read_query
from factory.report.viewer.sheets import PREVIEW, Sheets
from factory.run.review import add_review, read_reviews

MOST_BODY = 64 * 1024
"""Bytes of one mark."""
LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; connect-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
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


def build_app(tables: RunTables, *, hosts: frozenset[str] | None = None) -> Starlette:
    """The application over one run.

    Args:
        tables: the run, from `open_run`.
        hosts: `host:port` names under which it may be addressed; every loopback name when None (tests).
    """
    pages = Pages(tables)
    static = str(resources.files("factory.report.viewer") / "static")
    routes = [
        Route("/", pages.home),
        Route("/table", pages.table),
        Route("/values", pages.values),
        Route("/row", pages.row),
        Route("/record", pages.record),
        Route("/review", pages.review),
        Route("/report", pages.report),
        Route("/mark", pages.mark, methods=["POST"]),
        Route("/favicon.ico", lambda request: Response(status_code=204)),
        Mount("/static", StaticFiles(directory=static)),
    ]
    handlers: Any = {FactoryError: pages.mistake, 404: pages.missing}
    app = Starlette(routes=routes, middleware=[Middleware(Guard, hosts=hosts)], exception_handlers=handlers)
    app.state.sheets = pages.sheets
    return app


class Pages:
    """The viewer's pages."""

    def __init__(self, tables: RunTables) -> None:
        self.tables, self.sheets = tables, Sheets(tables)
        self._templates = Environment(
            loader=PackageLoader("factory.report.viewer"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
        )
        self._templates.filters["show"] = show
        self._templates.filters["text"] = lambda value: cut_text(as_text(value))
        self._templates.filters["breaks"] = breaks
        self._templates.globals["operators"] = [operator.value for operator in Operator]

    async def home(self, request: Request) -> Response:
        """Which tables the run has and what is wrong with it."""
        return self._page("home.html.j2", sheets=list(self.sheets.all.values()))

    async def table(self, request: Request) -> Response:
        """One page of a table."""
        name = request.query_params.get("sheet", "")
        sheet = self.sheets.all.get(name)
        if sheet is None:
            raise UsageError(f"this run has no table {name[:80]!r}")
        if not sheet.parts:
            return self._page("empty.html.j2", sheet=sheet)
        multi = {key: request.query_params.getlist(key) for key in ("fc", "fo", "fv", "col")}
        query = read_query(name, sheet.names, dict(request.query_params), multi)
        page = await run_in_threadpool(self.sheets.page, query)
        return self._page(
            "table.html.j2",
            sheet=sheet,
            query=query,
            page=page,
            preview=PREVIEW,
            marks=read_reviews(self.tables.run),
            filter_link=lambda column, value: query.with_filter(Filter(column, Operator.IS, value)),
        )

    async def values(self, request: Request) -> Response:
        """The commonest values of a column, to pick a filter from."""
        name, column = request.query_params.get("sheet", ""), request.query_params.get("column", "")
        sheet = self.sheets.all.get(name)
        if sheet is None or column not in sheet.names:
            raise UsageError("this run has no such column")
        return JSONResponse(await run_in_threadpool(self.sheets.values, name, column))

    async def row(self, request: Request) -> Response:
        """A problem with all its responses, or a dropped line; and the life of the id that was asked for."""
        row_id = request.query_params.get("id", "")
        values = await run_in_threadpool(self._row, row_id)
        return self._page("row.html.j2", marks=read_reviews(self.tables.run), pretty=_pretty, **values)

    def _row(self, row_id: str) -> dict[str, Any]:
        life = trace(self.tables, row_id)
        problem = problem_page(self.tables, life.problem_id) if life.problem_id else None
        made = problem is not None and bool(problem.answers or problem.pairs)
        told = made or (problem is not None and bool(problem.record))
        dropped = None if told else dropped_row(self.tables, life.id)
        record = None if made or dropped else any_row(self.tables, life.id)
        if told and record is not None and record["completion"] is None:
            record = None  # the problem's own row, which the page shows
        return {"life": life, "problem": problem, "dropped": dropped, "record": record}

    async def record(self, request: Request) -> Response:
        """Every column of one row of a table, with or without an id."""
        name = request.query_params.get("sheet", "")
        numbers = [request.query_params.get(key, "") for key in ("part", "row")]
        if name not in self.sheets.all or not all(n.isascii() and n.isdecimal() for n in numbers):
            raise UsageError("this run has no such row")
        part, row = (min(int(number), 10**15) for number in numbers)
        record = await run_in_threadpool(self.sheets.record, name, part, row)
        return self._page("record.html.j2", sheet=self.sheets.all[name], record=record, place=(part, row))

    async def review(self, request: Request) -> Response:
        """Every mark that counts."""
        return self._page("review.html.j2", marks=list(read_reviews(self.tables.run).values()))

    async def report(self, request: Request) -> Response:
        """The run's report, when it was written."""
        path = self.tables.layout.report
        if not path.is_file():
            raise UsageError(f"{path} was not written yet", do="run `factory report`")
        return FileResponse(path, media_type="text/html; charset=utf-8")

    async def mark(self, request: Request) -> Response:
        """Take one mark: a JSON object with id, mark and note."""
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return JSONResponse({"error": "a mark is sent as application/json"}, 415)
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > MOST_BODY:
                return JSONResponse({"error": "too long"}, 413)
        try:
            value = json.loads(body)
            row_id, mark, note = str(value["id"]), str(value["mark"]), str(value.get("note") or "")
        except (ValueError, KeyError, TypeError, AttributeError):
            return JSONResponse({"error": "a mark is {id, mark, note}"}, 400)
        try:
            review = await run_in_threadpool(add_review, self.tables.run, row_id, mark, note)
        except FactoryError as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse({"id": review.id, "mark": review.mark.value, "note": review.note})

    async def mistake(self, request: Request, error: Exception) -> Response:
        """What the user asked for cannot be shown: one line that says why."""
        return self._page("mistake.html.j2", 400, message=str(error))

    async def missing(self, request: Request, error: Exception) -> Response:
        """No such page."""
        return self._page("mistake.html.j2", 404, message="There is no such page.")

    def _page(self, template: str, status: int = 200, **values: Any) -> Response:
        html = self._templates.get_template(template).render(
            run=str(self.tables.recipe.get("name") or self.tables.run.resolve().name),
            faults=self.tables.faults,
            has_report=self.tables.layout.report.is_file(),
            **values,
        )
        return HTMLResponse(html.encode("utf-8", "replace"), status)


def breaks(value: Any) -> Markup:
    """A name that may be broken after `_` and `:`, so that a table of many columns fits its window."""
    return Markup(re.sub(r"([_:])", r"\1<wbr>", str(escape(value))))


def _pretty(text: Any) -> str:
    """JSON laid out for reading; other text as it is."""
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, TypeError):
        return str(text or "")


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
                MutableHeaders(scope=message).update(HEADERS | {"content-security-policy": policy})
            await send(message)

        rejected = PlainTextResponse("the viewer answers only to this machine", 403)
        await (rejected if foreign else self.app)(scope, receive, send_guarded)

    def _ours(self, host: str) -> bool:
        if self.hosts is not None:
            return host in self.hosts
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        return name in LOOPBACK
