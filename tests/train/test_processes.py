"""Two processes over gloo train one model: the same numbers on both, one folder, rollouts of both."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
import torch
import yaml
from safetensors.torch import load_file

from factory.run.layout import RunLayout
from train.run import main
from train.stage import manifest_of, summary_of

ENVIRONMENT = os.environ | {"FACTORY_PROGRESS": "off", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


@pytest.fixture
def run(trained, tmp_path):
    shutil.copytree(trained.run, tmp_path / "run")
    return RunLayout(tmp_path / "run")


def write_recipe(path, recipe):
    path.write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    return str(path)


def command(recipe, run, stage, *more):
    return ["train.run", "--stage", stage, "--recipe", recipe, "--run", str(run.run), *more]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_processes_agree(run, tmp_path, tiny_recipe):
    recipe = tiny_recipe(
        sft={"micro_batch_size": 4}, dpo={"enabled": False}, rl={"micro_batch_size": 4, "batch_size": 16}
    )
    path = write_recipe(tmp_path / "r.yaml", recipe)
    launch = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc_per_node",
        "2",
        "--master_port",
        "29611",
        "-m",
        "--",
    ]
    for stage in ("midtrain", "sft", "rl"):
        change = ["--set", f"train.{stage}.learning_rate=0.0005"]
        done = subprocess.run(
            [*launch, *command(path, run, stage, *change)],
            capture_output=True, text=True, timeout=600, env=ENVIRONMENT,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
    summary = summary_of(run, "rl")
    assert summary.plan["devices"] == 2 and summary.steps == 3
    lines = [json.loads(line) for line in (run.stage("rl") / "metrics.jsonl").read_text().splitlines()]
    assert len(lines) == 3
    for step in (1, 2, 3):
        parts = [pl.read_parquet(p) for p in sorted(run.stage("rl").glob(f"rollouts/step-{step:05d}*"))]
        assert len(parts) == 2
        rows = pl.concat(parts)
        assert rows["group"].n_unique() == 4 and rows.height == 4 * 8
        assert (rows.group_by("group").agg(pl.col("problem_id").n_unique())["problem_id"] == 1).all()
        correct = (rows["verdict"] == "correct").mean()
        assert abs(lines[step - 1]["verdict/correct"] - correct) < 1e-6


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_accelerate_launch_with_the_shipped_config(run, tmp_path, tiny_recipe):
    """`recipes/accelerate/cpu2.yaml` as it is; two processes learn from the same rows, half each."""
    path = write_recipe(tmp_path / "r.yaml", tiny_recipe(sft={"micro_batch_size": 4, "learning_rate": 1e-3}))
    config = Path(__file__).parents[2] / "recipes" / "accelerate" / "cpu2.yaml"
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(config)]
    done = subprocess.run(
        [*launch, "--main_process_port", "29613", "-m", *command(path, run, "sft")],
        capture_output=True, text=True, timeout=600, env=ENVIRONMENT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert summary_of(run, "sft").plan["devices"] == 2
    two = [json.loads(line)["loss"] for line in (run.stage("sft") / "metrics.jsonl").read_text().splitlines()]
    one = RunLayout(tmp_path / "one")
    shutil.copytree(run.run, one.run)
    shutil.rmtree(one.stage("sft"))
    subprocess.run(
        [sys.executable, "-m", *command(path, one, "sft")], check=True, timeout=900, env=ENVIRONMENT
    )
    alone = [
        json.loads(line)["loss"] for line in (one.stage("sft") / "metrics.jsonl").read_text().splitlines()
    ]
    assert two == pytest.approx(alone, rel=0.02)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_killed_stage_goes_on_from_its_checkpoint(run, tmp_path, tiny_recipe):
    """kill -9 in the middle; the second attempt ends with the weights of an uninterrupted run."""
    recipe = tiny_recipe(save_every=4, sft={"epochs": 16, "learning_rate": 1e-3})
    path = write_recipe(tmp_path / "r.yaml", recipe)
    whole = RunLayout(tmp_path / "whole")
    shutil.copytree(run.run, whole.run)
    subprocess.run(
        [sys.executable, "-m", *command(path, whole, "sft")], check=True, timeout=900, env=ENVIRONMENT
    )
    process = subprocess.Popen([sys.executable, "-m", *command(path, run, "sft")], env=ENVIRONMENT)
    while not list(run.stage("sft").glob("checkpoints/checkpoint-*/trainer_state.json")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not run.checkpoint("sft").exists()
    done = subprocess.run(
        [sys.executable, "-m", *command(path, run, "sft", "--resume")],
        check=True,
        timeout=900,
        env=ENVIRONMENT,
    )
    assert done.returncode == 0
    digests = [manifest_of(r, "sft")["output_digest"] for r in (run, whole)]
    assert digests[0] == digests[1]
    steps = [
        json.loads(line)["step"] for line in (run.stage("sft") / "metrics.jsonl").read_text().splitlines()
    ]
    assert steps == list(range(1, 49))


def launched(recipe, run, stage, *more, environment=None, port=29615):
    launch = ["torch.distributed.run", "--nproc_per_node", "2", "--master_port", str(port), "-m", "--"]
    done = subprocess.run(
        [sys.executable, "-m", *launch, *command(recipe, run, stage, *more)],
        capture_output=True, text=True, timeout=600, env=ENVIRONMENT | (environment or {}), check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_all_stages_from_the_base_on_under_torchrun(tmp_path, tiny_recipe, make_sets):
    """The base was begun and built by every process: 3 of 3 runs failed, and the cause was not shown."""
    run = RunLayout(tmp_path / "run")
    make_sets(run)
    recipe = tiny_recipe(
        midtrain={"max_steps": 2}, sft={"micro_batch_size": 4}, rl={"batch_size": 16, "max_steps": 1}
    )
    said = launched(write_recipe(tmp_path / "r.yaml", recipe), run, "all")
    for stage in ("base", "midtrain", "sft", "dpo", "rl"):
        assert summary_of(run, stage).lineage[-1] == stage
        assert said.count(f"train: {stage}: ") >= 1


FSDP2 = {
    "ACCELERATE_USE_FSDP": "true",
    "FSDP_VERSION": "2",
    "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
    "FSDP_RESHARD_AFTER_FORWARD": "true",
    "FSDP_STATE_DICT_TYPE": "FULL_STATE_DICT",
    "FSDP_CPU_RAM_EFFICIENT_LOADING": "true",
}
"""What `accelerate launch` sets for recipes/accelerate/fsdp2.yaml."""


ENVIRONMENTS = {"fsdp2": FSDP2, "ddp": {}}
CELLS = {
    f"{stage}-{kind}": (stage, lora)
    for stage in ("sft", "dpo", "rl")
    for kind, lora in (("full", None), ("lora", {"rank": 4, "alpha": 8}))
}

RESUMED = ("sft-full", "dpo-lora")
"""Cells that are trained once more, stopped after a step and resumed."""


@pytest.fixture(scope="module")
def cells(trained, tmp_path_factory, tiny_recipe):
    """Runs in which two processes trained a stage, full or with adapters; one launch trains the cells of one kind."""
    done = {}

    def train(kind):
        if kind in done:
            return done[kind]
        out, given = tmp_path_factory.mktemp(kind), {}
        resumed = {f"{name}-resumed": CELLS[name] for name in RESUMED}
        for name, (stage, lora) in (CELLS | resumed).items():
            # Answers of any length are cut and punished by it, so that rl moves the weights of a student that knows nothing.
            recipe = tiny_recipe(
                lora=lora,
                sft={"micro_batch_size": 4, "learning_rate": 7e-4},
                dpo={"max_steps": 2, "enabled": stage == "dpo"},
                rl={
                    "batch_size": 16,
                    "max_steps": 1,
                    "max_dead": 1,
                    "rebalance": False,
                    "overlong_buffer": 20,
                    "prompts": "online",
                    "refill": 1,
                },
            )
            given[name] = {"stage": stage, "recipe": recipe.model_dump(mode="json"), "stop": name in resumed}
        (out / "cells.json").write_text(json.dumps(given))
        words = [Path(__file__).with_name("two_processes.py"), trained.run, out, out / "cells.json"]
        launch = ["torch.distributed.run", "--standalone", "--nproc_per_node", "2", *map(str, words)]
        ended = subprocess.run(
            [sys.executable, "-m", *launch],
            capture_output=True, text=True, timeout=600, check=False,
            env=ENVIRONMENT | {"PYTHONPATH": str(Path(__file__).parents[2])} | ENVIRONMENTS[kind],
        )  # fmt: skip
        assert ended.returncode == 0, ended.stdout + ended.stderr[-3000:]
        return done.setdefault(kind, out)

    return train


def weights(run, stage):
    return load_file(run.checkpoint(stage) / "model.safetensors")


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["fsdp2", pytest.param("ddp", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", CELLS)
def test_a_stage_of_two_processes_ends_with_a_merged_model(cells, name, kind):
    """With adapters the first process alone ran a forward to merge them: the others waited at a barrier for ever."""
    stage, run = CELLS[name][0], RunLayout(cells(kind) / name)
    summary = summary_of(run, stage)
    parent = "midtrain" if stage == "sft" else "sft"
    before, after = weights(run, parent), weights(run, stage)
    how = {"fsdp2": ("FSDP", ["DTensor"]), "ddp": ("MULTI_CPU", ["Tensor"])}
    assert tuple(json.loads((run.run / "how.json").read_text()).values()) == how[kind]
    assert summary.plan["devices"] == 2 and summary.parent == parent
    assert before.keys() == after.keys() and all(after[k].shape == before[k].shape for k in before)
    assert not list(run.stage(stage).rglob("adapter*"))
    assert any(not torch.equal(before[k], after[k]) for k in before)
    if stage == "rl":
        parts = [pl.read_parquet(path) for path in sorted(run.stage("rl").glob("rollouts/*"))]
        groups = pl.concat(parts).group_by("group").agg(pl.len(), pl.col("problem_id").n_unique())
        assert len(parts) == 2 and groups["problem_id"].max() == 1 and groups["len"].unique().to_list() == [4]


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["fsdp2", pytest.param("ddp", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", RESUMED)
def test_a_stage_of_two_processes_that_was_stopped_ends_like_one_that_was_not(cells, name, kind):
    stage = CELLS[name][0]
    whole, resumed = (RunLayout(cells(kind) / folder) for folder in (name, f"{name}-resumed"))
    steps = [
        json.loads(line)["step"] for line in (resumed.stage(stage) / "metrics.jsonl").read_text().splitlines()
    ]
    assert steps == list(range(1, summary_of(whole, stage).steps + 1)) and len(steps) > 1
    one, other = weights(whole, stage), weights(resumed, stage)
    assert all(torch.equal(one[k], other[k]) for k in one)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", [name for name in CELLS if not name.startswith("rl")])
def test_sharded_and_whole_weights_take_the_same_steps(cells, name):
    """rl samples, so that a rounding of the last bit changes its answers."""
    stage = CELLS[name][0]
    before = weights(RunLayout(cells("ddp") / name), "midtrain" if stage == "sft" else "sft")
    ddp, fsdp2 = (weights(RunLayout(cells(kind) / name), stage) for kind in ENVIRONMENTS)
    moved = max(float((ddp[k] - before[k]).abs().max()) for k in before)
    assert max(float((ddp[k] - fsdp2[k]).abs().max()) for k in before) < 0.01 * moved


def test_an_error_of_another_process_is_shown(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("RANK", "1")
    assert main(["--stage", "sft", "--recipe", "none.yaml", "--run", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("train, process 1: no recipe none.yaml")
