"""The viewer's pages over the sheets, one problem at a time, and the reviewer's marks.

Starlette runs plain functions in threads of their own, so that a page that takes long holds no other up.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response

from factory.errors import FactoryError, UsageError
from factory.report.step_folders import RunTables
from factory.report.viewer.live import Live, View
from factory.report.viewer.problem import known_of
from factory.report.viewer.query import ROWS, Filter, Operator, Query, read_query
from factory.report.viewer.reviewing import agreements, as_csv, as_json_lines
from factory.report.viewer.sheet import PREVIEW, Sheet
from factory.report.viewer.statistics import facets, groupable, groups
from factory.report.viewer.summary import CELL, columns
from factory.report.viewer.templating import make_templates, visible
from factory.report.viewer.walk import count_of, next_row, random_row
from factory.run.review import Review, add_review, reviews_by_reviewer

MOST_BODY = 64 * 1024
"""Bytes of one mark."""
MANY = ("fc", "fo", "fv", "col")
"""Parts of a query that repeat."""


class Pages:
    """The viewer's pages."""

    def __init__(self, tables: RunTables, reviewer: str, static_rows: int | None) -> None:
        self.run, self.reviewer, self.static_rows, self.live = tables.run, reviewer, static_rows, Live(tables)
        self._templates = make_templates()

    def home(self, request: Request) -> Response:
        """Which tables the run has and what is wrong with it."""
        return self._page("home.html.j2")

    def table(self, request: Request) -> Response:
        """One page of a table."""
        view = self.live.view()
        name = request.query_params.get("sheet", "")
        if (sheet := view.sheets.all.get(name)) is not None and not sheet.parts:
            return self._page("empty.html.j2", view, sheet=sheet)
        sheet, query = _asked(view, request)
        page = view.sheets.page(query)
        marks = self._marks()
        return self._page(
            "table.html.j2",
            view,
            sheet=sheet,
            query=query,
            page=page,
            last=None if page.total is None else max(page.total - 1, 0) // ROWS,
            rows=ROWS,
            preview=PREVIEW,
            marks=marks,
            marked=count_of(view.sheets, name, marks),
            filter_link=lambda column, value: query.with_filter(Filter(column, Operator.IS, value)),
        )

    def columns(self, request: Request) -> Response:
        """A summary of every column, and the rows grouped by one of them."""
        view = self.live.view()
        sheet, _ = _asked(view, request)
        able = groupable(sheet)
        by = request.query_params.get("by", "")
        by = by if by in sheet.names else next(iter(able), "")
        grouped = groups(view.sheets, sheet.name, by) if by else ([], [])
        found, rows = columns(sheet)
        return self._page(
            "columns.html.j2",
            view,
            sheet=sheet,
            able=able,
            by=by,
            grouped=grouped,
            columns=found,
            rows=rows,
            cell=CELL,
            only=lambda column, value: Query(sheet.name).with_filter(
                Filter(column, Operator.EMPTY if value is None else Operator.IS, value or "")
            ),
        )

    def values(self, request: Request) -> Response:
        """The commonest values of a column, to pick a filter from."""
        view = self.live.view()
        name, column = request.query_params.get("sheet", ""), request.query_params.get("column", "")
        sheet = view.sheets.all.get(name)
        if sheet is None or column not in sheet.names:
            raise UsageError("this run has no such column")
        return JSONResponse(view.sheets.values(name, column))

    def facets(self, request: Request) -> Response:
        """The facets of a view, each value with the address of the rows that have it."""
        view = self.live.view()
        _, query = _asked(view, request)
        found, complete = facets(view.sheets, query)

        def link(column: str, value: str | None) -> str:
            chosen = Filter(column, Operator.EMPTY if value is None else Operator.IS, value or "")
            return query.without_filter(chosen) if chosen in query.filters else query.with_filter(chosen)

        shown = [
            {
                "column": each.column,
                "distinct": each.distinct,
                "values": [[visible(value), count, link(each.column, value)] for value, count in each.values],
            }
            for each in found
        ]
        return JSONResponse({"facets": shown, "complete": complete})

    def next(self, request: Request) -> Response:
        """The next row of a table after an id: any, the next incorrect one, or the next without a mark."""
        view = self.live.view()
        sheet, query = _asked(view, request)
        asked, only = request.query_params.get("id", ""), request.query_params.get("only", "")
        if only == "incorrect" and "verdict" not in sheet.names:
            raise UsageError(f"{sheet.name} has no verdicts")
        chosen = Filter("verdict", Operator.IS, "incorrect") if only == "incorrect" else None
        without = self._marks() if only == "unmarked" else ()
        found = next_row(view.sheets, query, asked, chosen, without)
        if found is None:
            raise UsageError(f"no further {only} row in {sheet.name}".replace("  ", " "))
        return RedirectResponse("/row?" + urlencode({"id": found}), 303)

    def random(self, request: Request) -> Response:
        """A random row of a view."""
        view = self.live.view()
        sheet, query = _asked(view, request)
        found = random_row(view.sheets, query)
        if found is None:
            raise UsageError(f"no row of {sheet.name} fits")
        part, row, row_id = found
        here = {"id": row_id} if row_id else {"sheet": sheet.name, "part": part, "row": row}
        return RedirectResponse(("/row?" if row_id else "/record?") + urlencode(here), 303)

    def row(self, request: Request) -> Response:
        """A problem with all its responses, or a dropped line; and the life of the id that was asked for."""
        view = self.live.view()
        values = known_of(view.tables, request.query_params.get("id", ""), view.answered)
        return self._page("row.html.j2", view, marks=self._marks(), sheet=None, **values)

    def record(self, request: Request) -> Response:
        """Every column of one row of a table, with or without an id."""
        view = self.live.view()
        name = request.query_params.get("sheet", "")
        numbers = [request.query_params.get(key, "") for key in ("part", "row")]
        if name not in view.sheets.all or not all(n.isascii() and n.isdecimal() for n in numbers):
            raise UsageError("this run has no such row")
        part, row = (min(int(number), 10**15) for number in numbers)
        record = view.sheets.record(name, part, row)
        return self._page(
            "record.html.j2", view, sheet=view.sheets.all[name], record=record, place=(part, row)
        )

    def review(self, request: Request) -> Response:
        """Every mark that counts, how far each reviewer is, and where they differ."""
        marks = reviews_by_reviewer(self.run)
        shown = {self.reviewer: marks.get(self.reviewer, {})} if self.reviewer else marks
        rows = [mark for each in shown.values() for mark in each.values()]
        return self._page("review.html.j2", marks=rows, by=marks, agreements=agreements(marks))

    def export(self, request: Request) -> Response:
        """The marks of all reviewers as a file."""
        marks = reviews_by_reviewer(self.run)
        rows = [mark for each in marks.values() for mark in each.values()]
        name = request.url.path.strip("/")
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        if name.endswith(".csv"):
            return Response(as_csv(rows), headers=headers, media_type="text/csv; charset=utf-8")
        return Response(as_json_lines(rows), headers=headers, media_type="application/jsonl; charset=utf-8")

    def report(self, request: Request) -> Response:
        """The run's report, when it was written."""
        path = self.live.view().tables.layout.report
        if not path.is_file():
            raise UsageError(f"{path} was not written yet", do="run `factory report`")
        return FileResponse(path, media_type="text/html; charset=utf-8")

    def answered(self, request: Request) -> Response:
        """The newest responses of a job that runs."""
        view = self.live.view()
        newest = view.answered.newest() if view.answered else []
        return self._page("answered.html.j2", view, newest=newest, preview=PREVIEW)

    def search(self, request: Request) -> Response:
        """The search of a static copy."""
        return self._page("search.html.j2")

    def state(self, request: Request) -> Response:
        """What the tables and the store look like now; a page that was written from another state can be loaded again."""
        view = self.live.view()
        answered = view.answered.look() if view.answered else 0
        return JSONResponse({"stamp": view.stamp, "answered": answered})

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
            review = await run_in_threadpool(add_review, self.run, row_id, mark, note, self.reviewer)
        except FactoryError as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse({"id": review.id, "mark": review.mark.value, "note": review.note})

    def mistake(self, request: Request, error: Exception) -> Response:
        """What the user asked for cannot be shown: one line that says why."""
        return self._page("mistake.html.j2", status=400, message=str(error))

    def changed(self, request: Request, error: Exception) -> Response:
        """A file cannot be read: it moved while a step ended, or it is damaged."""
        message = f"a file of this run cannot be read now ({type(error).__name__}); reload the page"
        return self._page("mistake.html.j2", status=409, message=message)

    def missing(self, request: Request, error: Exception) -> Response:
        """No such page."""
        return self._page("mistake.html.j2", status=404, message="There is no such page.")

    def _marks(self) -> dict[str, Review]:
        """The marks of this reviewer."""
        return reviews_by_reviewer(self.run).get(self.reviewer, {})

    def _page(self, template: str, view: View | None = None, status: int = 200, **values: Any) -> Response:
        view = view or self.live.view()
        html = self._templates.get_template(template).render(
            run=str(view.tables.recipe.get("name") or self.run.resolve().name),
            faults=view.tables.faults,
            has_report=view.tables.layout.report.is_file(),
            sheets=list(view.sheets.all.values()),
            stamp=view.stamp,
            answered=view.answered.look() if view.answered else 0,
            reviewer=self.reviewer,
            static_rows=self.static_rows,
            **values,
        )
        return HTMLResponse(html.encode("utf-8", "replace"), status)


def _asked(view: View, request: Request) -> tuple[Sheet, Query]:
    """The table that a request names, and its query."""
    name = request.query_params.get("sheet", "")
    sheet = view.sheets.all.get(name)
    if sheet is None or not sheet.parts:
        raise UsageError(f"this run has no table {name[:80]!r}")
    many = {key: request.query_params.getlist(key) for key in MANY}
    return sheet, read_query(name, sheet.names, dict(request.query_params), many)
