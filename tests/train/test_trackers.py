"""Trackers: curves land inside the run's folder, without a network, and the trainer's output stays its own."""

import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from factory.errors import UsageError
from factory.run.layout import RunLayout
from train import trackers
from train.run import run_stage
from train.trackers import tracked


@pytest.fixture
def run(trained, tmp_path):
    """A copy of the trained run, free to change."""
    shutil.copytree(trained.run, tmp_path / "run")
    return RunLayout(tmp_path / "run")


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    for name in ("TRACKIO_DIR", "TENSORBOARD_LOGGING_DIR", "WANDB_DIR", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)


def test_tensorboard_events_hold_the_losses(run, tiny_recipe):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    recipe = tiny_recipe(tracker="tensorboard", sft={"max_steps": 3, "batch_size": 4, "micro_batch_size": 4})
    run_stage(recipe, run.run, "sft")
    events = EventAccumulator(str(run.stage("sft") / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("train/loss")] == [1, 2, 3]
    assert "TENSORBOARD_LOGGING_DIR" not in os.environ


@pytest.mark.long
def test_trackio_writes_into_the_run_alone(run, tmp_path, tiny_recipe):
    """In a process of its own, as the pipeline starts it: trackio reads its folder when it is imported."""
    import subprocess
    import sys

    from factory.config.load import save_recipe

    recipe = tiny_recipe(tracker="trackio", sft={"max_steps": 3, "batch_size": 4, "micro_batch_size": 4})
    save_recipe(recipe, tmp_path / "recipe.yaml")
    command = [sys.executable, "-m", "train.run", "--stage", "sft", "--recipe", str(tmp_path / "recipe.yaml")]
    home = tmp_path / "home"
    home.mkdir()
    env = os.environ | {"HOME": str(home), "HF_HOME": str(home / "hf"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [*command, "--run", str(run.run)], env=env, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    (database,) = (run.run / "train" / "trackio").glob("*.db")
    with sqlite3.connect(database) as connection:
        names = {row[0] for row in connection.execute("select distinct run_name from metrics")}
        steps = {row[0] for row in connection.execute("select distinct step from metrics")}
    assert names == {"tiny-sft"}
    assert {1, 2, 3} <= steps
    assert not [path for path in home.rglob("*.db")]


def test_a_tracker_that_is_not_installed_is_named(run, tiny_recipe, capsys, monkeypatch, tmp_path):
    monkeypatch.setitem(trackers.PACKAGES, "wandb", "no_such_package_here")
    recipe = tiny_recipe(tracker="wandb", sft={"learning_rate": 2e-3})
    with pytest.raises(UsageError, match="not installed"):
        run_stage(recipe, run.run, "sft")


def test_the_users_own_variables_win(layout, tiny_recipe, monkeypatch):
    from train.stage import Job

    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setitem(trackers.PACKAGES, "wandb", "json")
    with tracked(Job(tiny_recipe(tracker="wandb"), layout, "sft")):
        assert os.environ["WANDB_MODE"] == "online"
        assert Path(os.environ["WANDB_DIR"]) == layout.run / "train"
    assert "WANDB_DIR" not in os.environ
    assert os.environ["WANDB_MODE"] == "online"
