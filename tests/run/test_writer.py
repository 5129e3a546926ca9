"""A step's folder is whole or not there, its books balance, and its digest depends on content alone."""

import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.errors import FactoryError, UsageError
from factory.run.ledger import close_ledger, read_ledger
from factory.run.parts import check_parts, finished, input_digest, iter_parts, read_dropped, read_parts
from factory.run.step import step_key
from factory.run.step_writer import StepWriter
from factory.run.tables import dropped_rows
from schemas import PROBLEM, VERDICT


def problems(n):
    return pl.DataFrame({"id": [f"p{i}" for i in range(n)], "problem": ["x"] * n, "source": ["s"] * n})


def write(folder, frame, dropped=None, **settings_):
    with StepWriter(folder, "demo", PROBLEM, settings=settings_) as writer:
        writer.keep(frame)
        if dropped is not None:
            writer.drop(dropped)
        return writer.finish(rows_in=frame.height + (0 if dropped is None else dropped.height))


def test_kept_and_dropped_come_back(tmp_path):
    frame = problems(5)
    manifest = write(tmp_path, frame[:3], dropped_rows(frame[3:], step="demo", reason="too short"))
    assert read_parts(tmp_path)["id"].to_list() == ["p0", "p1", "p2"]
    dropped = read_dropped(tmp_path)
    assert dropped["row_id"].to_list() == ["p3", "p4"]
    assert json.loads(dropped["row"][0])["problem"] == "x"
    assert manifest["dropped"] == {"too short": 2}
    assert (manifest["rows_in"], manifest["rows_out"], manifest["rows_dropped"]) == (5, 3, 2)


def test_unbalanced_books_leave_no_manifest(tmp_path):
    with StepWriter(tmp_path, "demo", PROBLEM) as writer:
        writer.keep(problems(2))
        with pytest.raises(FactoryError, match="does not balance"):
            writer.finish(rows_in=3)
    assert not (tmp_path / "_manifest.json").exists()


def test_ledger_refuses_a_tampered_manifest(tmp_path):
    write(tmp_path / "a", problems(2))
    path = tmp_path / "a" / "_manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, "rows_in": 7}))
    with pytest.raises(FactoryError, match=r"a/_manifest\.json is damaged"):
        close_ledger(tmp_path)
    del manifest["seal"]  # which former versions did not write
    path.write_text(json.dumps({**manifest, "rows_in": 7}))
    with pytest.raises(FactoryError, match="does not balance at a"):
        close_ledger(tmp_path)


def test_ledger_sums_tokens_and_dollars(tmp_path):
    for name, usd in (("a", 0.5), ("b", 0.25)):
        with StepWriter(tmp_path / name, name, PROBLEM) as writer:
            writer.keep(problems(1))
            writer.finish(rows_in=1, totals={"usd": usd, "completion_tokens": 10})
    close_ledger(tmp_path)
    sums = json.loads((tmp_path / "ledger.json").read_text())["sums"]
    assert sums["usd"] == 0.75 and sums["completion_tokens"] == 20
    assert len(read_ledger(tmp_path)) == 2


def test_a_flipped_byte_is_found_and_named(tmp_path):
    write(tmp_path, problems(3))
    part = tmp_path / "part-00000.parquet"
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 0xFF
    part.write_bytes(bytes(data))
    with pytest.raises(FactoryError, match=r"part-00000\.parquet is corrupt"):
        check_parts(tmp_path)


def test_clock_columns_do_not_change_the_digest(tmp_path):
    row = {name: None for name in VERDICT.names} | {"response_id": "r", "verdict": "correct"}
    digests = []
    for name, seconds, verdict in (("a", 0.1, "correct"), ("b", 0.9, "correct"), ("c", 0.1, "incorrect")):
        frame = pl.DataFrame([{**row, "verify_seconds": seconds, "verdict": verdict}])
        with StepWriter(tmp_path / name, "v", VERDICT) as writer:
            writer.keep(frame)
            digests.append(writer.finish(rows_in=1)["output_digest"])
    assert digests[0] == digests[1] != digests[2]


def test_a_step_is_finished_only_under_its_own_key(tmp_path):
    manifest = write(tmp_path, problems(1), threshold=0.8)
    assert finished(tmp_path, manifest["key"]) == manifest
    assert finished(tmp_path, step_key("demo", {"threshold": 0.9}, {})) is None
    assert input_digest(tmp_path) == manifest["output_digest"]


def test_a_new_attempt_clears_the_old_parts(tmp_path):
    write(tmp_path, problems(4), dropped_rows(problems(1), step="demo", reason="x"))
    write(tmp_path, problems(1))
    assert read_parts(tmp_path).height == 1
    assert read_dropped(tmp_path) is None


def test_an_unwritable_folder_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file" / "out", Path("/proc/nowhere"), tmp_path / ("long" * 100)):
        with pytest.raises(UsageError, match="cannot write"):
            write(out, problems(1))


def test_no_rows_still_show_their_columns(tmp_path):
    write(tmp_path, problems(0))
    assert read_parts(tmp_path).columns == PROBLEM.names


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 7), max_size=12))
def test_batches_keep_order_and_count(tmp_path_factory, sizes):
    folder = tmp_path_factory.mktemp("step")
    frame = problems(sum(sizes))
    with StepWriter(folder, "demo", PROBLEM) as writer:
        start = 0
        for size in sizes:
            writer.keep(frame[start : start + size])
            start += size
        writer.finish(rows_in=frame.height)
    assert read_parts(folder)["id"].to_list() == frame["id"].to_list()
    assert [row for batch in iter_parts(folder, rows=3) for row in batch["id"].to_list()] == frame[
        "id"
    ].to_list()
