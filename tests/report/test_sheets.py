"""The viewer's queries give the same rows as polars does by brute force, and stay inside the run folder."""

from __future__ import annotations

import tempfile
import threading

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.errors import UsageError
from factory.report.step_folders import open_run
from factory.report.viewer.query import ROWS, Filter, Operator, Query, read_query
from factory.report.viewer.sheets import Sheets
from factory.run.layout import RunLayout
from factory.run.parts import read_parts


@pytest.fixture(scope="module")
def sheets(full_run):
    return Sheets(open_run(full_run))


@pytest.fixture(scope="module")
def labelled(full_run):
    return read_parts(RunLayout(full_run).labelled)


def walk(sheets, query):
    """Ids of all pages of a query."""
    ids, number = [], 0
    while True:
        page = sheets.page(
            Query(query.sheet, query.search, query.deep, query.filters, query.sort, query.descending, number)
        )
        ids += page.ids
        if not page.more:
            return ids, page.total
        number += 1


TEXT_FILTERS = st.tuples(
    st.sampled_from(["verdict", "method", "level", "extracted", "domain"]),
    st.sampled_from([Operator.IS, Operator.IS_NOT, Operator.CONTAINS, Operator.EMPTY, Operator.FILLED]),
    st.sampled_from(["correct", "IN", "literal", "middle", "17", "%", "_", "几何<b>", "'", "\\"]),
)
NUMBER_FILTERS = st.tuples(
    st.sampled_from(["completion_tokens", "usd", "sample_index"]),
    st.sampled_from([Operator.BELOW, Operator.ABOVE]),
    st.sampled_from(["0", "2", "300", "0.0005", "-1e3"]),
)


def oracle(frame, column, operator, value):
    cell = pl.col(column)
    match operator:
        case Operator.IS:
            test = cell == value
        case Operator.IS_NOT:
            test = cell.ne_missing(pl.lit(value))
        case Operator.CONTAINS:
            test = cell.str.to_lowercase().str.contains(value.lower(), literal=True)
        case Operator.BELOW:
            test = cell.cast(pl.Float64) < float(value)
        case Operator.ABOVE:
            test = cell.cast(pl.Float64) > float(value)
        case Operator.EMPTY:
            test = cell.is_null() | (cell == "")
        case Operator.FILLED:
            test = cell.is_not_null() & (cell != "")
    return frame.filter(test)


@settings(max_examples=60, deadline=None)
@given(
    filters=st.lists(TEXT_FILTERS | NUMBER_FILTERS, max_size=3),
    sort=st.sampled_from([None, "completion_tokens", "verdict", "extracted", "usd"]),
    descending=st.booleans(),
)
def test_filters_and_order_agree_with_brute_force(sheets, labelled, filters, sort, descending):
    expected = labelled
    for one in filters:
        expected = oracle(expected, *one)
    if sort:
        expected = expected.sort(sort, descending=descending, nulls_last=True, maintain_order=True)
    query = Query(
        "verdicts/labelled", filters=tuple(Filter(*f) for f in filters), sort=sort, descending=descending
    )
    ids, total = walk(sheets, query)
    assert ids == expected["response_id"].to_list()
    assert total == expected.height


@pytest.mark.parametrize(
    "needle", ["boxed{17}", "17 is NOT the gold", "SCRIPT", "几何", "100%", "_", "{{7*7}}"]
)
def test_search_agrees_with_brute_force(sheets, labelled, needle):
    texts = ["problem", "content", "verdict_reason", "domain", "source", "method", "verdict", "level", "extracted", "status", "model",
             "sampler", "answer", "response_id", "problem_id", "licence", "answer_kind", "answer_source", "finish_reason", "label_source"]  # fmt: skip
    hit = pl.any_horizontal(
        pl.col(c).fill_null("").str.to_lowercase().str.contains(needle.lower(), literal=True) for c in texts
    )
    expected = labelled.filter(hit)["response_id"].to_list()
    ids, _ = walk(sheets, Query("verdicts/labelled", search=needle))
    assert ids == expected


@pytest.mark.parametrize("copied", [False, True])
def test_search_folds_case_as_unicode_does_and_reads_every_text(tmp_path, monkeypatch, copied):
    from factory.run.step_writer import StepWriter

    monkeypatch.setattr("factory.report.viewer.search.SMALL", 0)
    texts = [
        "STRASSE",
        "Größe",
        "GRÖSSE ẞ",
        "ΣΊΣΥΦΟΣ",
        "300 \u212a",
        "a.c",
        "a\nB",
        "x\x00y",
        "nothing",
        None,
    ]
    with StepWriter(tmp_path / "out", "made") as writer:
        frame = pl.DataFrame({"id": [str(n) for n in range(len(texts))], "content": texts})
        choices = [["First", "ZWEITE", None]] + [None] * (len(texts) - 1)
        writer.keep(frame.with_columns(choices=pl.Series(choices, dtype=pl.List(pl.String))))
        writer.finish(rows_in=len(texts))
    sheets = Sheets(open_run(tmp_path / "out"))
    if copied:
        sheets.text.wait()
    for needle, ids in {
        "strasse": "0", "GRÖ": "12", "ß": "12", "ίσυφος": "3", "ίσυφοσ": "3", "300 k": "4", "A.C": "5", "A\nb": "6",
        "X\x00Y": "7", "zweite": "0", "(?i)": "", "\\w": "",
    }.items():  # fmt: skip
        assert "".join(sheets.page(Query("out", needle)).ids) == ids, needle
    sheets.close()


def test_reasoning_is_searched_on_request_only(sheets):
    needle = "Wait, let me check that again"
    assert walk(sheets, Query("verdicts/labelled", search=needle))[0] == []
    assert len(walk(sheets, Query("verdicts/labelled", search=needle, deep=True))[0]) == 1
    assert walk(sheets, Query("datasets/midtrain", search=needle, deep=True))[1] is not None


def test_pages_hold_fifty_rows(sheets, labelled):
    first = sheets.page(Query("verdicts/labelled"))
    assert (len(first.rows), first.more, first.total) == (ROWS, True, labelled.height)
    beyond = sheets.page(Query("verdicts/labelled", page=10_000))
    assert (beyond.rows, beyond.more) == ([], False)


def test_a_value_that_does_not_fit_its_column_is_a_users_mistake(sheets):
    with pytest.raises(UsageError, match="does not fit"):
        sheets.page(Query("verdicts/labelled", filters=(Filter("usd", Operator.BELOW, "cheap"),)))


def test_the_database_reads_nothing_outside_the_run(sheets, tmp_path):
    outside = tmp_path / "outside.parquet"
    pl.DataFrame({"secret": ["x"]}).write_parquet(outside)
    for sql in (
        f"SELECT * FROM read_parquet('{outside}')",
        "SELECT * FROM read_text('/etc/hostname')",
        f"COPY (SELECT 1) TO '{tmp_path}/written.csv'",
        "INSTALL httpfs",
        "SET enable_external_access = true",
    ):
        with pytest.raises(duckdb.Error):
            sheets.run(sql, [])
    assert not (tmp_path / "written.csv").exists()


def test_names_with_quotes_stay_names(tmp_path):
    from factory.run.step_writer import StepWriter

    odd = 'a"; DROP TABLE x; --'
    out = tmp_path / "it's a run" / "out"
    with StepWriter(out, "odd") as writer:
        writer.keep(pl.DataFrame({"id": ["1", "2"], odd: ["x", "y"]}))
        writer.finish(rows_in=2)
    sheets = Sheets(open_run(out.parent))
    page = sheets.page(Query("out", filters=(Filter(odd, Operator.IS, "y"),), sort=odd, columns=(odd,)))
    assert page.rows == [("y",)]
    assert sheets.values("out", odd) == [("x", 1), ("y", 1)]


def test_a_query_survives_its_address():
    from urllib.parse import parse_qs, urlsplit

    query = Query("s", "a&b=c", True, (Filter("x", Operator.BELOW, "1 ×"),), "x", True, 3, ("y", "x"))
    address = parse_qs(urlsplit(query.link(page=3)).query, keep_blank_values=True)
    single = {key: value[-1] for key, value in address.items()}
    multi = {key: address.get(key, []) for key in ("fc", "fo", "fv", "col")}
    assert read_query("s", ["x", "y"], single, multi) == query
    assert read_query("s", [], single, multi) == Query("s", "a&b=c", True, page=3, descending=True)


@pytest.fixture(scope="module")
def copied(full_run):
    """Sheets whose search copies are made whatever their size."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("factory.report.viewer.search.SMALL", 0)
        sheets = Sheets(open_run(full_run))
        sheets.text.wait()
    yield sheets
    sheets.close()


@pytest.mark.parametrize(
    "needle", ["boxed{17}", "17 is NOT the gold", "SCRIPT", "几何", "100%", "_", "{{7*7}}", "Wait, LET me"]
)
@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("sheet", ["verdicts/labelled", "datasets/midtrain", "selected/midtrain/dropped"])
def test_the_copy_finds_what_the_database_finds(sheets, copied, sheet, needle, deep):
    query = Query(sheet, needle, deep)
    assert sheets.text.rows(sheet, needle, deep=deep) is None
    assert copied.text.rows(sheet, needle, deep=deep) is not None
    expected = walk(sheets, query)[0]
    ids, total = walk(copied, query)
    assert ids == expected
    assert total == len(expected)


def test_the_copy_is_searched_within_filters_and_order(sheets, copied):
    query = Query(
        "verdicts/labelled", "part", False, (Filter("verdict", Operator.IS, "correct"),), "usd", True
    )
    ids, total = walk(copied, query)
    assert ids == walk(sheets, query)[0]
    assert len(ids) == total > ROWS


def test_pages_of_matches_join_without_gaps(copied):
    ids, total = walk(copied, Query("verdicts/labelled", "add the numbers", True))
    assert total == len(ids) == len(set(ids)) > 2 * ROWS


def test_copies_leave_nothing_on_disk(copied, tmp_path):
    import tempfile
    from pathlib import Path

    assert copied.text.rows("verdicts/labelled", "x", deep=True) is not None
    assert [p for p in Path(tempfile.gettempdir()).glob("factory-view-*") if any(p.iterdir())] == []


def test_no_room_for_a_copy_leaves_the_database_searching(full_run, monkeypatch):
    monkeypatch.setattr("factory.report.viewer.search.SMALL", 0)
    monkeypatch.setenv("TMPDIR", str(full_run / "absent"))
    monkeypatch.setattr("tempfile.tempdir", str(full_run / "absent"))
    sheets = Sheets(open_run(full_run))
    sheets.text.wait()
    assert sheets.text.rows("verdicts/labelled", "boxed", deep=False) is None
    assert sheets.page(Query("verdicts/labelled", "boxed")).rows
    sheets.close()


def test_copying_waits_for_the_first_search(full_run, monkeypatch):
    monkeypatch.setattr("factory.report.viewer.search.SMALL", 0)
    monkeypatch.setattr("factory.report.viewer.search.QUIET", 86_400)
    begun = threading.Event()
    folder = tempfile.TemporaryDirectory
    monkeypatch.setattr("tempfile.TemporaryDirectory", lambda **k: begun.set() or folder(**k))
    sheets = Sheets(open_run(full_run))
    sheets.page(Query("verdicts/labelled"))
    assert not begun.wait(0.6), "copying slows the first page down"
    assert sheets.page(Query("verdicts/labelled", "boxed")).rows
    sheets.text.wait()
    assert begun.is_set()
    sheets.close()


def test_copying_begins_when_the_reader_is_quiet(full_run, monkeypatch):
    monkeypatch.setattr("factory.report.viewer.search.SMALL", 0)
    monkeypatch.setattr("factory.report.viewer.search.QUIET", 0.3)
    sheets = Sheets(open_run(full_run))
    assert sheets.text._thread is None, "nobody has looked at a page yet"
    sheets.page(Query("verdicts/labelled"))
    sheets.text._thread.join()
    assert sheets.text.rows("verdicts/labelled", "boxed", deep=False) is not None
    sheets.close()


def test_a_sheet_that_cannot_be_copied_keeps_no_other_from_it(make_run, tmp_path, monkeypatch):
    monkeypatch.setattr("factory.report.viewer.search.SMALL", 0)
    sheets = Sheets(open_run(make_run(tmp_path / "run")))
    broken = sheets.all["problems/clean"].parts[0]
    data = broken.read_bytes()
    broken.write_bytes(data[:4] + bytes(len(data) // 2) + data[4 + len(data) // 2 :])
    sheets.text.wait()
    assert sheets.text.rows("problems/clean", "x", deep=False) is None
    assert sheets.text.rows("verdicts/labelled", "boxed", deep=False) is not None
    sheets.close()


def test_closing_before_anything_was_copied_copies_nothing(full_run, monkeypatch):
    monkeypatch.setattr("factory.report.viewer.search.SMALL", 0)
    monkeypatch.setattr("factory.report.viewer.search.QUIET", 86_400)
    monkeypatch.setattr("subprocess.Popen", None)
    sheets = Sheets(open_run(full_run))
    sheets.page(Query("verdicts/labelled"))
    sheets.close()
    assert not sheets.text._thread.is_alive() and not sheets.text._copies
