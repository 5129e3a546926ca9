"""Marks last: what was said to be saved is on disk, the last mark counts, a torn line hurts nobody else's."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from factory.errors import UsageError
from factory.run.review import FILE, Mark, add_review, read_reviews, rejected_ids


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
