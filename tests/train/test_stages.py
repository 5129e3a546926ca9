"""Stages end to end on the tiny student: order, doing nothing twice, exact resume, adapters, cards."""

import errno
import json
import os
import shutil

import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from factory.config.load import save_recipe
from factory.errors import FactoryError, Stopped, UsageError
from factory.run.layout import RunLayout
from tests.support.marks import mostly_long
from train import stages
from train.callbacks import StopOnSignal
from train.run import main, run_stage
from train.stage import manifest_of, summary_of

STEPS = {"midtrain": 6, "sft": 3, "dpo": 6, "rl": 4}


@pytest.fixture
def run(trained, tmp_path):
    """A copy of the trained run, free to change."""
    shutil.copytree(trained.run, tmp_path / "run")
    return RunLayout(tmp_path / "run")


def metrics(run, stage):
    """Losses and other step numbers, without what depends on the clock."""
    clocks = ("second", "runtime", "step_time", "num_tokens", "total_flos", "epoch", "train_loss")
    lines = [json.loads(line) for line in (run.stage(stage) / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if not any(c in k for c in clocks)} for line in lines]


def weights(run, stage):
    return load_file(run.checkpoint(stage) / "model.safetensors")


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def stop_after(step):
    class Stopper(StopOnSignal):
        def on_step_end(self, args, state, control, **more):
            self.asked = self.asked or state.global_step >= step
            super().on_step_end(args, state, control, **more)

    return Stopper


CASES = {
    "midtrain": {"midtrain": {"epochs": 3}},
    "sft": {"sft": {"epochs": 2}},
    "dpo": {"dpo": {"max_steps": None, "epochs": 2, "batch_size": 12, "micro_batch_size": 4}},
    "rl": {
        "sft": {"epochs": 16, "learning_rate": 1e-2},
        "dpo": {"enabled": False},
        "rl": {"max_steps": 30, "batch_size": 8, "group_size": 4},
    },
}
CASES["rl-modern"] = CASES["rl"] | {"rl": CASES["rl"]["rl"] | {"settings": "modern", "refill": 2}}


def teach_a_coin_toss(recipe, run):
    """An sft student that answers 7 or 8, whatever it is asked, and an rl set whose answer is always 7."""
    path = next(run.dataset("sft").glob("train-*"))
    rows = pl.read_parquet(path)
    answers = [[{"role": "assistant", "content": f"\\boxed{{{7 + i % 2}}}"}] for i in range(rows.height)]
    column = pl.Series("completion", answers, dtype=rows.schema["completion"])
    rows.with_columns(column).write_parquet(path)
    path = next(run.dataset("rl").glob("train-*"))
    pl.read_parquet(path).with_columns(answer=pl.lit("7")).write_parquet(path)
    run_stage(recipe, run.run, "sft")


@pytest.mark.parametrize("case", mostly_long(CASES))
def test_resumed_equals_uninterrupted(case, run, tmp_path, tiny_recipe, monkeypatch):
    """Same rows, same losses, same weights, also past the first epoch (rl: past the end of the set)."""
    recipe, stage = tiny_recipe(**CASES[case]), case.partition("-")[0]
    if stage == "rl":
        teach_a_coin_toss(recipe, run)
    again = RunLayout(tmp_path / "again")
    shutil.copytree(run.run, again.run)
    run_stage(recipe, run.run, stage)
    steps = summary_of(run, stage).steps
    stop = steps * 5 // 6 if stage == "rl" else steps // 2 + 1
    with monkeypatch.context() as patch:
        patch.setattr(stages, "StopOnSignal", stop_after(stop))
        with pytest.raises(Stopped, match=f"stopped at step {stop} of {steps}"):
            run_stage(recipe, again.run, stage)
    assert not again.checkpoint(stage).exists()
    run_stage(recipe, again.run, stage, resume=True)
    assert metrics(again, stage) == metrics(run, stage)
    assert len(metrics(run, stage)) == steps
    assert same(weights(again, stage), weights(run, stage))
    if stage == "rl":
        rollouts = [pl.read_parquet(p) for p in sorted(run.stage("rl").glob("rollouts/*"))]
        live = [step for step, rows in enumerate(rollouts, 1) if (rows["advantage"] != 0).any()]
        assert min(live, default=steps) <= stop < max(live, default=0), (
            f"no signal on both sides of the stop: steps {live}"
        )
        seen = [rows["problem_id"].to_list() for rows in rollouts]
        if case == "rl-modern":  # no step need be that of another: prompts are chosen
            drawn = [each for ids in seen for each in set(ids)]
            assert len(drawn) > 2 * len(set(drawn)), "few prompts came back"
        else:
            assert len({tuple(ids) for ids in seen}) < len(seen), "the set was never passed twice"
        for path in run.stage("rl").glob("rollouts/*"):
            assert pl.read_parquet(path).equals(pl.read_parquet(again.stage("rl") / "rollouts" / path.name))


def test_finished_stage_is_left_alone_and_a_changed_one_is_trained_again(run, tiny_recipe):
    before = (run.checkpoint("sft") / "model.safetensors").stat().st_mtime_ns
    assert "nothing to do" in run_stage(tiny_recipe(), run.run, "sft")
    assert "nothing to do" in run_stage(tiny_recipe(save_every=0.5), run.run, "sft")
    assert (run.checkpoint("sft") / "model.safetensors").stat().st_mtime_ns == before
    assert "3 steps" in run_stage(tiny_recipe(sft={"learning_rate": 1e-3}), run.run, "sft")


def test_changed_data_trains_again(run, tiny_recipe):
    path = next(run.dataset("sft").glob("train-*"))
    pl.read_parquet(path).reverse().write_parquet(path)
    assert "3 steps" in run_stage(tiny_recipe(), run.run, "sft")


@pytest.mark.parametrize(
    ("dated", "fault"),
    [("after", r"model\.safetensors is corrupt"), ("before", "not the model that its manifest describes")],
)
def test_a_parent_that_was_tampered_with_is_refused(run, tiny_recipe, dated, fault):
    path = run.checkpoint("midtrain") / "model.safetensors"
    times = path.stat()
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    if dated == "before":
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(FactoryError, match=fault):
        run_stage(tiny_recipe(sft={"learning_rate": 1e-3}), run.run, "sft")


def test_whole_chain_has_one_lineage_and_every_card_names_it(run, tiny_recipe):
    recipe = tiny_recipe()
    for stage in ("dpo", "rl"):
        run_stage(recipe, run.run, stage)
    summary = summary_of(run, "rl")
    assert summary.lineage == ["base", "midtrain", "sft", "dpo", "rl"]
    assert summary.parent == "dpo"
    assert manifest_of(run, "rl")["inputs"]["model"] == manifest_of(run, "dpo")["output_digest"]
    card = (run.checkpoint("rl") / "README.md").read_text()
    for stage in summary.lineage:
        digest = manifest_of(run, stage)["output_digest"]
        assert digest[:12] in card
    rollouts = pl.concat(pl.read_parquet(p) for p in run.stage("rl").glob("rollouts/*.parquet"))
    assert rollouts.height == 3 * 2 * 8 and set(rollouts["verdict"]) <= {
        "correct", "incorrect", "no_answer", "unverifiable", "timeout",
    }  # fmt: skip
    assert not (run.stage("rl") / "checkpoints").exists()
    assert not same(weights(run, "sft"), weights(run, "dpo"))


def test_disabled_stage_is_skipped_and_the_next_takes_its_parent(run, tiny_recipe):
    recipe = tiny_recipe(dpo={"enabled": False}, rl={"max_steps": 1})
    assert "left out" in run_stage(recipe, run.run, "dpo")
    run_stage(recipe, run.run, "rl")
    assert summary_of(run, "rl").lineage == ["base", "midtrain", "sft", "rl"]


def test_dry_run_checks_and_changes_nothing(run, tiny_recipe, capsys):
    before = sorted(p for p in run.run.rglob("*") if ".cache" not in str(p))
    assert "ready" in run_stage(tiny_recipe(dpo={"enabled": False}), run.run, "rl", dry_run=True)
    assert sorted(p for p in run.run.rglob("*") if ".cache" not in str(p)) == before
    said = capsys.readouterr().err
    assert "'gold': {'correct':" in said and "dead" in said and "sampled_a_step" in said


def test_adapter_is_merged_and_the_base_moves(run, tiny_recipe):
    recipe = tiny_recipe(lora={"rank": 4, "alpha": 8})
    run_stage(recipe, run.run, "sft")
    before, after = weights(run, "midtrain"), weights(run, "sft")
    assert before.keys() == after.keys() and not same(before, after)
    changed = [k for k in before if not torch.equal(before[k], after[k])]
    assert changed and not any("embed" in k or "norm" in k for k in changed)
    assert not (run.checkpoint("sft") / "adapter_config.json").exists()


def test_command_line_says_one_line_and_exits_with_the_right_code(run, tmp_path, capsys):
    missing = main(["--stage", "sft", "--recipe", "none.yaml", "--run", str(run.run)])
    assert missing == 2 and "no recipe none.yaml" in capsys.readouterr().err
    recipe = tmp_path / "r.yaml"
    recipe.write_text("name: r\nproblems: {sources: [x]}\n")
    wrong = ["--stage", "sft", "--recipe", str(recipe), "--run", str(run.run)]
    assert main([*wrong, "--set", "train.sft.trl.nonsense=1"]) == 2
    assert "SFTConfig has no field nonsense" in capsys.readouterr().err
    assert main([*wrong, "--set", "train.sft.trl.learning_rate=1"]) == 2
    assert "write train.sft.learning_rate" in capsys.readouterr().err
    assert main([*wrong, "--set", "train.sft.batch_size=7", "--set", "train.sft.micro_batch_size=2"]) == 2
    assert "not a multiple" in capsys.readouterr().err


@pytest.mark.parametrize("stage", mostly_long(["sft", "midtrain", "dpo"]))
def test_the_best_checkpoint_on_held_out_problems_becomes_final(stage, run, tiny_recipe):
    """A learning rate that ruins the student: the first checkpoint is the best one."""
    settings = {
        "validation": 0.25,
        "learning_rate": 0.5,
        "max_steps": 3,
        "trl": {"lr_scheduler_type": "constant"},
    }
    run_stage(tiny_recipe(save_every=1, **{stage: settings}), run.run, stage)
    lines = [json.loads(line) for line in (run.stage(stage) / "metrics.jsonl").read_text().splitlines()]
    losses = {line["step"]: line["eval_loss"] for line in lines if "eval_loss" in line}
    assert sorted(losses) == [1, 2, 3]
    best = min(losses, key=losses.get)
    before = weights(run, stage)
    shutil.rmtree(run.stage(stage))
    run_stage(tiny_recipe(**{stage: settings | {"max_steps": best, "validation": 0.25}}), run.run, stage)
    assert best < 3 and same(before, weights(run, stage))


def test_held_out_problems_are_whole_and_not_learnt_from(run, tiny_recipe):
    from train.data import completion_rows
    from train.stage import Job
    from train.student import load_tokenizer

    job = Job(tiny_recipe(sft={"validation": 0.25}), run, "sft")
    tokenizer = load_tokenizer(run.checkpoint("midtrain"), None)
    rows = completion_rows(job, tokenizer)
    assert len(rows.rows) == 18 and len(rows.validation) == 6
    with pytest.raises(UsageError, match="leaves one side without any"):
        completion_rows(Job(tiny_recipe(sft={"validation": 0.001}), run, "sft"), tokenizer)


def damage(folder, name):
    path = folder / name.removesuffix(" flipped")
    if path.name != name:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 4
        return path.write_bytes(data)
    return path.write_bytes(
        b"" if name == "trainer_state.json" else path.read_bytes()[: path.stat().st_size // 2]
    )


@pytest.mark.parametrize(
    "torn",
    ["trainer_state.json", "model.safetensors", "optimizer.pt", "sealed.json", "model.safetensors flipped"],
)
def test_a_torn_checkpoint_is_left_for_the_last_whole_one(torn, run, tiny_recipe, monkeypatch, capsys):
    """Each of these was a traceback; the run ends as if nothing had happened."""
    recipe = tiny_recipe(save_every=1, sft={"max_steps": 4})
    whole = RunLayout(run.run.parent / "whole")
    shutil.copytree(run.run, whole.run)
    run_stage(recipe, whole.run, "sft")
    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(stages, "StopOnSignal", stop_after(3))
        run_stage(recipe, run.run, "sft")
    damage(run.stage("sft") / "checkpoints" / "checkpoint-3", torn)
    run_stage(recipe, run.run, "sft", resume=True)
    assert "checkpoint-3 is incomplete or damaged; resuming from checkpoint-2" in capsys.readouterr().err
    assert same(weights(run, "sft"), weights(whole, "sft")) and metrics(run, "sft") == metrics(whole, "sft")


def test_no_whole_checkpoint_starts_the_stage_again(run, tiny_recipe, monkeypatch, capsys):
    recipe = tiny_recipe(save_every=1, sft={"max_steps": 3})
    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(stages, "StopOnSignal", stop_after(1))
        run_stage(recipe, run.run, "sft")
    damage(run.stage("sft") / "checkpoints" / "checkpoint-1", "optimizer.pt")
    run_stage(recipe, run.run, "sft", resume=True)
    assert "resuming from the start" in capsys.readouterr().err
    assert len(metrics(run, "sft")) == 3


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_is_one_line_and_resumable(error, run, tmp_path, monkeypatch, capsys, tiny_recipe):
    save_recipe(tiny_recipe(save_every=1, sft={"max_steps": 2}), run.recipe)

    def full(*_, **__):
        raise error

    command = ["--stage", "sft", "--run", str(run.run), "--resume"]
    with monkeypatch.context() as patch:
        patch.setattr("transformers.Trainer._save_optimizer_and_scheduler", full)
        assert main(command) == 3
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2 and "the disk is full (" in said[1] and "--resume" in said[1]
    assert main(command) == 0


def test_stage_alone_takes_the_newest_run_and_its_own_recipe(run, tmp_path, monkeypatch, capsys, tiny_recipe):
    monkeypatch.chdir(tmp_path)
    assert main(["--stage", "sft"]) == 2
    assert "no run below runs/" in capsys.readouterr().err
    older = tmp_path / "runs" / "older"
    older.mkdir(parents=True)
    save_recipe(tiny_recipe(), older / "recipe.yaml")
    os.utime(older / "recipe.yaml", (1, 1))
    shutil.copytree(run.run, tmp_path / "runs" / "newer")
    assert main(["--stage", "sft", "--run", "runs/newer"]) == 2
    assert "holds no recipe.yaml" in capsys.readouterr().err
    save_recipe(tiny_recipe(dpo={"max_steps": 1}), tmp_path / "runs" / "newer" / "recipe.yaml")
    assert main(["--stage", "rl"]) == 2
    said = capsys.readouterr().err
    assert (
        "run runs/newer, recipe runs/newer/recipe.yaml" in said
        and "starts from dpo, which is not trained" in said
    )
    assert main(["--stage", "dpo"]) == 0
    assert (tmp_path / "runs" / "newer" / "train" / "dpo" / "final").is_dir()
