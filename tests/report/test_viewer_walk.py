"""Facets, statistics, groups and the ways through a table agree with polars by brute force."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import polars as pl
import pytest
from starlette.testclient import TestClient

from factory.errors import UsageError
from factory.report.step_folders import open_run
from factory.report.viewer import scan, summary
from factory.report.viewer.app import build_app
from factory.report.viewer.query import ROWS, Filter, Operator, Query
from factory.report.viewer.sheets import Sheets
from factory.report.viewer.statistics import facets, groups
from factory.report.viewer.summary import columns
from factory.report.viewer.walk import next_row
from factory.run.layout import RunLayout
from factory.run.parts import read_parts

NAME = "verdicts/labelled"
WRONG = Filter("verdict", Operator.IS, "incorrect")


@pytest.fixture(scope="module")
def sheets(full_run):
    made = Sheets(open_run(full_run))
    yield made
    made.close()


@pytest.fixture(scope="module")
def labelled(full_run):
    return read_parts(RunLayout(full_run).labelled)


@pytest.fixture(scope="module")
def client(full_run):
    with TestClient(build_app(open_run(full_run)), base_url="http://127.0.0.1") as made:
        yield made


def counted(frame, column):
    return {value: n for value, n in frame.group_by(column).len().iter_rows()}


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        (Query(NAME), pl.lit(True)),
        (Query(NAME, filters=(WRONG,)), pl.col("verdict") == "incorrect"),
        (Query(NAME, search="boxed{17}"), pl.col("content").str.contains("boxed{17}", literal=True)),
    ],
)
def test_facets_count_the_rows_of_the_view(sheets, labelled, query, rows):
    found, complete = facets(sheets, query)
    assert complete
    kept = labelled.filter(rows)
    for facet in found:
        assert (
            dict(facet.values) == {k: v for k, v in counted(kept, facet.column).items()} or facet.distinct > 8
        )
    assert all(len(counted(kept, facet.column)) == facet.distinct > 1 for facet in found)
    several = [name for name in ("verdict", "method", "domain", "level") if kept[name].n_unique() > 1]
    assert set(several) <= {facet.column for facet in found}


def test_the_facets_of_a_page_lead_to_their_rows(client, labelled):
    found = client.get("/facets", params={"sheet": NAME}).json()["facets"]
    value, count, link = next(each for each in found if each["column"] == "verdict")["values"][0]
    page = client.get(link).text
    assert f"{count} rows" in page
    again = client.get(link.replace("/table", "/facets")).json()["facets"]
    assert all(each["column"] != "verdict" for each in again), "one value is no facet"
    assert value in page


def test_groups_are_counts_and_means(sheets, labelled):
    names, found = groups(sheets, NAME, "verdict")
    assert {group.value: group.rows for group in found} == counted(labelled, "verdict")
    mean = labelled.filter(pl.col("verdict") == found[0].value)[names[0]].mean()
    assert found[0].means[0] == pytest.approx(mean)


def test_columns_are_summed_up(sheets, labelled):
    found, rows = columns(sheets.all[NAME])
    assert rows == labelled.height
    by_name = {column.name: column for column in found}
    tokens = by_name["completion_tokens"]
    assert (tokens.low, tokens.high) == (
        labelled["completion_tokens"].min(),
        labelled["completion_tokens"].max(),
    )
    assert sum(tokens.bins) == rows
    assert by_name["content"].nulls == labelled["content"].null_count()
    assert dict(by_name["verdict"].values) == counted(labelled, "verdict")


def test_the_summary_of_a_big_table_is_from_rows_spread_over_it(sheets, labelled, monkeypatch):
    monkeypatch.setattr(summary, "ROWS", 40)
    monkeypatch.setattr(summary, "STRETCHES", 4)
    found, rows = columns(sheets.all[NAME])
    places = [number * labelled.height // 4 + i for number in range(4) for i in range(10)]
    taken = labelled[places]
    assert rows == 40
    by_name = {column.name: column for column in found}
    assert by_name["completion_tokens"].mean == pytest.approx(taken["completion_tokens"].mean())
    assert by_name["response_id"].distinct == 40
    assert dict(by_name["verdict"].values) == counted(taken, "verdict")


def test_statistics_show_every_column(client, labelled):
    for by in ("", "verdict", "nothing", "reasoning"):
        page = client.get("/columns", params={"sheet": NAME, "by": by})
        assert page.status_code == 200
        assert all(name in page.text for name in labelled.columns)


def test_next_incorrect_walks_through_all_of_them(sheets, labelled):
    wrong = labelled.filter(pl.col("verdict") == "incorrect")["response_id"].to_list()
    walked, here = [], ""
    while (here := next_row(sheets, Query(NAME), here, WRONG)) is not None:
        walked.append(here)
    assert walked == wrong
    assert (
        next_row(sheets, Query(NAME), "", None, without=labelled["response_id"].to_list()[:-1])
        == labelled["response_id"][-1]
    )


@pytest.mark.parametrize(
    "view",
    [
        Query(NAME, sort="completion_tokens", descending=True),
        Query(NAME, sort="extracted"),
        Query(NAME, sort="extracted", descending=True, search="boxed"),
        Query(NAME, search="boxed{1", filters=(Filter("method", Operator.IS_NOT, "none"),)),
    ],
)
def test_next_follows_the_order_the_filters_and_the_search_of_the_view(sheets, view):
    """Also through ties and nulls; from a row outside the view it goes on at the row's place in that order."""
    view = view.only(WRONG)
    shown, number = [], 0
    while (page := sheets.page(replace(view, page=number))).rows:
        shown, number = shown + page.ids, number + 1
    unfiltered = replace(view, filters=view.filters[:-1])
    walked, here = [], ""
    while len(walked) < 25 and (here := next_row(sheets, unfiltered, here, WRONG)) is not None:
        walked.append(here)
    assert walked == shown[:25] and walked
    assert next_row(sheets, view, shown[-1]) is None


def test_the_ways_redirect_to_a_row(client, labelled):
    first = client.get("/next", params={"sheet": NAME, "only": "incorrect"}, follow_redirects=False)
    wrong = labelled.filter(pl.col("verdict") == "incorrect")["response_id"]
    assert first.headers["location"] == f"/row?id={wrong[0]}"
    end = client.get("/next", params={"sheet": NAME, "only": "incorrect", "id": wrong[-1]})
    assert (end.status_code, "no further incorrect row" in end.text) == (400, True)
    no_verdicts = client.get("/next", params={"sheet": "problems/read", "only": "incorrect"})
    assert "has no verdicts" in no_verdicts.text
    for query in ({}, {"fc": "verdict", "fo": "is", "fv": "incorrect"}, {"q": "boxed{17}"}):
        found = client.get("/random", params={"sheet": NAME, **query}, follow_redirects=False)
        row_id = found.headers["location"].partition("id=")[2]
        assert not query or row_id in labelled.filter(pl.col("verdict") != "correct")["response_id"]
    assert client.get("/random", params={"sheet": NAME, "q": "zzznowhere"}).status_code == 400


def test_a_page_can_be_jumped_to(client, labelled):
    for number in ("2", "3"):
        page = client.get("/table", params={"sheet": NAME, "number": number}).text
        assert f"page {number} of {-(-labelled.height // ROWS)}" in page
    assert "page 1 of" in client.get("/table", params={"sheet": NAME, "number": "0"}).text


def test_columns_without_values_are_not_shown(sheets):
    assert "error" in sheets.all[NAME].empty
    assert not set(sheets.all[NAME].shown) & sheets.all[NAME].empty


def test_a_search_that_takes_long_says_how_far_it_is(full_run, monkeypatch):
    """A page never waits for the whole of a big table; asked again it shows more, and at the end all."""
    go = threading.Event()
    truly = scan.search_parts

    def slowly(*arguments):
        go.wait(60)
        return truly(*arguments)

    monkeypatch.setattr(scan, "search_parts", slowly)
    monkeypatch.setattr(scan, "PATIENCE", 0.05)
    with TestClient(build_app(open_run(full_run)), base_url="http://127.0.0.1") as client:
        ask = {"sheet": NAME, "q": "boxed{17}"}
        page = client.get("/table", params=ask).text
        assert "rows searched so far" in page
        assert "data-again" in page
        assert "No rows" not in page
        assert client.get("/facets", params=ask).json()["complete"] is False
        go.set()
        monkeypatch.setattr(scan, "PATIENCE", 60)
        while "data-again" in (page := client.get("/table", params=ask).text):
            time.sleep(0.05)
        assert "searched so far" not in page
        assert 'class="id short"' in page


def test_a_search_over_a_file_that_goes_away_is_a_users_mistake(make_run, tmp_path):
    run = make_run(tmp_path / "run", until="problems")
    sheets = Sheets(open_run(run))
    sheets.all["problems/read"].parts[0].unlink()
    with pytest.raises(UsageError, match="cannot be read"):
        sheets.page(Query("problems/read", search="what"))
    sheets.close()


@pytest.mark.parametrize("sort", [None, "completion_tokens"])
def test_walking_by_keyboard(browser, serve, full_run, labelled, sort):
    wrong = labelled.filter(pl.col("verdict") == "incorrect")
    if sort:
        wrong = wrong.sort(sort, descending=True, nulls_last=True, maintain_order=True)
    wrong = wrong["response_id"].to_list()
    browser.open(serve(full_run) + f"/table?sheet={NAME}" + (f"&sort={sort}&desc=1" if sort else ""))
    browser.run("document.querySelector('#incorrect').click()")
    at = "new URLSearchParams(location.search).get('id')"
    ready = "document.readyState === 'complete' && !!document.querySelector('.target.at')"
    for expected in wrong[:2]:
        browser.wait(lambda expected=expected: browser.run(at) == expected and browser.run(ready))
        browser.press("i")
    browser.wait(lambda: browser.run(at) == wrong[2] and browser.run(ready))
    browser.press("x")
    browser.wait(lambda: browser.run(at) != wrong[2] and browser.run(ready))
    assert browser.run("getComputedStyle(document.querySelector('.problem')).position") == "sticky"
