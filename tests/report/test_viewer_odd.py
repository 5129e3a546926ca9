"""Columns of every type, texts of every kind and wrong questions: the viewer answers each without an error of its own."""

from __future__ import annotations

import datetime as dt
import re
import sys
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from starlette.testclient import TestClient

from factory.report.step_folders import open_run
from factory.report.viewer.app import build_app
from factory.report.viewer.query import Query
from factory.report.viewer.sheets import Sheets
from factory.report.viewer.summary import columns
from factory.report.viewer.walk import next_row
from factory.run.step_writer import StepWriter

sys.path.insert(0, str(Path(__file__).parent))
import crawl

sys.path.pop(0)

KINDS = {"/": 1, "/table": 3, "/columns": 1, "/row": 4, "/record": 3, "/review": 1}

TEXTS = [
    "\u202eevil\u202c \u2066bidi\u2069", "zero\u200bwidth\u200d\ufeff", "L" * 100_000, "$\\frac{1}{2 $$ \\begin{align} x",
    "<div><p><script>alert(1)</script></div>", "nul\x00 \x1b[31mred\x07", "a\r\nb\rc\td", "```python\nprint(1)\n",
    "| a |\n|--|\n| 1 | 2 |", "[x](javascript:alert(1))", "👩‍👩‍👧 Z̴̡̛a̸l", "\ud7ff\ue000\uffff", "", None, "\\boxed{" * 300,
    "</textarea></title>'\"`", "{{7*7}} ${x} {% raw %}", "__proto__",
]  # fmt: skip
N = len(TEXTS)
ODD = {
    "id": [f"h-{i} <b>&\"'" if i % 3 else None for i in range(N)],
    "problem": TEXTS,
    "content": TEXTS[::-1],
    "verdict": ["incorrect", "<b>"] * (N // 2),
    "dec": pl.Series([Decimal("1.10") * i for i in range(N)], dtype=pl.Decimal(20, 2)),
    "date": [dt.date(2020, 1, 1) + dt.timedelta(i) if i else None for i in range(N)],
    "when": pl.Series([dt.datetime(1, 1, 1)] * (N - 1) + [dt.datetime(9999, 12, 31)], dtype=pl.Datetime("us", "UTC")),
    "span": [dt.timedelta(seconds=i) for i in range(N)],
    "time": [dt.time(1, 2, 3)] * N,
    "bytes": [bytes([i, 255, 0]) for i in range(N)],
    "deep": [[[["x"] * 3] * 2]] * N,
    "nest": [{"a": {"b": [{"c": text}]}} for text in TEXTS],
    "messages": [[{"role": "user", "content": text}, {"role": "assistant", "content": None}] for text in TEXTS],
    "float": [float("nan"), float("inf"), -float("inf"), 1e308, -1e308] + [0.5] * (N - 5),
    "big": pl.Series([2**64 - 1] * N, dtype=pl.UInt64),
    "flag": [True, None] * (N // 2),
    "nothing": pl.Series([None] * N, dtype=pl.Null),
    "category": pl.Series(["a", "b"] * (N // 2), dtype=pl.Categorical),
    "_row": range(N),
    "filename": ["y"] * N,
    "null id": ["q"] * N,
    'a"; DROP--': TEXTS,
    "": ["no name"] * N,
}  # fmt: skip


def written(folder, **more):
    with StepWriter(folder, "made") as writer:
        writer.keep(pl.DataFrame(ODD | more))
        writer.finish(rows_in=N)
    return open_run(folder)


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    return build_app(written(tmp_path_factory.mktemp("odd") / "out"))


@pytest.fixture(scope="module")
def get(app):
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:

        def get(path, **query):
            answer = client.get(path, params={"sheet": "out"} | query, follow_redirects=False)
            assert answer.status_code in (200, 303, 400), (path, query, answer.status_code)
            return answer

        yield get


def test_every_column_can_be_shown_sorted_filtered_and_summed_up(app, get):
    for column in app.state.live.view().sheets.all["out"].names:
        assert get("/table", sort=column, desc="1", col=column).status_code == 200
        for path, query in (
            ("/values", {"column": column}),
            ("/columns", {"by": column}),
            ("/next", {"sort": column}),
        ):
            get(path, **query)
        for operator in ("is", "is not", "contains", "<", ">", "empty", "filled"):
            for value in ("", "9" * 400):
                get("/table", fc=column, fo=operator, fv=value)


def test_every_row_opens(app, get):
    for row in range(N):
        get("/record", part="0", row=str(row))
        get("/row", id=ODD["id"][row] or "")


@pytest.mark.parametrize("deep", ["", "1"])
def test_every_search_is_answered(get, deep):
    for text in ("\\", "(?i)", "\x00", "(((", "%" * 300, "İ", "\n", *(text for text in TEXTS if text)):
        page = get("/table", q=text[:400], deep=deep).text
        assert text not in TEXTS or (re.search(r"<span>\d+ rows</span>", page) and "<tbody>" in page)
        get("/facets", q=text[:400], deep=deep)


def test_what_cannot_be_seen_is_shown_by_its_number_and_sent_back_as_it_is(tmp_path):
    unseen = "a\u202eb\u200bc\x1bd\ufeff\U000e0041 👩\u200d👩\tline\n"
    with StepWriter(tmp_path / "out", "made") as writer:
        writer.keep(pl.DataFrame({"id": [unseen], "problem": [unseen], "source": [unseen]}))
        writer.finish(rows_in=1)
    with TestClient(build_app(open_run(tmp_path / "out")), base_url="http://127.0.0.1") as client:
        page = client.get("/row", params={"id": unseen}).text
        shown = "a⟨U+202E⟩b⟨U+200B⟩c⟨U+001B⟩d⟨U+FEFF⟩⟨U+E0041⟩ 👩\u200d👩\tline"
        assert page.count(shown) >= 3, "title, id and text"
        assert f'data-copy="{unseen}"' in page
        texts = re.sub(r'="[^"]*"', "", page)
        assert not re.search("[\u202e\u200b\x1b\ufeff\U000e0041]", texts)
        table = client.get("/table", params={"sheet": "out", "q": unseen[:5]}).text
        assert f'value="{unseen[:5]}"' in table and "1 row" in table


def test_wrong_numbers_of_pages_parts_and_rows(get):
    for number in ("-1", "abc", "1e9", "9" * 30, "²", "٣", "0x10", ""):
        get("/table", page=number)
        get("/table", number=number)
        get("/record", part=number, row="0")
        get("/record", part="0", row=number)


def test_the_summary_holds_what_is_finite_and_says_what_is_not(app):
    found = {column.name: column for column in columns(app.state.live.view().sheets.all["out"])[0]}
    numbers = found["float"]
    assert (numbers.low, numbers.high, numbers.not_finite) == (-1e308, 1e308, 3)
    assert (found["date"].low, found["date"].high) == ("2020-01-02", str(ODD["date"][-1]))
    assert dict(found["category"].values) == {"a": N // 2, "b": N // 2}
    assert (found["flag"].nulls, found["flag"].distinct, found["nothing"].distinct) == (N // 2, 1, 0)
    assert found["problem"].distinct == N - 1


def test_a_column_that_hides_where_rows_lie_makes_a_table_unreadable_not_the_run(tmp_path):
    with TestClient(
        build_app(written(tmp_path / "out", file_index=[1] * N)), base_url="http://127.0.0.1"
    ) as client:
        assert client.get("/").status_code == 200
        assert (
            "cannot show a table with a column file_index"
            in client.get("/table", params={"sheet": "out"}).text
        )


def test_every_page_of_odd_rows_opens_and_fits(browser, serve, tmp_path):
    written(tmp_path / "out")
    for path, url, status in crawl.walk(browser, serve(tmp_path / "out"), kinds=KINDS):
        assert status == 200, url
        browser.run(crawl.OPEN_ALL)
        for width in (390, 1440):
            browser.media(width=width)
            browser.settle(0.05)
            assert browser.run(crawl.WIDER) == [], (path, url, width)
        assert (browser.errors, browser.refused, browser.dialogs) == ([], [], []), url


def test_a_searched_table_shows_what_was_found_and_where(tmp_path):
    long = "x" * 5_000
    rows = {
        "id": ["a", "b", "c", "d"],
        "problem": ["nothing", f"{long} Größe <i> {long}", "nothing", "none"],
        "content": ["GRÖSSE is no größe", "plain", "plain", "none"],
        "prompt": [None, None, [{"role": "user", "content": f"{long} größe {long}"}], None],
    }
    with StepWriter(tmp_path / "out", "made") as writer:
        writer.keep(pl.DataFrame(rows))
        writer.finish(rows_in=4)
    with TestClient(build_app(open_run(tmp_path / "out")), base_url="http://127.0.0.1") as client:
        page = client.get("/table", params={"sheet": "out", "q": "GRÖßE", "deep": "1"}).text
        cells = dict(re.findall(r'<tr data-id="(.)"(.*?)</tr>', page, re.S))
        assert sorted(cells) == ["a", "b", "c"]
        assert "is no <mark>größe</mark>" in cells["a"]
        assert "problem: … x" in cells["b"] and "<mark>Größe</mark> &lt;i&gt; x" in cells["b"]
        assert "prompt:" not in cells["c"] and "… x" in cells["c"] and "<mark>größe</mark> x" in cells["c"]
        assert "found in" not in client.get("/table", params={"sheet": "out", "q": "plain"}).text


def test_parts_need_not_have_the_same_columns_or_types(tmp_path):
    (tmp_path / "recipe.yaml").write_text("name: mixed\n")
    frames = [
        {"id": ["a", "b"], "content": ["Foo", "bar"], "n": [1, 2], "verdict": ["incorrect", "correct"]},
        {"id": ["c"], "content": [None], "n": [1.5], "extra": ["foo"]},
        {"verdict": ["incorrect"], "id": ["d"], "content": ["FOO"]},
        {"id": pl.Series([], dtype=pl.String)},
    ]
    parts = tuple(tmp_path / f"part-0000{number}.parquet" for number in range(len(frames)))
    for part, frame in zip(parts, frames, strict=True):
        pl.DataFrame(frame).write_parquet(part)
    sheets = Sheets(open_run(tmp_path), {"mixed": parts})
    found = sheets.page(Query("mixed", search="foo"))
    assert (found.ids, found.beside) == (["a", "c", "d"], [None, "extra: foo", None])
    assert sheets.page(Query("mixed", sort="n", descending=True)).ids == ["b", "c", "a", "d"]
    assert next_row(sheets, Query("mixed", search="foo", sort="n", descending=True), "c") == "a"
    summed, rows = columns(sheets.all["mixed"])
    assert rows == 4
    assert {column.name: column.nulls for column in summed} == {
        "id": 0,
        "content": 1,
        "n": 1,
        "verdict": 1,
        "extra": 3,
    }
    assert sheets.record("mixed", 2, 0) == {"verdict": "incorrect", "id": "d", "content": "FOO"}
    sheets.close()
