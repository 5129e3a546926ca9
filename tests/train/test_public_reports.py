"""Bugs that users of other trainers reported: each of docs/training.md's list has a test, those without another home here."""

import ast
import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from students import write_student
from transformers import GenerationConfig

from factory.run.layout import RunLayout
from train.rewards import VerifiedReward
from train.rl import FactoryGRPOTrainer
from train.run import run_stage
from train.stage import Job
from train.stages import prepare
from train.student import load_model

ROOT = Path(__file__).parents[2]


def test_every_report_names_a_test_that_is_there():
    page = (ROOT / "docs" / "training.md").read_text()
    rows = re.findall(r"^\| (\d+) \| .* \| (.*) \|$", page, re.M)
    assert [int(number) for number, _ in rows] == list(range(1, 28))
    for number, cell in rows:
        named = re.findall(r"`(\w+(?:/\w+)*)::(\w+)`", cell)
        assert named, f"report {number} names no test"
        for file, name in named:
            path = ROOT / "tests" / ("" if "/" in file else "train") / f"{file}.py"
            assert name in {
                f.name for f in ast.parse(path.read_text()).body if isinstance(f, ast.FunctionDef)
            }


def trained_with(trained, folder, stage, recipe):
    """The weights of a stage before and after, and what was logged."""
    shutil.copytree(trained.run, folder)
    run = RunLayout(folder)
    run_stage(recipe, run.run, stage)
    parent = "midtrain" if stage == "sft" else "sft"
    before, after = (load_file(run.checkpoint(s) / "model.safetensors") for s in (parent, stage))
    lines = [json.loads(line) for line in (run.stage(stage) / "metrics.jsonl").read_text().splitlines()]
    return before, after, lines


def apart(a, b):
    return max(float((a[name] - b[name]).abs().max()) for name in a)


@pytest.mark.long
@pytest.mark.parametrize(
    ("stage", "settings", "share"),
    [
        ("sft", {}, 1e-3),
        ("dpo", {}, 1e-3),
        ("dpo", {"sft_weight": 0.2}, 0.5),
        ("rl", {}, 1e-3),
    ],
    ids=["sft", "dpo", "dpo_with_sft_weight", "rl"],
)
def test_accumulated_micro_batches_make_the_same_step(
    trained, tmp_path, tiny_recipe, monkeypatch, stage, settings, share
):
    """8 rows at once, or 2 by 2. DPO's supervised term alone is a mean of micro-batch means, as TRL has it: near, not equal."""
    after = []
    # The tiny student is always wrong: without rewards of both kinds rl would not move at all.
    monkeypatch.setattr(
        VerifiedReward,
        "__call__",
        lambda self, completions, **_: [(-1.0) ** i for i in range(len(completions))],
    )
    for micro in (8, 2):
        # Adam's first step goes by the gradient's sign, which rounding may turn where it is nearly 0.
        plain = {"learning_rate": 0.5, "trl": {"optim": "sgd"}}
        change = {stage: {"max_steps": 1, "batch_size": 8, "micro_batch_size": micro} | plain | settings}
        if stage == "rl":
            change["dpo"] = {"enabled": False}
        before, weights, _ = trained_with(trained, tmp_path / f"{micro}", stage, tiny_recipe(**change))
        after.append(weights)
    moved = apart(before, after[0])
    assert moved > 1e-4 and apart(*after) <= share * moved


def test_the_first_dpo_step_sees_the_reference_as_the_policy(trained, tmp_path, tiny_recipe):
    _, _, lines = trained_with(trained, tmp_path / "run", "dpo", tiny_recipe(dpo={"max_steps": 1}))
    assert lines[0]["loss"] == pytest.approx(0.693147, abs=1e-4)
    assert lines[0]["rewards/margins"] == pytest.approx(0, abs=1e-5)


@pytest.fixture
def rollouts_of(trained, tmp_path, tiny_recipe):
    """The rollouts of one rl trainer whose parent samples by `generation`, and the batches that it learns from."""

    def sample(reward, *, balance=False, **generation):
        shutil.copytree(trained.run, tmp_path / "run")
        job = Job(tiny_recipe(dpo={"enabled": False}), RunLayout(tmp_path / "run"), "rl")
        folder = job.layout.checkpoint("sft")
        settings = GenerationConfig.from_pretrained(folder).to_diff_dict() | generation
        (folder / "generation_config.json").write_text(json.dumps(settings))
        ready, kept = prepare(job), []
        FactoryGRPOTrainer(
            load_model(folder, None),
            reward_funcs=reward,
            args=ready.config,
            train_dataset=ready.rows.rows,
            processing_class=ready.tokenizer,
            balance=balance,
            oversample=2,
            on_rollouts=kept.append,
        ).train()
        return [row for rows in kept for row in rows]

    return sample


def test_a_temperature_of_1_is_not_replaced_by_the_checkpoints(rollouts_of):
    """With the checkpoint's own settings every rollout of a prompt would be the same."""
    rows = rollouts_of(
        lambda completions, **_: [1.0] * len(completions), do_sample=True, temperature=0.01, top_k=1
    )
    assert {row["temperature"] for row in rows} == {1.0}
    for group in {(row["step"], row["group"]) for row in rows}:
        texts = {row["completion"] for row in rows if (row["step"], row["group"]) == group}
        assert len(texts) > 1


@pytest.mark.parametrize("balance", [True, False])
def test_a_reward_of_none_gives_no_signal(rollouts_of, balance):
    rows = rollouts_of(
        lambda completions, **_: [(1.0, -1.0, None)[i % 3] for i in range(len(completions))], balance=balance
    )
    unscored = [row for row in rows if row["reward"] is None]
    assert unscored and all(row["advantage"] == 0 for row in unscored)
    assert any(row["advantage"] for row in rows)


def test_a_base_whose_generation_settings_contradict_themselves_is_copied(tmp_path, tiny_recipe):
    folder = write_student("qwen3", tmp_path / "student")
    path = folder / "generation_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"do_sample": False, "temperature": 0.6}))
    run_stage(tiny_recipe(student={"model": str(folder)}), tmp_path / "run", "base")
    made = load_file(RunLayout(tmp_path / "run").checkpoint("base") / "model.safetensors")
    assert all(
        torch.equal(made[name], value) for name, value in load_file(folder / "model.safetensors").items()
    )
