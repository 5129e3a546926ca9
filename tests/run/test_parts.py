"""Every part is checked, not only the first; digests and batches."""

import polars as pl
import pytest

from factory.errors import FactoryError
from factory.run import writer
from factory.run.parts import MANIFEST, check_parts, count_rows, finished, input_digest, iter_part, iter_parts
from factory.run.step_writer import StepWriter
from schemas import PROBLEM


def problems(start, count):
    return pl.DataFrame(
        {
            "id": [f"p-{i}" for i in range(start, start + count)], "problem": "What?", "source": "test",
            "answer": "1",
        }
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A step's folder of three parts."""
    monkeypatch.setattr(writer, "ROWS_PER_PART", 2)
    with StepWriter(tmp_path / "out", "problems", PROBLEM) as step:
        for start in (0, 2, 4):
            step.keep(problems(start, 2))
        step.finish(rows_in=6)
    return tmp_path / "out"


def parts(folder):
    return sorted(folder.glob("part-*.parquet"))


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_part_that_changed_is_named(folder, which):
    check_parts(folder)
    path = parts(folder)[which]
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(FactoryError, match=rf"{path.name} is corrupt"):
        check_parts(folder)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_part_that_is_gone_is_named(folder, which):
    path = parts(folder)[which]
    path.unlink()
    with pytest.raises(FactoryError, match=rf"{path.name} is missing"):
        check_parts(folder)


def test_rows_come_in_order_over_all_parts_and_are_counted(folder):
    assert len(parts(folder)) == 3 and count_rows(parts(folder)) == 6
    assert pl.concat(iter_parts(folder, rows=1))["id"].to_list() == [f"p-{i}" for i in range(6)]
    assert [frame.height for frame in iter_parts(folder, rows=1)] == [1] * 6
    (frame,) = iter_part(parts(folder)[1], columns=["id", "no such column"])
    assert frame.to_dict(as_series=False) == {"id": ["p-2", "p-3"]}


def test_an_empty_part_has_one_batch_with_its_columns(tmp_path):
    path = tmp_path / "empty.parquet"
    problems(0, 0).write_parquet(path)
    (frame,) = iter_part(path, columns=["id"])
    assert frame.height == 0 and frame.columns == ["id"]


def test_a_step_is_finished_for_its_own_key_only(folder):
    import json

    key = json.loads((folder / MANIFEST).read_text())["key"]
    assert finished(folder, key)["rows_out"] == 6
    assert finished(folder, "another") is None is finished(folder / "nowhere", key)


def test_the_digest_of_an_input_follows_its_bytes_and_names(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    one, two = folder / "a.jsonl", folder / "b.jsonl"
    one.write_text("1")
    two.write_text("2")
    before = input_digest(folder)
    assert before == input_digest(folder) != input_digest(one) != input_digest(two)
    two.write_text("3")
    changed = input_digest(folder)
    two.rename(folder / "c.jsonl")
    assert len({before, changed, input_digest(folder)}) == 3
