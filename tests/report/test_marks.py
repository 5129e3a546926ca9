"""Marks last: what was said to be saved is on disk, the last mark counts, a torn line hurts nobody else's."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from factory.errors import UsageError
from factory.report.step_folders import open_run
from factory.report.viewer.app import build_app
from factory.report.viewer.reviewing import agreement
from factory.run.review import (
    FILE,
    Mark,
    Review,
    add_review,
    read_reviews,
    rejected_ids,
    reviews_by_reviewer,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", "c\n{"]), st.sampled_from(list(Mark)), st.text(max_size=8)))
)
def test_the_last_mark_counts(tmp_path_factory, marks):
    run = tmp_path_factory.mktemp("run")
    last = {}
    for row_id, mark, note in marks:
        add_review(run, row_id, mark.value, note)
        last[row_id] = (mark, note)
    kept = {k: v for k, v in last.items() if v[0] != Mark.CLEAR}
    assert {k: (v.mark, v.note) for k, v in read_reviews(run).items()} == kept
    assert rejected_ids(run) == {k for k, v in kept.items() if v[0] == Mark.REJECT}


def test_a_torn_line_is_skipped_and_the_next_mark_is_whole(tmp_path):
    add_review(tmp_path, "a", "accept")
    path = tmp_path / FILE
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:20])
    add_review(tmp_path, "b", "reject")
    assert {k: v.mark for k, v in read_reviews(tmp_path).items()} == {"a": Mark.ACCEPT, "b": Mark.REJECT}


@pytest.mark.parametrize(
    ("row_id", "mark", "note"), [("", "accept", ""), ("a", "burn", ""), ("a", "note", "x" * 10_001)]
)
def test_wrong_marks_are_refused(tmp_path, row_id, mark, note):
    with pytest.raises(UsageError):
        add_review(tmp_path, row_id, mark, note)
    assert not (tmp_path / FILE).exists()


def test_reviewers_are_kept_apart_and_the_last_mark_of_any_counts(tmp_path):
    add_review(tmp_path, "a", "accept", "", "Ann")
    add_review(tmp_path, "a", "reject", "", "Bob")
    add_review(tmp_path, "b", "accept")
    add_review(tmp_path, "c", "accept", "", "Ann")
    add_review(tmp_path, "c", "clear", "", "Ann")
    marks = reviews_by_reviewer(tmp_path)
    assert {name: {k: v.mark for k, v in given.items()} for name, given in marks.items()} == {
        "": {"b": Mark.ACCEPT},
        "Ann": {"a": Mark.ACCEPT},
        "Bob": {"a": Mark.REJECT},
    }
    assert read_reviews(tmp_path)["a"].mark == Mark.REJECT


def test_marks_of_earlier_versions_have_no_reviewer(tmp_path):
    (tmp_path / FILE).write_text('{"id": "a", "mark": "accept", "note": "", "at": ""}\n')
    assert read_reviews(tmp_path)["a"].reviewer == ""


def decisions(text):
    return {
        str(i): Review(str(i), {"a": Mark.ACCEPT, "r": Mark.REJECT, "n": Mark.NOTE}[c])
        for i, c in enumerate(text)
        if c != "-"
    }


@pytest.mark.parametrize(
    ("one", "other", "both", "agree", "kappa"),
    [
        ("aarr", "aarr", 4, 4, 1.0),
        ("aarr", "rraa", 4, 0, -1.0),
        ("aarr", "arar", 4, 2, 0.0),
        ("aaaa", "aaaa", 4, 4, None),
        ("aanr", "-anr", 2, 2, 1.0),
        ("a" * 25 + "r" * 25, "a" * 20 + "r" * 5 + "a" * 10 + "r" * 15, 50, 35, 0.4),
    ],
)
def test_agreement_is_cohens_kappa(one, other, both, agree, kappa):
    """The last row is the textbook's example: 20 and 15 of 50 agree, kappa 0.4."""
    found = agreement("Ann", "Bob", {"Ann": decisions(one), "Bob": decisions(other)})
    assert (found.both, found.agree) == (both, agree)
    assert found.kappa == (None if kappa is None else pytest.approx(kappa))
    assert len(found.differ) == both - agree


def test_two_reviewers_see_their_own_marks_and_where_they_differ(full_run, tmp_path, make_run):
    run = make_run(tmp_path / "run", until="problems", count=12)
    ids = [f"p-{i:016x}" for i in range(3)]
    apps = {
        name: TestClient(build_app(open_run(run), reviewer=name), base_url="http://127.0.0.1")
        for name in ("Ann", "Bob")
    }
    for name, marks in (("Ann", ("accept", "reject", "accept")), ("Bob", ("accept", "accept", "note"))):
        for row_id, mark in zip(ids, marks, strict=True):
            body = {"id": row_id, "mark": mark, "note": "=1+1"}
            assert (
                apps[name].post("/mark", json=body, headers={"origin": "http://127.0.0.1"}).status_code == 200
            )
    assert "3 of 12 marked" in apps["Ann"].get("/table?sheet=problems/read").text
    page = apps["Bob"].get("/review").text
    assert "agree on 1 (50%)" in page
    assert ids[1] in page
    assert 'class="mark reject"' not in apps["Bob"].get(f"/row?id={ids[1]}").text
    lines = [json.loads(line) for line in apps["Ann"].get("/review.jsonl").text.splitlines()]
    assert [(line["reviewer"], line["id"], line["mark"]) for line in lines][:2] == [
        ("Ann", ids[0], "accept"),
        ("Ann", ids[1], "reject"),
    ]
    rows = list(csv.DictReader(io.StringIO(apps["Ann"].get("/review.csv").text)))
    assert len(rows) == 6
    assert {row["note"] for row in rows} == {"'=1+1"}, "no cell that a spreadsheet would compute"
    unmarked = apps["Ann"].get("/next?sheet=problems/read&only=unmarked", follow_redirects=False)
    assert unmarked.headers["location"] == f"/row?id=p-{3:016x}"
