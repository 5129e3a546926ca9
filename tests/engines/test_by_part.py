"""A step by part: the same bytes wherever it runs, and what is done stays done."""

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial

import parts
import polars as pl
import pytest

from factory.config.decontamination import DecontaminationSection
from factory.engines.engine import open_engine
from factory.errors import FactoryError
from factory.run.parts import check_parts, read_dropped, read_parts
from factory.steps import decontaminate


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return parts.write_parts(tmp_path_factory.mktemp("in"), 12)


@pytest.fixture(scope="module")
def whole(folder, tmp_path_factory):
    """What comes out in this process."""
    out = tmp_path_factory.mktemp("whole") / "out"
    with open_engine("local", workers=1) as engine:
        parts.run(folder, out, partial(parts.sieve, 3), engine=engine)
    return out


def test_rows_are_kept_or_dropped_and_the_books_say_so(folder, whole):
    rows = read_parts(folder)
    kept, dropped = read_parts(whole), read_dropped(whole)
    assert sorted([*kept["id"], *dropped["row_id"]]) == sorted(rows["id"])
    assert kept["id"].is_sorted()
    assert kept.columns[:3] == ["id", "problem", "answer"] and "extra" in kept.columns
    check_parts(whole)
    assert not list(whole.glob(".*")), "the scratch directory is left over"


def test_totals_come_from_all_parts(folder, whole):
    manifest = json.loads((whole / "_manifest.json").read_text())
    numbers = read_parts(folder)["id"].str.slice(1).cast(pl.Int64)
    assert manifest["totals"] == {"total": numbers.sum(), "parts": 12}
    assert manifest["rows_in"] == numbers.len() == manifest["rows_out"] + manifest["rows_dropped"]


def test_the_same_bytes_with_any_engine(folder, whole, engine, tmp_path):
    parts.run(folder, tmp_path / "out", partial(parts.sieve, 3), engine=engine)
    assert parts.contents(tmp_path / "out") == parts.contents(whole)


def test_an_error_in_one_part_stops_the_step_and_leaves_no_manifest(folder, engine, tmp_path):
    with pytest.raises(Exception, match=r"cannot read part-00001\.parquet"):
        parts.run(folder, tmp_path / "out", parts.broken, engine=engine)
    assert not (tmp_path / "out" / "_manifest.json").exists()
    assert not list((tmp_path / "out").glob("part-*"))


def test_a_stopped_step_goes_on_where_it_stopped(folder, whole, local_engine, tmp_path):
    out, marks = tmp_path / "out", tmp_path / "marks"
    marks.mkdir()
    work = partial(parts.slow_sieve, marks, 0.0, 3)

    class Stopping:
        name, workers = "local", 1

        def map(self, work, items, *, gpu=False):
            for number, result in enumerate(stopped.map(work, items)):
                if number == 5:
                    raise FactoryError("stopped here")
                yield result

    # Its workers end with it: none finishes a part after what is done was looked at.
    with open_engine("local", workers=2) as stopped, pytest.raises(FactoryError, match="stopped here"):
        parts.run(folder, out, work, engine=Stopping())
    assert not (out / "_manifest.json").exists()
    done = {path.name.split("-")[1][:5] for path in out.glob(".scratch-*/record-*.json")}
    assert len(done) >= 5
    for path in marks.iterdir():
        path.unlink()
    parts.run(folder, out, work, engine=local_engine)
    again = {path.name.split(".")[0].split("-")[1] for path in marks.iterdir()}
    assert not again & done and again | done == {f"{n:05d}" for n in range(12)}
    assert parts.contents(out) == parts.contents(whole)


def test_other_settings_start_afresh(folder, whole, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(ValueError):
        parts.run(folder, out, parts.broken, every=5)
    assert list(out.glob(".scratch-*"))
    parts.run(folder, out, partial(parts.sieve, 3))
    assert parts.contents(out) == parts.contents(whole)


def test_kill_9_between_moving_and_manifest(folder, whole, tmp_path, monkeypatch):
    out = tmp_path / "out"

    def fail(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("factory.run.step_writer.finish_step", fail)
        with pytest.raises(KeyboardInterrupt):
            parts.run(folder, out, partial(parts.sieve, 3))
    assert len(list(out.glob("part-*"))) == 12
    parts.run(folder, out, partial(parts.sieve, 3))
    assert parts.contents(out) == parts.contents(whole)


def test_kill_9_of_driver_and_workers_at_any_moment(folder, whole, tmp_path):
    marks = tmp_path / "marks"
    marks.mkdir()
    program = (
        "import sys; from functools import partial; from pathlib import Path; import parts\n"
        "from factory.engines.engine import open_engine\n"
        "if __name__ == '__main__':\n"
        "    with open_engine('local', workers=2) as engine:\n"
        "        work = partial(parts.slow_sieve, sys.argv[3], 0.1, 3)\n"
        "        parts.run(Path(sys.argv[1]), Path(sys.argv[2]), work, engine=engine)\n"
    )
    script = tmp_path / "program.py"
    script.write_text(program)
    command = [sys.executable, str(script), str(folder), str(tmp_path / "out"), str(marks)]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
        "FACTORY_PROGRESS": "off",
    }
    for begun in (2, 4, 7):
        process = subprocess.Popen(command, env=environment, start_new_session=True)
        until = time.monotonic() + 60
        while len(list(marks.iterdir())) < begun and process.poll() is None:
            assert time.monotonic() < until
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert subprocess.run(command, env=environment, timeout=60).returncode == 0
    assert parts.contents(tmp_path / "out") == parts.contents(whole)
    assert len(list(marks.iterdir())) <= 12 + 3 * 2, "parts that were done were done again"


def test_decontaminate_gives_the_same_bytes_with_any_engine(engine, tmp_path):
    folder = parts.write_parts(tmp_path / "in", 5)
    bench = tmp_path / "bench.jsonl"
    problem = read_parts(folder)["problem"][7]
    bench.write_text(json.dumps({"id": "b", "problem": problem}) + "\n")
    section = DecontaminationSection(against=[str(bench)])
    outs = []
    with open_engine("local", workers=1) as alone:
        for name, where in (("alone", alone), ("engine", engine)):
            outs.append(tmp_path / name)
            decontaminate.run(folder, outs[-1], section, fields=["problem"], engine=where)
    assert parts.contents(outs[0]) == parts.contents(outs[1])
    hits = pl.read_parquet(outs[0] / "__side" / "hits.parquet")
    assert read_dropped(outs[0]).height >= 1
    assert set(read_parts(folder)["id"].gather(hits["row"].unique())) >= set(read_dropped(outs[0])["row_id"])
