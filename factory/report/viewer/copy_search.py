"""The search of a static copy: its rows as data for a script of ours, which searches them in the browser.

A page that was opened from a folder may not fetch a file, but it may load a script; so the data is one, and holds nothing to
run. It is bounded, and says what it left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from factory.report.viewer.search import SEPARATOR, joined
from factory.report.viewer.sheet import DEEP, Place, Sheet
from factory.report.viewer.sheets import Sheets
from factory.report.viewer.statistics import facet_columns
from factory.report.viewer.templating import visible

NAME = "copy-data.js"
TEXT = 4_000
"""Characters of a row that are searched."""
MOST = 16 * 2**20
"""Bytes of all rows."""

Row = tuple[str | None, str | None, str, list[str | None]]
Link = Callable[[Sheet, Place, str | None], str | None]
"""The file of a row's page, by its table, its place there and its id."""


def search_data(sheets: Sheets, rows: int, link: Link) -> str:
    """The first `rows` rows of every table, as a script that assigns them to `factoryCopy`.

    A row is its page, its id, its text and its values in the columns `facets`. `cut` counts the rows of whose text only the
    first `most` characters are there, `all` the rows of a table.
    """
    room, cut = MOST, 0
    tables = []
    for sheet in sheets.all.values():
        taken: list[Row] = []
        for row in _rows(sheets, sheet, min(rows, sheet.rows), link) if sheet.parts else ():
            if (room := room - len(json.dumps(row))) < 0:
                break
            cut += len(row[2]) > TEXT
            taken.append((row[0], row[1], row[2][:TEXT], row[3]))
        tables.append({"name": sheet.name, "all": sheet.rows, "facets": facet_columns(sheet), "rows": taken})
    return f"globalThis.factoryCopy = {json.dumps({'cut': cut, 'most': TEXT, 'tables': tables})};\n"


def _rows(sheets: Sheets, sheet: Sheet, count: int, link: Link) -> Iterator[Row]:
    places = [sheet.place(row) for row in range(count)]
    cells = sheets.cells(sheet, places, facet_columns(sheet))
    number = 0
    for part in range(places[-1][0] + 1 if places else 0):
        for texts in joined(sheet.parts[part], frozenset(DEEP), rows=count - number).iter_rows():
            *values, row_id = cells[number]
            row_id = None if row_id is None else str(row_id)
            text = " · ".join(text for text in texts if text).replace(SEPARATOR, " · ")
            shown = [None if value is None else visible(str(value)) for value in values]
            yield link(sheet, places[number], row_id), visible(row_id), visible(text), shown
            number += 1
