"""The recipes of other domains than mathematics: small in seconds, whole in minutes, against planted truth."""

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from benchmarks import planted_teacher
from factory.config.load import load_recipe
from factory.pipeline.run import run_recipe
from factory.run.layout import DATASETS, RunLayout
from factory.run.parts import MANIFEST, read_parts, scan_parts
from factory.steps import preference

RECIPES = Path(__file__).parents[2] / "recipes"
SMALL = {
    "code": ("procedural:programs?count=6&seed=2&repeats=0", 5, "python block"),
    "science": ("procedural:chemistry+physics+biology+astronomy+puzzles?count=30&seed=2", 4, "boxed"),
}


@pytest.mark.parametrize("name", SMALL)
def test_a_small_run_makes_sets_and_pairs_whose_truth_is_known(name, tmp_path):
    source, samples, asked = SMALL[name]
    changes = [f'problems.sources=["{source}"]', "problems.held_out=2", f"generate.samples={samples}"]
    changes += [
        "train=null",
        "generate.slip_rate=0.5",
        "preference.match_length=false",
        "preference.max_length_bias=9",
    ]
    recipe = load_recipe(name, [*changes, "preference.rejected_from=teacher"])
    run_recipe(recipe, tmp_path / name, until="sft-set")
    at = RunLayout(tmp_path / name)
    prompt = pl.read_parquet(at.dataset("midtrain") / "train-*.parquet")["prompt"][0][-1]["content"]
    assert asked in prompt.replace("```python", "python"), prompt
    rows = read_parts(at.labelled)
    assert rows["label_source"].unique().to_list() == ["source"]
    assert set(rows["domain"]) <= {"programming", "chemistry", "physics", "biology", "astronomy", "logic"}
    preference.run(
        at.labelled, None, at.selected("preference"), recipe.preference, seed=0, prompt=recipe.datasets.prompt
    )
    found = planted_teacher.measure([str(at.run)])[name]
    assert found["pairs_rejecting_teacher"] == found["pairs"] > 0 == found["right_rejected"]
    for each in found["domains"]:
        assert each["both"] == each["right"] == each["said"], each


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_the_whole_recipe_fills_every_set(name, tmp_path):
    run = tmp_path / name
    command = [sys.executable, "-m", "factory.cli.main"]
    done = subprocess.run(
        [*command, "run", str(RECIPES / f"{name}.yaml"), "--until", "rl-prompts", "--out", str(run)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "alarm" not in (done.stdout + done.stderr).lower()
    at = RunLayout(run)
    for dataset in DATASETS:
        assert (at.dataset(dataset) / MANIFEST).exists()
        assert scan_parts(at.selected(dataset)).collect().height > 0, dataset
    found = planted_teacher.measure([str(run)])[name]
    assert found["right_rejected"] == 0
    for each in found["domains"]:
        assert each["both"] / each["right"] >= 0.95 and each["both"] / each["said"] >= 0.99, each
    carded = subprocess.run([*command, "card", str(run)], capture_output=True, text=True, cwd=tmp_path)
    assert carded.returncode == 0, carded.stderr
