"""Rows within a part are seen by whoever waits for it, and counted once."""

import time

from factory.progress import _Shown
from factory.progress.parts import following, note_of, noting, tick


def test_a_part_under_way_moves_the_bar_and_is_counted_once(tmp_path, monkeypatch):
    monkeypatch.setattr("factory.progress.parts.NOTE_SECONDS", 0.02)
    task = _Shown("verify", 100, "rows")
    with following(task, tmp_path):
        with noting(note_of(tmp_path, 0)):
            for _ in range(30):
                tick(2)
                time.sleep(0.005)
        until = time.monotonic() + 5
        while task.state.done == 0 and time.monotonic() < until:
            time.sleep(0.01)
        assert 0 < task.state.done <= 60
        note_of(tmp_path, 0).unlink()
        task.advance(60)
    assert task.state.done == 60 and task.partly == 0


def test_nobody_asks():
    tick(5)
