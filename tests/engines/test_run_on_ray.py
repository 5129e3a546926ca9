"""A whole data run gives the same bytes on Ray as on this machine, with tables of several parts."""

import json

import pyarrow.parquet as pq
import pytest

from factory.config.load import load_recipe
from factory.pipeline.run import run_recipe
from factory.run.layout import RunLayout
from factory.run.parts import check_parts, part_paths

RECIPE = """
name: demo
problems:
  sources: ["procedural:modular_chain+linear_equation?count=100&seed=3&style=terse"]
  held_out: 10
generate: {teacher: procedural, samples: 3, max_tokens: 1024, slip_rate: 0.4}
train: null
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    path = tmp_path_factory.mktemp("recipe") / "demo.yaml"
    path.write_text(RECIPE)
    return load_recipe(str(path), [])


@pytest.fixture(scope="module")
def small_parts():
    """Parts of 40 rows, so that every step has several."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("factory.run.writer.ROWS_PER_PART", 40)
        yield


@pytest.fixture(scope="module")
def here(recipe, small_parts, tmp_path_factory):
    run = tmp_path_factory.mktemp("here") / "run"
    run_recipe(recipe, run)
    return run


def books(run):
    """What every step says of itself and every file's checksum, without the clocks."""
    found = {}
    for path in sorted(run.rglob("_manifest.json")):
        manifest = json.loads(path.read_text())
        check_parts(path.parent)
        tables = [name for name in manifest["files"] if name.endswith(".parquet")]
        clocked = {name: None for name in tables if "verify_seconds" in columns(path.parent / name)}
        manifest["files"] |= clocked
        del manifest["finished_at"], manifest["seconds"], manifest["memory_gib"], manifest["seal"]
        manifest.pop("session", None)  # attempts and latencies
        found[str(path.parent.relative_to(run))] = manifest
    return found


def columns(path):
    return pq.read_schema(path).names


@pytest.mark.long
def test_the_tables_have_several_parts(here):
    at = RunLayout(here)
    assert all(len(part_paths(folder)) > 3 for folder in (at.responses, at.verdicts, at.labelled))


@pytest.mark.long
def test_a_run_on_ray_gives_the_same_bytes(recipe, here, ray_engine, tmp_path):
    run_recipe(recipe, tmp_path / "run", engine="ray")
    assert books(tmp_path / "run") == books(here)
