"""The viewer's web application: which address leads to which page.

Pages are written on the server with every value escaped; the scripts are static files of ours. Who may ask, and what a page
may do, is `guard.py`.
"""

from __future__ import annotations

from importlib import resources
from typing import Any

import polars as pl
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from factory.errors import FactoryError
from factory.report.step_folders import RunTables
from factory.report.viewer.guard import Guard
from factory.report.viewer.pages import Pages


def build_app(
    tables: RunTables,
    *,
    hosts: frozenset[str] | None = None,
    token: str | None = None,
    reviewer: str = "",
    static_rows: int | None = None,
) -> Starlette:
    """The application over one run.

    Args:
        tables: the run, from `open_run`; it is opened again when its files change.
        hosts: `host:port` names under which it may be addressed; every loopback name when None (tests).
        token: what every request must bring; any host name is allowed then.
        reviewer: whose marks are shown and written.
        static_rows: pages for a static copy, without what needs a server, of this many rows of each table.
    """
    pages = Pages(tables, reviewer, static_rows)
    static = str(resources.files("factory.report.viewer") / "static")
    routes = [
        Route("/", pages.home),
        Route("/table", pages.table),
        Route("/columns", pages.columns),
        Route("/values", pages.values),
        Route("/facets", pages.facets),
        Route("/next", pages.next),
        Route("/random", pages.random),
        Route("/row", pages.row),
        Route("/record", pages.record),
        Route("/review", pages.review),
        Route("/review.csv", pages.export),
        Route("/review.jsonl", pages.export),
        Route("/answered", pages.answered),
        Route("/report", pages.report),
        *([Route("/search", pages.search)] if static_rows else []),
        Route("/state", pages.state),
        Route("/mark", pages.mark, methods=["POST"]),
        Route("/favicon.ico", lambda request: Response(status_code=204)),
        Mount("/static", StaticFiles(directory=static)),
    ]
    handlers: Any = {
        FactoryError: pages.mistake,
        OSError: pages.changed,
        pl.exceptions.PolarsError: pages.changed,
        404: pages.missing,
    }
    guard = Middleware(Guard, hosts=hosts, token=token)
    app = Starlette(routes=routes, middleware=[guard], exception_handlers=handlers)
    app.state.live = pages.live
    return app
