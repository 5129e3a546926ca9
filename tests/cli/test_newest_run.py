"""Verbs that look at a run take the newest one, and say which."""

import pytest

from tests.publishing.trainer_rows import write_set
from tests.support.cli import run_factory

VERBS = (("status",), ("report",), ("why", "p1"), ("export", "--for", "trl", "--out", "out"))


@pytest.mark.parametrize("words", VERBS)
def test_the_newest_run_is_taken_and_named(words, tmp_path):
    write_set(tmp_path / "runs" / "one" / "datasets" / "sft", "sft")
    done = run_factory(*words, cwd=tmp_path)
    assert "runs/one, the newest run" in done.stderr
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "words", [*VERBS, ("view",), ("card",), ("papers",), ("publish", "me/x", "--dry-run")]
)
def test_without_a_run_it_is_one_line(words, tmp_path):
    done = run_factory(*words, cwd=tmp_path)
    assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1
    assert "runs" in done.stderr and "Traceback" not in done.stderr
