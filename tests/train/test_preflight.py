"""Preflight finds, before a weight is loaded, what would make training worthless; each fault is made on purpose."""

import copy
import shutil

import polars as pl
import pytest

from factory.atomic import read_json, write_json
from factory.errors import UsageError
from factory.run.layout import RunLayout
from factory.run.parts import MANIFEST
from train import plan as planning
from train import preflight, stages
from train.plan import GIB, dead_groups, eta, memory, plan
from train.run import run_stage
from train.stage import Job, summary_of
from train.stages import prepare


@pytest.fixture
def run(trained, tmp_path):
    shutil.copytree(trained.run, tmp_path / "run")
    return RunLayout(tmp_path / "run")


@pytest.fixture
def job(run, tiny_recipe):
    return lambda stage, **train: Job(tiny_recipe(**{"dpo": {"enabled": False}, **train}), run, stage)


def refused(job, match, tokenizer=None):
    ready = prepare(job)
    with pytest.raises(UsageError, match=match):
        preflight.preflight(job, ready.config, tokenizer or ready.tokenizer, ready.rows)


def test_no_weight_is_loaded_before_preflight_has_passed(run, tiny_recipe, monkeypatch):
    monkeypatch.setattr(stages, "load_model", lambda *a: pytest.fail("a weight was loaded"))
    run_stage(tiny_recipe(), run.run, "sft", dry_run=True)


def test_padding_that_is_the_end_of_a_turn_is_refused(job):
    of = job("sft")
    tokenizer = copy.deepcopy(prepare(of).tokenizer)
    tokenizer.pad_token = "<|end|>"
    refused(of, "padding token is the end of a turn", tokenizer)


def test_generation_that_does_not_stop_at_the_end_of_a_turn_is_refused(job):
    of = job("sft")
    tokenizer = copy.deepcopy(prepare(of).tokenizer)
    tokenizer.eos_token = "<|endoftext|>"
    path = of.layout.checkpoint("midtrain") / "generation_config.json"
    write_json(path, read_json(path) | {"eos_token_id": [tokenizer.eos_token_id]})
    refused(of, "does not stop at <|end|>".replace("|", r"\|"), tokenizer)


def test_rows_that_do_not_end_are_refused_but_counted_when_truncation_was_asked_for(job):
    of = job("sft", sft={"max_length": 20, "overlong": "truncate"})
    ready = prepare(of)
    report = preflight.preflight(of, ready.config, ready.tokenizer, ready.rows)
    assert report["end_token_share"] == 0 and report["overlong"] == 24
    strict = job("sft")
    with pytest.raises(UsageError, match=r"100.0% of the rows .* learn to stop"):
        preflight.check_ends(strict, ready.tokenizer, ready.rows)


def test_special_think_tags_are_refused(job):
    of = job("sft")
    ready = prepare(of)
    tokenizer = copy.deepcopy(ready.tokenizer)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<think>", "</think>"]})
    with pytest.raises(UsageError, match="special=False"):
        preflight.check_thinking(tokenizer, ready.rows)


def change_rl(run, expression):
    path = next(run.dataset("rl").glob("train-*"))
    pl.read_parquet(path).with_columns(expression).write_parquet(path)


def test_a_gold_that_nobody_can_reach_is_refused(job, run):
    change_rl(run, pl.lit("}{").alias("answer"))
    refused(job("rl"), "its own answer .* is judged")


def test_reward_is_tried_through_tokens(job):
    of = job("rl")
    ready = prepare(of)
    report = preflight.try_reward(of, ready.tokenizer, ready.rows)
    assert report["gold"] == {"correct": report["tried"]} and report["wrong"] == {
        "incorrect": report["tried"]
    }
    assert report["signals"] == {"correct": 1.0, "incorrect": -1.0}
    tokenizer = copy.deepcopy(ready.tokenizer)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<think>", "</think>"]})
    with pytest.raises(UsageError, match="think tags are lost"):
        preflight.try_reward(of, tokenizer, ready.rows)


def test_pairs_with_equal_sides_are_refused(job, run):
    path = next(run.dataset("preference").glob("train-*"))
    pl.read_parquet(path).with_columns(rejected=pl.col("chosen")).write_parquet(path)
    refused(Job(job("sft").recipe, run, "dpo"), "same text on both sides")


def test_hostile_rows_cannot_drive_the_terminal(job):
    tokenizer = prepare(job("sft")).tokenizer
    ids = tokenizer("a\x1b[2Jb\x07")["input_ids"]
    shown = preflight.render(tokenizer, ids, ids)
    assert shown == "[[a?[2Jb?]]"


def test_plan_counts_what_training_then_does(job, run, tiny_recipe):
    for stage in ("midtrain", "sft"):
        of = job(stage)
        promised = plan(of, prepare(of).rows)["steps"]
        done = summary_of(run, stage).steps
        assert promised <= done <= promised * 1.25 + 1
    rl = job("rl")
    facts = plan(rl, prepare(rl).rows)
    assert (facts["steps"], facts["prompts_a_step"], facts["sampled_a_step"]) == (3, 2, 16)


def test_the_time_that_a_stage_takes_goes_by_the_nearest_trained_one(job, run):
    """Double the measured seconds, double the promise."""
    midtrain, sft = job("midtrain"), job("sft")
    path = run.checkpoint("midtrain") / MANIFEST

    def took(seconds):
        manifest = read_json(path)
        write_json(path, manifest | {"totals": manifest["totals"] | {"seconds": seconds}}, seal=True)

    took(10.0)
    facts = plan(sft, prepare(sft).rows)
    promise = eta(sft, facts)
    assert promise["measured_on"] == "midtrain"
    expected = 10.0 * facts["tokens_in_all"] / summary_of(run, "midtrain").plan["tokens_in_all"]
    assert promise["seconds"] == round(expected)
    took(1000.0)
    assert eta(sft, facts)["seconds"] == pytest.approx(100 * expected, abs=1)
    assert eta(midtrain, plan(midtrain, prepare(midtrain).rows)) == {}, "nothing is trained before it"
    assert eta(job("rl"), plan(job("rl"), prepare(job("rl")).rows)) == {}


def memory_of(of):
    return memory(of, prepare(of).rows)


def test_memory_counts_every_parameter_without_loading_and_divides_what_is_sharded(job, run, monkeypatch):
    """The estimate for eight devices was that for one."""
    from safetensors.torch import load_file

    counted = sum(w.numel() for w in load_file(run.checkpoint("sft") / "model.safetensors").values())
    monkeypatch.setattr(planning, "GIB", 1)
    parts = memory_of(job("rl"))
    assert parts["weights"] == 4 * counted
    total = parts.pop("total")
    assert sum(parts.values()) == pytest.approx(total) and "card" not in parts
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    monkeypatch.setattr(planning, "world_size", lambda: 4)
    divided = memory_of(job("sft", sft={"batch_size": 32}))
    whole = 4.0 * counted
    assert divided["weights"] == pytest.approx(whole / 4, abs=1)
    assert divided["gradients_and_moments"] == pytest.approx(3 * whole / 4, abs=1)


@pytest.mark.parametrize(
    ("stage", "settings", "squares"),
    [
        ("midtrain", {"micro_batch_size": 4, "max_length": 64}, (4 * 64) ** 2),
        ("midtrain", {"micro_batch_size": 4, "packing": False}, 4),
        ("midtrain", {"micro_batch_size": 1, "packing": False}, 0),
        ("sft", {}, 8),
        ("dpo", {}, 8),
        ("rl", {}, 4),
    ],
)
def test_memory_counts_the_mask_of_packs_and_padded_rows(job, monkeypatch, stage, settings, squares):
    """One masked row of four packs took 2.5 GiB that no forecast had."""
    monkeypatch.setattr(planning, "GIB", 1)
    of = job(stage, **{stage: settings})
    rows = prepare(of).rows
    longest = int(rows.lengths.max()) + (of.section.max_completion_length if stage == "rl" else 0)
    expected = squares if squares > 8 else squares * longest**2
    assert memory(of, rows)["attention_mask"] == planning.MASK_BYTES * expected
    flash = job(stage, **{stage: settings, "student": {"attention": "flash_attention_2"}})
    assert memory(flash, rows)["attention_mask"] == 0


def test_what_cannot_fit_the_card_is_refused_with_the_setting_that_saves_most(job, monkeypatch):
    need = round(memory_of(job("rl"))["total"] * GIB)
    monkeypatch.setattr(planning, "card_bytes", lambda: 2 * need)
    assert memory_of(job("rl"))["card"] == round(2 * need / GIB, 3)
    monkeypatch.setattr(planning, "card_bytes", lambda: need // 2)
    cases = {
        r"gradients and moments.*train.lora": {},
        r"attention mask.*flash_attention_2": {"max_completion_length": 4000},
        r"key value cache.*train.rl.vllm": {
            "max_completion_length": 4000,
            "micro_batch_size": 1,
            "oversample": 16,
        },
    }
    for said, settings in cases.items():
        with pytest.raises(UsageError, match=f"most: {said}"):
            memory_of(job("rl", rl=settings))
    without_mask = {"student": {"attention": "flash_attention_2"}, "rl": {"max_completion_length": 4000}}
    with pytest.raises(UsageError, match=r"most: activations.*train.rl.micro_batch_size"):
        memory_of(job("rl", **without_mask))


def test_dead_groups_match_a_simulation(job, run):
    import numpy as np

    rates = np.linspace(0.02, 0.98, 48)
    change_rl(run, pl.Series("pass_rate", rates))
    of = job("rl", rl={"oversample": 2, "max_accuracy": 0.5})
    forecast = dead_groups(of)
    right = np.random.default_rng(0).binomial(8, rates, size=(20_000, 48))
    dead = (right == 0) | (right > 4)
    assert abs(forecast["dead"] - dead.mean()) < 0.01
    plain = dead_groups(job("rl", rl={"rebalance": False}))
    right = np.random.default_rng(0).binomial(4, rates, size=(20_000, 48))
    assert abs(plain["dead"] - ((right == 0) | (right == 4)).mean()) < 0.01


def test_an_online_choice_is_forecast_by_the_prompts_that_it_would_choose(job, run):
    import numpy as np

    rates = np.where(np.arange(48) < 36, 0.0, 0.5)
    change_rl(run, pl.Series("pass_rate", rates))
    in_turn = dead_groups(job("rl", rl={"settings": "modern", "prompts": "in_order"}))
    online = dead_groups(job("rl", rl={"settings": "modern"}))
    assert in_turn["dead"] > 0.75 and online["dead"] < 0.5
    change_rl(run, pl.lit(0.0).alias("pass_rate"))
    refused(
        job("rl", rl={"settings": "modern"}),
        r"100% of the rl groups.*all wrong.*or raise train.rl.group_size",
    )


def test_a_forecast_of_dead_groups_is_refused_with_the_setting_to_change(job, run):
    change_rl(run, pl.lit(0.97).alias("pass_rate"))
    refused(job("rl"), r"78% of the rl groups would give no signal.*all right.*rl_prompts.high")
    change_rl(run, pl.lit(0.75).alias("pass_rate"))
    refused(job("rl", rl={"max_accuracy": 0.5}), r"of the rl groups .*too easy.*raise train.rl.max_accuracy")
    of = job("rl", rl={"max_accuracy": 0.5, "max_dead": 1.0})
    ready = prepare(of)
    assert preflight.preflight(of, ready.config, ready.tokenizer, ready.rows)["dead_groups"]["dead"] > 0.5


def test_a_real_run_shows_the_forecast_too(run, tiny_recipe, capsys):
    run_stage(tiny_recipe(dpo={"enabled": False}, rl={"max_steps": 1}), run.run, "rl")
    assert "rl: 6% of the groups will give no signal" in capsys.readouterr().err
