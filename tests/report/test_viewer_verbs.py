"""The viewer on what a single verb wrote, and on tables that lack optional columns: every row opens and shows its text."""

import html
import re

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from factory.report.build import build_report
from factory.report.step_folders import open_run
from factory.report.viewer.app import build_app
from factory.run.step_writer import StepWriter
from factory.run.tables import dropped_rows

PROBLEM = {
    "problem": "Which number <b>follows</b> one? " + "Say why. " * 40,
    "answer": "2",
    "choices": ["1", "2"],
}
RESPONSE = {
    "response_id": "r-11111111",
    "problem_id": "p-11111111",
    "sample_index": 0,
    "reasoning": "One and one is two. " * 30,
    "content": r"It is $\boxed{2}$. " * 20,
    "status": "complete",
    "sampler": "teacher",
    "model": "m",
    "completion_tokens": 12,
    **PROBLEM,
}
VERDICT = {**RESPONSE, "verdict": "correct", "method": "literal", "extracted": "2", "confidence": 0.9}


def said(role, text):
    return [{"role": role, "content": text}]


PAIR = {
    "problem_id": "p-11111111",
    "prompt": said("user", PROBLEM["problem"]),
    "chosen": said("assistant", "<think>\nOne and one.\n</think>\n\nIt is two. " + "Sure. " * 50),
    "rejected": said("assistant", "<think>\nNo idea.\n</think>\n\nIt is three. " + "Perhaps. " * 50),
    "chosen_response_id": "r-11111111",
    "rejected_response_id": "r-22222222",
    "pair_rule": "nearest_length",
}
SFT = {
    "prompt": PAIR["prompt"],
    "completion": PAIR["chosen"],
    "problem_id": "p-11111111",
    "response_id": "r-11111111",
    "source": "s",
}
VERBS = {
    "generate": RESPONSE,
    "verify": VERDICT,
    "verify a file without choices": {k: v for k, v in VERDICT.items() if k != "choices"},
    "verify a file without ids": {k: v for k, v in VERDICT.items() if not k.endswith("_id")},
    "dedup a file": {"text": "A plain document. " * 30, "n": 3},
    "numbered rows": {"id": 7, "problem": PROBLEM["problem"], "content": "It is two. " * 30},
    "pairs": PAIR,
    "select": SFT,
    "difficulty": {
        "id": "p-11111111",
        **PROBLEM,
        "pass_rate": 0.5,
        "attempts": 4,
        "correct": 2,
        "band": "useful",
    },
}
"""One row as each verb writes it."""


def write(folder, row, count=3):
    with StepWriter(folder, "made") as writer:
        writer.keep(pl.DataFrame([row] * count, infer_schema_length=None))
        lost = pl.DataFrame({"id": ["x"], "problem": [str(row.get("problem"))]})
        writer.drop(dropped_rows(lost, step="made", reason="bad"))
        writer.finish(rows_in=count + 1)
    return folder


def client(folder):
    return TestClient(build_app(open_run(folder)), base_url="http://127.0.0.1", raise_server_exceptions=False)


def links(page, kind):
    return [html.unescape(found) for found in re.findall(rf'href="({kind}\?[^"]*)"', page)]


def texts(row):
    for value in row.values():
        if isinstance(value, str) and len(value) > 100:
            yield value
        if isinstance(value, list) and value and isinstance(value[0], dict):
            yield value[-1]["content"].rpartition("</think>")[2].strip()


@pytest.mark.parametrize("verb", VERBS)
def test_every_row_opens_and_shows_its_text(tmp_path, verb):
    row, out = VERBS[verb], write(tmp_path / "out", VERBS[verb])
    with client(out) as viewer:
        home = viewer.get("/")
        assert "out" in home.text
        sheets = links(home.text, "/table")
        assert len(set(sheets)) == 2, "kept and dropped"
        page = viewer.get(sheets[0])
        assert page.status_code == 200
        assert any(text[:40] in html.unescape(page.text) for text in texts(row)), "the table shows text"
        records = set(links(page.text, "/record"))
        assert len(records) == 3
        rows = set(links(page.text, "/row"))
        assert rows or not any(name.endswith("id") for name in row)
        for address in records | rows:
            shown = viewer.get(address)
            assert shown.status_code == 200, address
            for text in texts(row):
                assert text[:200] in html.unescape(shown.text), (address, text[:40])


@pytest.mark.parametrize(
    "address",
    ["/record", "/record?sheet=out", "/record?sheet=out&part=0&row=99", "/record?sheet=out&part=9&row=0"]
    + [
        "/record?sheet=out&part=-1&row=0",
        "/record?sheet=none&part=0&row=0",
        "/record?sheet=out&part=٣&row=0",
    ],
)
def test_a_row_that_is_not_there_is_one_line(tmp_path, address):
    with client(write(tmp_path / "out", VERDICT)) as viewer:
        answer = viewer.get(address)
    assert answer.status_code == 400
    assert "no such row" in answer.text or "has no row" in answer.text


@pytest.mark.parametrize("odd", [["a"], [{"role": "user", "content": None}], {"a": 1}])
@pytest.mark.parametrize(
    "name", ["id", "problem_id", "response_id", "chosen_response_id", "rejected_response_id"]
)
def test_a_list_or_object_for_an_id_breaks_no_page(tmp_path, name, odd):
    with client(write(tmp_path / "out", PAIR | {name: odd}, count=1)) as viewer:
        tables = [viewer.get(page).text for page in links(viewer.get("/").text, "/table")]
        inner = {a for text in tables for kind in ("/row", "/record") for a in links(text, kind)}
        assert inner
        assert all(viewer.get(address).status_code < 500 for address in inner)


ODD = st.sampled_from(
    [None, "", "x", 7, 0.5, True, ["a"], [{"role": "user", "content": None}], {"a": 1}, "\u202e<script>"]
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_missing_or_odd_column_breaks_a_page(tmp_path_factory, data):
    """Any column may be absent or hold another type than ours."""
    whole = data.draw(st.sampled_from([VERDICT, PAIR, VERBS["difficulty"], SFT]))
    names = data.draw(st.lists(st.sampled_from(sorted(whole)), min_size=1, unique=True))
    odd = data.draw(st.dictionaries(st.sampled_from(names), ODD, max_size=3))
    row = {name: odd.get(name, whole[name]) for name in names}
    out = write(tmp_path_factory.mktemp("fuzz") / "out", row, count=1)
    with client(out) as viewer:
        pages = ["/", *links(viewer.get("/").text, "/table")]
        found = [viewer.get(page) for page in pages]
        inner = {a for page in found for kind in ("/row", "/record") for a in links(page.text, kind)}
        found += [viewer.get(address) for address in sorted(inner)]
    assert inner
    broken = [(page.url, page.status_code) for page in found if page.status_code >= 500]
    assert not broken, row
    build_report(out)
