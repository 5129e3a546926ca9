"""A static copy of the viewer's pages, to be opened from a folder or put on any web server.

It holds the first rows of every table, every problem that these rows belong to, the marks and the report, and a search over
these rows (`copy_search.py`). A page has the same policy as in the viewer, in a `meta` element; what needs a server (filters
in any column, order, marks) is left out.
"""

from __future__ import annotations

import asyncio
import html
import os
import re
import shutil
from collections import deque
from functools import partial
from importlib import resources
from pathlib import Path
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from starlette.types import ASGIApp

from factory.atomic import digest
from factory.errors import UsageError
from factory.progress import watch
from factory.report.step_folders import RunTables
from factory.report.viewer.app import build_app
from factory.report.viewer.copy_search import NAME, search_data
from factory.report.viewer.sheet import Place, Sheet

_LINK = re.compile(r'(?P<name>\b(?:href|src|data-href))="(?P<url>/[^"]*)"')
_PROBLEM = re.compile(r'<article class="problem target" data-id="([^"]*)"')
_RESPONSE = re.compile(r'<article class="response target[^"]*"\s+data-id="([^"]*)"')
_PAGES = frozenset({"/", "/table", "/row", "/record", "/review", "/report", "/search"})


def write_bundle(tables: RunTables, out: Path, *, rows: int) -> tuple[int, int]:
    """Write the copy; returns how many pages and bytes it has.

    Raises:
        UsageError: `out` holds something already.
    """
    if out.exists() and any(out.iterdir()):
        raise UsageError(f"{out} is not empty", do="give a new folder")
    app = build_app(tables, static_rows=rows)
    try:
        with watch("bundle", None, "pages") as task:
            pages, files = asyncio.run(_crawl(app, task.advance))
        data = search_data(app.state.live.view().sheets, rows, partial(_page_of, files))
    finally:
        app.state.live.close()
    scratch = out.with_name(f".{out.name}.{os.getpid()}")
    (scratch / "pages").mkdir(parents=True)
    try:
        with resources.as_file(resources.files("factory.report.viewer") / "static") as static:
            shutil.copytree(static, scratch / "static")
        (scratch / "static" / NAME).write_text(data)
        for url, text in pages.items():
            file = files[url].partition("#")[0]
            (scratch / file).write_bytes(_relinked(text, file, files).encode())
        if out.exists():
            out.rmdir()
        scratch.replace(out)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return len(pages), sum(path.stat().st_size for path in out.rglob("*") if path.is_file())


async def _crawl(app: ASGIApp, done: object) -> tuple[dict[str, str], dict[str, str]]:
    """Every page by its address, and the file (with a fragment) that each known address leads to."""
    pages: dict[str, str] = {}
    files = {"/": "index.html"}
    todo = deque(["/"])
    while todo:
        url = todo.popleft()
        if url in pages or "#" in files.get(url, ""):
            continue
        status, text = await _get(app, url)
        path = urlsplit(url).path
        if status != 200:
            files.pop(url, None)
            continue
        files.setdefault(url, f"pages/{path.strip('/')}-{digest(url)[:16]}.html")
        pages[url] = text
        done()  # type: ignore[operator]
        if path == "/row":  # a problem's page shows its responses, too
            for row_id in map(html.unescape, _PROBLEM.findall(text)):
                files.setdefault(_row(row_id), f"{files[url]}#")
            for row_id in map(html.unescape, _RESPONSE.findall(text)):
                files.setdefault(_row(row_id), f"{files[url]}#{quote(row_id)}")
        if path in ("/", "/table", "/review", "/search"):
            links = [html.unescape(found["url"]) for found in _LINK.finditer(text)]
            todo += [_known(link) for link in links if urlsplit(link).path in _PAGES]
    return pages, files


def _page_of(files: dict[str, str], sheet: Sheet, place: Place, row_id: str | None) -> str | None:
    """The file of a row's page, seen from another page; None when the copy does not hold it."""
    record = "/record?" + urlencode({"sheet": sheet.name, "part": place[0], "row": place[1]})
    file = files.get(record if row_id is None else _row(row_id))
    return file and f"../{file}"


def _relinked(text: str, file: str, files: dict[str, str]) -> str:
    """A page whose links lead to files of the copy; a link to what is not in it leads nowhere."""
    up = "../" * file.count("/")

    def replaced(found: re.Match[str]) -> str:
        url = html.unescape(found["url"])
        if url.startswith("/static/"):
            return f'{found["name"]}="{up}{html.escape(url[1:])}"'
        target = files.get(_known(url))
        return f'{found["name"]}="{up}{target}"' if target else ""

    return _LINK.sub(replaced, text)


def _known(url: str) -> str:
    """An address in one spelling, so that two links to a row are one page."""
    parts = urlsplit(url)
    return _row(parse_qs(parts.query).get("id", [""])[0]) if parts.path == "/row" else url


def _row(row_id: str) -> str:
    return "/row?" + urlencode({"id": row_id})


async def _get(app: ASGIApp, url: str) -> tuple[int, str]:
    """The answer of the application to a GET, without a server."""
    parts = urlsplit(url)
    scope = {
        "type": "http", "http_version": "1.1", "method": "GET", "scheme": "http", "path": parts.path,
        "raw_path": parts.path.encode(), "query_string": parts.query.encode(), "root_path": "",
        "headers": [(b"host", b"127.0.0.1")], "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1),
    }  # fmt: skip
    status, body = 0, b""
    asked = False

    async def receive() -> dict[str, object]:
        nonlocal asked
        if asked:  # what streams a file listens whether the reader goes away: never
            await asyncio.Event().wait()
        asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, object]) -> None:
        nonlocal status, body
        if message["type"] == "http.response.start":
            status = int(str(message["status"]))
        body += bytes(message.get("body", b""))  # type: ignore[call-overload]

    await app(scope, receive, send)  # type: ignore[arg-type]
    return status, body.decode("utf-8", "replace")
