"""A step is made once per key, checks what it reads and where it writes, and touches nothing that it did not write."""

import json
import os
from dataclasses import dataclass
from functools import partial

import polars as pl
import pytest

from factory.errors import FactoryError, Stopped, UsageError
from factory.run.out_folder import OutFolder
from factory.run.parts import check_parts, read_dropped, read_parts, side_path
from factory.run.step import Step
from factory.run.step_writer import StepWriter
from factory.run.tables import dropped_rows
from schemas import PROBLEM


@dataclass(frozen=True)
class Counted:
    kept: int
    note: str | None = None


def problems(n, first=0):
    ids = [f"p{i}" for i in range(first, first + n)]
    return pl.DataFrame({"id": ids, "problem": ["x"] * n, "source": ["s"] * n})


def step(out, rows="x", name="demo", **settings):
    return Step(name, out, Counted, settings=settings, inputs={"rows": rows}, schema=PROBLEM)


def fill(frame, lost, writer):
    writer.read["rows"] += frame.height + lost
    writer.keep(frame)
    writer.drop(dropped_rows(problems(lost, 100), step="demo", reason="why"))
    writer.side("notes.parquet", pl.DataFrame({"a": [1, 2, 3]}))
    return Counted(frame.height)


def copy(source, writer):
    """Read all rows of a step's folder."""
    rows = read_parts(source)
    writer.read["rows"] += rows.height
    writer.keep(rows)
    return Counted(rows.height)


def make(out, n=4, lost=2, **settings):
    return step(out, **settings).run(partial(fill, problems(n), lost))


def test_a_summary_comes_back_typed_and_the_step_is_made_once(tmp_path):
    first = make(tmp_path / "a", threshold=1)
    again = make(tmp_path / "a", threshold=1)
    assert first.made and not again.made
    assert first.summary == again.summary == Counted(4)
    assert again.manifest["totals"] == {"kept": 4}
    assert make(tmp_path / "a", threshold=2).made


def test_a_kill_after_the_manifest_leaves_nothing_once_the_step_was_looked_at(tmp_path, monkeypatch):
    class Killed(BaseException):
        pass

    def killed(self):
        raise Killed

    monkeypatch.setattr(OutFolder, "clean", killed)
    with pytest.raises(Killed):
        make(tmp_path / "a")
    assert list(tmp_path.glob("a/.scratch-*"))
    assert not make(tmp_path / "a").made
    assert not list(tmp_path.glob("a/.*"))


def test_side_tables_and_dropped_rows_are_named_in_the_manifest(tmp_path):
    manifest = make(tmp_path / "a").manifest
    assert sorted(manifest["files"]) == [
        "__dropped/part-00000.parquet", "__side/notes.parquet", "part-00000.parquet",
    ]  # fmt: skip
    assert pl.read_parquet(side_path(tmp_path / "a", "notes.parquet")).height == 3
    assert read_dropped(tmp_path / "a").height == 2
    assert not list((tmp_path / "a").glob(".*")), "scratch is left over"


def test_one_line_says_why_a_step_is_made_again(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("FACTORY_PROGRESS", "log")
    make(tmp_path / "a", threshold=1, same=0)
    make(tmp_path / "a", threshold=2, same=0)
    assert capsys.readouterr().err.splitlines() == ["demo: made again, because of other threshold"]


def other_part(folder):
    (folder / "part-00001.parquet").write_bytes((folder / "part-00000.parquet").read_bytes())


def edited(folder):
    path = folder / "part-00000.parquet"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))


def edited_with_the_old_time(folder):
    path = folder / "part-00000.parquet"
    times = path.stat()
    edited(folder)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def truncated(folder):
    path = folder / "part-00000.parquet"
    path.write_bytes(path.read_bytes()[:-7])


def missing(folder):
    (folder / "part-00000.parquet").unlink()


def older(folder):
    """A part of an earlier run, with its own time."""
    before = folder.with_name("before")
    make(before, n=3, lost=0)
    (before / "part-00000.parquet").replace(folder / "part-00000.parquet")


@pytest.mark.parametrize("harm", [other_part, edited, edited_with_the_old_time, truncated, missing, older])
def test_a_step_stops_at_an_input_that_its_step_did_not_write(tmp_path, harm):
    make(tmp_path / "a")
    harm(tmp_path / "a")
    with pytest.raises(
        FactoryError, match=r"a/part-0000[01]\.parquet (is corrupt|is missing|was not written)"
    ):
        step(tmp_path / "b", tmp_path / "a").run(partial(copy, tmp_path / "a"))
    assert not (tmp_path / "b" / "_manifest.json").exists()


@pytest.mark.parametrize("harm", [other_part, edited, truncated, missing])
def test_finished_means_that_the_files_are_there(tmp_path, harm):
    make(tmp_path / "a")
    harm(tmp_path / "a")
    with pytest.raises(FactoryError, match=r"a/part-0000[01]\.parquet"):
        make(tmp_path / "a")


def test_rows_in_must_be_what_the_step_before_left(tmp_path):
    make(tmp_path / "a")

    def half(writer):
        rows = read_parts(tmp_path / "a").head(2)
        writer.read["rows"] += rows.height
        writer.keep(rows)
        return Counted(2)

    with pytest.raises(FactoryError, match="step demo read 2 rows of rows, but step demo left 4"):
        step(tmp_path / "b", tmp_path / "a").run(half)


@pytest.mark.parametrize(
    "name",
    [
        "mine.txt",
        "part-00000-c000.snappy.parquet",
        "part-00000.parquet",
        "dropped/mine.txt",
        "__dropped/part-00007.parquet",
        "deep/er/file",
    ],
)
def test_what_the_step_did_not_write_is_refused_and_left_alone(tmp_path, name):
    path = tmp_path / "out" / name
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    with pytest.raises(UsageError, match="was not written by step demo"):
        make(tmp_path / "out")
    assert [p for p in (tmp_path / "out").rglob("*") if p.is_file()] == [path]
    assert path.read_text() == "mine"


def test_a_file_beside_finished_output_is_refused_before_anything_is_removed(tmp_path):
    make(tmp_path / "a", threshold=1)
    (tmp_path / "a" / "README.md").write_text("mine")
    with pytest.raises(UsageError, match=r"README\.md was not written by step demo"):
        make(tmp_path / "a", threshold=2)
    (tmp_path / "a" / "README.md").unlink()
    assert not make(tmp_path / "a", threshold=1).made


def test_another_steps_folder_is_refused(tmp_path):
    make(tmp_path / "a")
    with pytest.raises(UsageError, match="a holds the output of step demo"):
        step(tmp_path / "a", name="other").run(partial(fill, problems(1), 0))
    assert read_parts(tmp_path / "a").height == 4


def test_output_stays_until_the_new_one_is_complete(tmp_path):
    make(tmp_path / "a", threshold=1)

    def stop(writer):
        fill(problems(9), 0, writer)
        raise Stopped("stopped here")

    with pytest.raises(Stopped):
        step(tmp_path / "a", threshold=2).run(stop)
    assert not make(tmp_path / "a", threshold=1).made
    assert make(tmp_path / "a", n=1, lost=0, threshold=3).made
    assert read_parts(tmp_path / "a").height == 1 and read_dropped(tmp_path / "a") is None
    assert not list((tmp_path / "a").glob(".*")), "scratch of the stopped attempt is left over"


def test_killed_between_moving_and_manifest_then_other_settings(tmp_path, monkeypatch):
    make(tmp_path / "a", n=9, lost=3, threshold=1)

    def die(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("factory.run.step_writer.finish_step", die)
        with pytest.raises(KeyboardInterrupt):
            make(tmp_path / "a", n=5, lost=1, threshold=2)
    assert not (tmp_path / "a" / "_manifest.json").exists()
    make(tmp_path / "a", n=1, lost=0, threshold=3)
    check_parts(tmp_path / "a")
    assert read_parts(tmp_path / "a").height == 1 and read_dropped(tmp_path / "a") is None


def test_a_users_mistake_leaves_nothing(tmp_path):
    def wrong(writer):
        writer.keep(problems(1))
        raise UsageError("no such column")

    with pytest.raises(UsageError, match="no such column"):
        step(tmp_path / "a").run(wrong)
    assert not (tmp_path / "a").exists()


def test_a_folder_of_a_former_version_is_replaced(tmp_path):
    out = tmp_path / "a"
    make(out)
    manifest = json.loads((out / "_manifest.json").read_text())
    del manifest["seal"]  # which former versions did not write
    (out / "__dropped").rename(out / "dropped")
    (out / "__side" / "notes.parquet").rename(out / "hits.parquet")
    (out / "__side").rmdir()
    (out / ".votes-old").mkdir()
    files = {name.replace("__", ""): facts for name, facts in manifest["files"].items() if "side" not in name}
    (out / "_manifest.json").write_text(json.dumps({**manifest, "key": "former", "files": files}))
    assert read_dropped(out).height == 2
    make(out, n=1)
    assert sorted(path.name for path in out.iterdir()) == [
        "__dropped", "__side", "_manifest.json", "part-00000.parquet",
    ]  # fmt: skip


def test_a_reason_to_stop_is_left_in_place_and_replaced_by_the_next_attempt(tmp_path):
    def fail(writer):
        writer.leave("lint.json", {"passed": False})
        raise FactoryError("lint failed")

    with pytest.raises(FactoryError):
        step(tmp_path / "a", threshold=1).run(fail)
    assert json.loads((tmp_path / "a" / "__side" / "lint.json").read_text()) == {"passed": False}
    make(tmp_path / "a", threshold=2)
    assert not (tmp_path / "a" / "__side" / "lint.json").exists()


def test_hidden_files_are_neither_refused_nor_removed(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / ".gitkeep").write_text("")
    with StepWriter(tmp_path / "a", "demo", PROBLEM) as writer:
        writer.keep(problems(1))
        writer.finish(rows_in=1)
    assert (tmp_path / "a" / ".gitkeep").exists()
