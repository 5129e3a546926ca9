import json
import shutil

import pytest

from factory.config.problems import ProblemsSection
from factory.errors import UsageError
from factory.run.parts import read_dropped, read_parts
from factory.steps import problems as step


def section(**settings):
    return ProblemsSection(sources=["procedural:all?count=200&seed=1&repeats=0.2"], **settings)


def test_reads_holds_out_and_balances(tmp_path):
    manifest = step.run(section(held_out=50), tmp_path / "read", tmp_path / "held", seed=3).manifest
    kept, held = read_parts(tmp_path / "read"), read_parts(tmp_path / "held")
    assert held.height == 50 and manifest["totals"]["held_out"] == 50
    same = manifest["dropped"].get("same_as_held_out", 0)
    assert same > 0, "with a fifth told again, some held-out problems have twins"
    assert kept.height + held.height + same == 200
    assert manifest["rows_in"] == 150 == manifest["rows_out"] + manifest["rows_dropped"]
    essence = {step.essence(row) for row in held.iter_rows(named=True)}
    assert not any(step.essence(row) in essence for row in kept.iter_rows(named=True))
    assert not set(kept["id"]) & set(held["id"])
    assert read_dropped(tmp_path / "read")["reason"].unique().to_list() == ["same_as_held_out"]


def test_runs_once_and_again_when_something_changed(tmp_path):
    first = step.run(section(held_out=10), tmp_path / "r", tmp_path / "h", seed=1).manifest
    stamp = (tmp_path / "r" / "_manifest.json").stat().st_mtime_ns
    assert step.run(section(held_out=10), tmp_path / "r", tmp_path / "h", seed=1).manifest == first
    assert (tmp_path / "r" / "_manifest.json").stat().st_mtime_ns == stamp
    other = step.run(section(held_out=10), tmp_path / "r", tmp_path / "h", seed=2).manifest
    assert other["key"] != first["key"] and other["output_digest"] != first["output_digest"]
    shutil.rmtree(tmp_path / "h")
    step.run(section(held_out=10), tmp_path / "r", tmp_path / "h", seed=2)
    assert (tmp_path / "h" / "_manifest.json").exists()


def test_a_changed_file_is_noticed(tmp_path):
    path = tmp_path / "p.jsonl"
    path.write_text('{"problem": "a"}\n')
    settings = ProblemsSection(sources=[str(path)])
    assert step.run(settings, tmp_path / "r", tmp_path / "h", seed=0).manifest["rows_out"] == 1
    path.write_text('{"problem": "a"}\n{"problem": "b"}\n')
    assert step.run(settings, tmp_path / "r", tmp_path / "h", seed=0).manifest["rows_out"] == 2


def test_dropped_lines_are_in_the_books(tmp_path):
    path = tmp_path / "p.jsonl"
    path.write_text('{"problem": "a"}\nnot json\n')
    manifest = step.run(ProblemsSection(sources=[str(path)]), tmp_path / "r", tmp_path / "h", seed=0).manifest
    assert (manifest["rows_in"], manifest["rows_out"], manifest["dropped"]) == (2, 1, {"malformed_json": 1})
    assert json.loads(read_dropped(tmp_path / "r")["row"][0]) == {"raw": "not json"}


def test_too_few_problems_to_hold_out(tmp_path):
    with pytest.raises(UsageError, match="held_out is 200"):
        step.run(section(held_out=200), tmp_path / "r", tmp_path / "h", seed=0)


def test_essence_sees_through_case_spaces_and_punctuation_but_not_numbers():
    row = {"metadata": None}
    assert step.essence({**row, "problem": "What is 2 + 3?"}) == step.essence(
        {**row, "problem": "what is  2 + 3"}
    )
    assert step.essence({**row, "problem": "What is 2 + 3?"}) != step.essence(
        {**row, "problem": "What is 2 - 3?"}
    )
    assert step.essence({**row, "problem": "What is 2 + 3?"}) != step.essence(
        {**row, "problem": "What is 2 + 4?"}
    )
