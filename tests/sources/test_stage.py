"""Files read block by block give the table that they give when read at once."""

import gzip
import json

import polars as pl
import pytest

from factory.config.decontamination import DecontaminationSection
from factory.engines.engine import open_engine
from factory.errors import UsageError
from factory.sources.files import read_rows
from factory.sources.stage import stage
from factory.steps import decontaminate

ROWS = [
    {"id": "a", "answer": 1, "score": None, "list": [1, 2]},
    {"id": "b", "answer": 2, "score": 1, "list": [3]},
    {"id": "c", "answer": "three", "score": 2.5, "list": None},
    {"id": "d", "answer": None, "late": True, "score": 4, "list": []},
    {"id": "é", "answer": 5.0, "late": None, "score": None, "list": [6]},
    {"id": "f", "answer": {"x": [1]}, "late": False, "score": 7, "list": [7]},
]


@pytest.fixture
def engine():
    with open_engine("local", workers=1) as opened:
        yield opened


def write(path, rows, broken=False):
    lines = [json.dumps(row) for row in rows]
    if broken:
        lines.insert(1, '{"id": "broken')
    data = ("\n".join(lines) + "\n").encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def together(found):
    return pl.concat([pl.read_parquet(path) for path in found.parts])


@pytest.mark.parametrize("size", [1, 60, 150, 1 << 20])
def test_blocks_of_any_size_give_the_same_table(size, engine, tmp_path):
    files = [
        write(tmp_path / "a.jsonl", ROWS[:4], broken=True),
        write(tmp_path / "b.jsonl.gz", ROWS[4:], broken=True),
    ]
    at_once = read_rows(files)
    found = stage(files, tmp_path / "parts", engine, size=size)
    assert together(found).equals(at_once.rows)
    assert found.unread.equals(at_once.dropped)
    assert found.unread["row_id"].to_list() == [f"{files[0]}:2", f"{files[1]}:2"]
    if size < 100:
        assert len(found.parts) > 2


def test_parquet_files_of_one_schema_are_parts_as_they_are(engine, tmp_path):
    frame = pl.DataFrame({"id": ["a"], "x": [1]})
    for name in "ab":
        frame.write_parquet(tmp_path / f"{name}.parquet")
    found = stage(tmp_path, tmp_path / "parts", engine)
    assert found.parts == [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    assert not (tmp_path / "parts").exists()


def test_parquet_files_of_several_schemas_become_one(engine, tmp_path):
    pl.DataFrame({"id": ["a"], "x": [1]}).write_parquet(tmp_path / "a.parquet")
    pl.DataFrame({"id": ["b"], "x": ["two"], "y": [0.5]}).write_parquet(tmp_path / "b.parquet")
    found = stage(tmp_path, tmp_path / "parts", engine)
    assert together(found).rows() == [("a", "1", None), ("b", "two", 0.5)]


def test_nothing_readable_is_one_empty_part(engine, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("not json\n")
    found = stage(path, tmp_path / "parts", engine)
    assert [pl.read_parquet(part).height for part in found.parts] == [0]
    assert found.unread.height == 1


def test_a_cut_archive_is_the_users_to_mend_and_nothing_is_left(engine, tmp_path):
    path = write(tmp_path / "a.jsonl.gz", ROWS * 50)
    path.write_bytes(path.read_bytes()[:-20])
    out = tmp_path / "out"
    bench = tmp_path / "bench.jsonl"
    bench.write_text('{"id": "b", "problem": "1 + 1"}\n')
    section = DecontaminationSection(against=[str(bench)])
    with pytest.raises(UsageError, match=r"cannot read .*a\.jsonl\.gz"):
        decontaminate.run([str(path)], out, section, fields=["id"], engine=engine)
    assert not out.exists()
