"""A finished run is finished only while its files are there, and a run replaces no file of others."""

import json
from pathlib import Path

import polars as pl
import pytest

from factory.config.load import load_recipe
from factory.errors import FactoryError, UsageError
from factory.run.folder import is_finished, locked, mark_finished
from factory.run.layout import RunLayout
from factory.run.ledger import close_ledger, read_ledger
from factory.run.step_writer import StepWriter
from schemas import PROBLEM

RECIPE = Path(__file__).parents[2] / "recipes" / "quickstart.yaml"


def write(folder, step, n, rows="x", read=None):
    frame = pl.DataFrame({"id": [f"p{i}" for i in range(n)], "problem": ["x"] * n, "source": ["s"] * n})
    with StepWriter(folder, step, PROBLEM, inputs={"rows": rows}) as writer:
        writer.read["rows"] = n if read is None else read
        writer.keep(frame)
        return writer.finish(rows_in=n)


def test_a_finished_run_whose_shard_is_gone_is_not_finished(tmp_path, capsys):
    recipe = load_recipe(RECIPE, [])
    write(tmp_path / "problems" / "read", "problems", 3)
    mark_finished(recipe, tmp_path)
    assert is_finished(recipe, tmp_path)
    part = tmp_path / "problems" / "read" / "part-00000.parquet"
    data = part.read_bytes()
    part.write_bytes(data[:-1] + b"x")
    with pytest.raises(FactoryError, match=r"part-00000\.parquet is corrupt \(checksum differs\)"):
        is_finished(recipe, tmp_path)
    part.unlink()
    with pytest.raises(FactoryError, match=r"part-00000\.parquet is missing"):
        is_finished(recipe, tmp_path)
    part.write_bytes(data)
    assert is_finished(recipe, tmp_path), "the same bytes with another time"
    (part.parent / "_manifest.json").unlink()
    assert not is_finished(recipe, tmp_path)
    assert "_manifest.json is missing" in capsys.readouterr().err


@pytest.mark.parametrize("key", ["verify.checker", "datasets.label", "datasets.filter", "generate.prompt"])
def test_an_edited_function_of_the_users_own_leaves_no_run_finished(key, tmp_path):
    mine, beside = tmp_path / "mine.py", tmp_path / "beside.py"
    mine.write_text("import beside\ndef own(row): return True\n")
    beside.write_text("A = 1\n")
    recipe = load_recipe(RECIPE, [f"{key}={mine}:own"])
    run = tmp_path / "run"
    write(run / "problems" / "read", "problems", 3)
    mark_finished(recipe, run)
    assert is_finished(recipe, run)
    for path in (beside, mine):
        before = path.read_text()
        path.write_text(before + "B = 2\n")
        assert not is_finished(recipe, run)
        path.write_text(before)
        assert is_finished(recipe, run)


@pytest.mark.parametrize("name", ["recipe.yaml", "ledger.json", "report.html"])
def test_a_file_that_no_run_wrote_is_not_replaced(tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(UsageError, match=rf"{name} was not written by a run"), locked(tmp_path):
        pass
    assert (tmp_path / name).read_text() == "mine"


def test_the_ledger_is_in_the_order_of_the_plan(tmp_path):
    at = RunLayout(tmp_path)
    for folder, step in (
        (at.clean_problems, "decontaminate"),
        (at.problems, "problems"),
        (at.unique_problems, "dedup"),
    ):
        write(folder, step, 2)
    assert [row.step for row in read_ledger(tmp_path)] == ["problems", "dedup", "decontaminate"]


def test_a_step_that_read_fewer_rows_than_its_parent_left_breaks_the_ledger(tmp_path):
    at = RunLayout(tmp_path)
    parent = write(at.problems, "problems", 3)
    write(at.unique_problems, "dedup", 2, rows=parent["output_digest"], read=2)
    with pytest.raises(FactoryError, match="problems/unique read 2 rows, but problems/read left 3"):
        close_ledger(tmp_path)


def test_a_step_that_is_to_be_made_again_is_not_held_against_its_new_parent(tmp_path):
    at = RunLayout(tmp_path)
    write(at.problems, "problems", 3)
    write(at.unique_problems, "dedup", 2, rows="former", read=2)
    close_ledger(tmp_path)
    assert json.loads(at.ledger.read_text())["balanced"]
