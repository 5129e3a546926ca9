"""`factory dedup` as a user runs it, and taking a finished run up again with another threshold."""

import json

import polars as pl
import pytest

from factory.run.parts import read_dropped, read_parts
from tests.support.cli import run_factory

TEXT = (
    "a train leaves the station at noon and travels east along the coast while a second train leaves the harbour and "
    "travels west through the hills until both of them meet near the old bridge where the river bends sharply"
)


def changed(count):
    """The text with its last `count` words replaced."""
    words = TEXT.split()
    return " ".join(words[: len(words) - count] + [f"different{'x' * i}" for i in range(count)])


def dedup(*arguments):
    return run_factory("dedup", *arguments)


@pytest.fixture
def problems(tmp_path):
    texts = [changed(0), changed(0).upper(), changed(1), changed(6), "Something else."]
    path = tmp_path / "problems.jsonl"
    path.write_text("".join(json.dumps({"id": f"p{i}", "problem": t}) + "\n" for i, t in enumerate(texts)))
    return path


def test_the_verb_keeps_one_row_of_every_cluster_and_is_done_once(problems, tmp_path):
    out = tmp_path / "unique"
    done = dedup(problems, "--out", out, "--threshold", "0.9", "--show", "3")
    assert done.returncode == 0, done.stderr
    assert read_parts(out)["id"].to_list() == ["p0", "p3", "p4"]
    assert read_dropped(out)["reason"].to_list() == ["exact_duplicate", "near_duplicate"]
    assert "least similar merged pairs" in done.stdout
    again = dedup(problems, "--out", out, "--threshold", "0.9")
    assert again.returncode == 0
    assert "nothing to do" in again.stdout


def test_another_threshold_gives_what_a_fresh_run_gives_without_signing(problems, tmp_path):
    out, fresh = tmp_path / "unique", tmp_path / "fresh"
    assert dedup(problems, "--out", out, "--threshold", "0.6").returncode == 0
    assert read_parts(out)["id"].to_list() == ["p0", "p4"]
    for threshold in ("0.9", "0.99", "0.6"):
        done = dedup(problems, "--out", out, "--threshold", threshold, "--rethreshold")
        assert done.returncode == 0, done.stderr
        assert dedup(problems, "--out", fresh, "--threshold", threshold).returncode == 0
        assert read_parts(out).equals(read_parts(fresh))
        assert read_dropped(out).equals(read_dropped(fresh))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--threshold", "0.5", "--rethreshold"], "similarity 0.6 and more only"),
        (["--threshold", "0.9", "--ngram", "3", "--rethreshold"], "other settings"),
    ],
)
def test_a_threshold_that_the_stored_pairs_cannot_answer_is_refused(problems, tmp_path, change, message):
    out = tmp_path / "unique"
    assert dedup(problems, "--out", out, "--threshold", "0.6").returncode == 0
    before = read_parts(out)
    done = dedup(problems, "--out", out, *change)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert read_parts(out).equals(before)


def test_a_folder_without_a_run_is_refused(problems, tmp_path):
    done = dedup(problems, "--out", tmp_path / "nothing", "--rethreshold")
    assert done.returncode == 2
    assert "no finished run" in " ".join(done.stderr.split())


def test_the_stored_pairs_stay_when_a_run_is_taken_up_again(problems, tmp_path):
    out = tmp_path / "unique"
    assert dedup(problems, "--out", out, "--threshold", "0.6").returncode == 0
    pairs = pl.read_parquet(out / "__side" / "pairs.parquet")
    assert dedup(problems, "--out", out, "--threshold", "0.99", "--rethreshold").returncode == 0
    assert pl.read_parquet(out / "__side" / "pairs.parquet").equals(pairs)
