"""The contract with TRL 1.16: what the wrappers hold on to is there, and annealing reaches sampler and loss."""

import copy
import inspect
import shutil

import pytest
import torch
import trl
from transformers import TrainerCallback
from trl import GRPOTrainer
from trl.trainer import utils as trl_utils

from factory.run.layout import RunLayout
from tests.support.marks import mostly_long
from train.prompts import PromptChoice
from train.rl import FactoryGRPOTrainer
from train.stage import Job
from train.stages import prepare
from train.student import load_model
from train.temperature import TemperatureSchedule, set_temperature, temperature_cell


def test_trl_is_the_version_that_the_hooks_were_written_for():
    assert trl.__version__.split(".")[:2] == ["1", "16"]


def test_methods_that_are_wrapped_still_take_and_do_the_same():
    score = inspect.signature(GRPOTrainer._generate_and_score_completions)
    assert list(score.parameters) == ["self", "inputs"]
    rewards = inspect.signature(GRPOTrainer._calculate_rewards)
    assert list(rewards.parameters) == ["self", "inputs", "prompts", "completions", "completion_ids_list"]
    source = inspect.getsource(GRPOTrainer._generate_and_score_completions)
    for name in ("advantages", "completion_mask", "num_items_in_batch", "completion_ids", "prompt_ids"):
        assert f'"{name}": {name}' in source
    assert "self.num_generations if mode" in source
    assert "return rewards_per_func" in inspect.getsource(GRPOTrainer._calculate_rewards)
    assert "temperature," in inspect.getsource(trl_utils.add_fused_lm_head)
    assert "temperature" not in inspect.signature(GRPOTrainer._get_per_token_logps_and_entropies).parameters


@pytest.fixture
def rl_trainer(trained, tmp_path, tiny_recipe):
    shutil.copytree(trained.run, tmp_path / "run")
    job = Job(tiny_recipe(dpo={"enabled": False}), RunLayout(tmp_path / "run"), "rl")
    prepared = prepare(job)

    def reward(completions, **_):
        return [1.0 if i % 3 == 0 else -1.0 for i in range(len(completions))]

    alternating = reward

    def build(
        balance=False, oversample=1, max_accuracy=1.0, on_rollouts=None, reward=None, refill=None, **settings
    ):
        args = copy.copy(prepared.config)
        for name, value in settings.items():
            setattr(args, name, value)
        return FactoryGRPOTrainer(
            load_model(job.layout.checkpoint("sft"), None),
            reward_funcs=reward or alternating,
            args=args,
            train_dataset=prepared.rows.rows,
            processing_class=prepared.tokenizer,
            balance=balance,
            oversample=oversample,
            max_accuracy=max_accuracy,
            on_rollouts=on_rollouts,
            pool=prepared.rows.pool,
            choice=None
            if refill is None
            else PromptChoice([0.5] * len(prepared.rows.pool), [0] * len(prepared.rows.pool), 0),
            refill=refill or 0,
        )

    return build


def logps(trainer, ids):
    with torch.no_grad():
        got, _, _ = trainer._get_per_token_logps_and_entropies(
            trainer.model, ids, torch.ones_like(ids), ids.size(1) - 1, batch_size=len(ids)
        )
    return got


def wanted(trainer, ids, temperature):
    """What the loss ought to use: logits over the temperature, by hand."""
    with torch.no_grad():
        logits = trainer.model(input_ids=ids).logits[:, :-1] / temperature
    return torch.log_softmax(logits, -1).gather(2, ids[:, 1:].unsqueeze(2)).squeeze(2)


def test_temperature_reaches_loss_and_sampler_and_the_naive_hook_does_not(rl_trainer):
    trainer = rl_trainer()
    schedule = TemperatureSchedule(trainer, 1.0, 0.6, 0.5)
    ids = torch.randint(10, 200, (4, 12), generator=torch.Generator().manual_seed(0))
    trainer.model.eval()
    assert (logps(trainer, ids) - wanted(trainer, ids, 1.0)).abs().max() < 1e-5

    trainer.temperature = 0.6
    naive = (logps(trainer, ids) - wanted(trainer, ids, 0.6)).abs().max()
    assert naive > 1e-2, "the naive hook works now: TRL has changed, the closure hook may go"

    set_temperature(trainer, schedule.cells, 0.6)
    assert (logps(trainer, ids) - wanted(trainer, ids, 0.6)).abs().max() < 1e-5
    assert trainer.generation_config.temperature == 0.6
    assert trainer.generation_kwargs["temperature"] == 0.6


def test_schedule_falls_linearly_and_then_stays(rl_trainer):
    schedule = TemperatureSchedule(rl_trainer(), 1.0, 0.6, 0.5)
    at = [round(schedule.at(step, 10), 3) for step in range(10)]
    assert at == [1.0, 0.92, 0.84, 0.76, 0.68, 0.6, 0.6, 0.6, 0.6, 0.6]


def test_a_model_without_the_closure_is_refused():
    class Bare:
        def forward(self):
            return None

    with pytest.raises(RuntimeError, match="pin trl"):
        temperature_cell(Bare())


def test_sampler_sees_the_temperature_of_the_step(rl_trainer, monkeypatch):
    trainer = rl_trainer()
    schedule = TemperatureSchedule(trainer, 1.0, 0.5, 1.0)
    trainer.add_callback(schedule)
    seen = []
    generate = type(trainer.model).generate

    def spy(self, *args, generation_config=None, **kwargs):
        seen.append(generation_config.temperature)
        return generate(self, *args, generation_config=generation_config, **kwargs)

    monkeypatch.setattr(type(trainer.model), "generate", spy)
    trainer.train()
    assert seen == [schedule.at(step, 3) for step in range(3)]
    logged = [line["temperature"] for line in trainer.state.log_history if "temperature" in line]
    assert logged == pytest.approx(seen)


def spied(trainer):
    """The batches that the trainer learns from."""
    batches, score = [], trainer._generate_and_score_completions

    def spy(inputs):
        batches.append(score(inputs))
        return {k: v.clone() if torch.is_tensor(v) else v for k, v in batches[-1].items()}

    trainer._generate_and_score_completions = spy
    return batches


def test_rebalanced_batches_carry_plus_and_minus_one_and_nothing_for_the_rest(rl_trainer):
    kept = []
    trainer = rl_trainer(balance=True, oversample=2, max_accuracy=0.5, on_rollouts=kept.append)
    batches = spied(trainer)
    trainer.train()
    assert len(kept) == len(batches) == 3
    for batch, rollouts in zip(batches, kept, strict=True):
        advantages = batch["advantages"]
        live = advantages != 0
        assert advantages.sum() == 0 and set(advantages[live].tolist()) <= {1.0, -1.0}
        assert (batch["completion_mask"][~live] == 0).all()
        assert batch["num_items_in_batch"] == batch["completion_mask"].sum()
        assert batch["completion_ids"].shape == batch["completion_mask"].shape
        assert len(advantages) % trainer.args.steps_per_generation == 0 and len(advantages) <= 8
        assert len(rollouts) == 16  # 2 prompts x 4 completions x oversample 2
        assert sum(r["advantage"] > 0 for r in rollouts) == int((advantages > 0).sum())
        for row in rollouts:
            assert row["advantage"] in (0.0, row["reward"])
    names = set(trainer.state.log_history[0])
    assert {"dead_groups", "rebalance/rows_used", "rebalance/accuracy"} <= names


@pytest.mark.parametrize("balance", [True, False])
def test_a_step_without_signal_moves_no_weight(rl_trainer, balance):
    """Adam's momentum moved the weights 4.5 times as far as the one live step before."""
    calls = []

    def reward(completions, **_):
        calls.append(1)
        signs = [1.0, -1.0] * len(completions) if len(calls) == 1 else [1.0] * len(completions)
        return signs[: len(completions)]

    trainer = rl_trainer(balance=balance, reward=reward)
    before, moved = None, []

    class Watch(TrainerCallback):
        def on_step_end(self, args, state, control, **more):
            nonlocal before
            now = torch.cat([p.detach().flatten().clone() for p in more["model"].parameters()])
            moved.append(0.0 if before is None else float((now - before).abs().max()))
            before = now

    start = torch.cat([p.detach().flatten().clone() for p in trainer.model.parameters()])
    trainer.add_callback(Watch())
    trainer.train()
    assert float((before - start).abs().max()) > 0, "the live step must move something"
    assert moved[1:] == [0.0, 0.0]
    assert [line["dead_groups"] for line in trainer.state.log_history if "dead_groups" in line] == [
        0.0,
        1.0,
        1.0,
    ]


def test_the_overlong_punishment_reaches_the_advantages_of_a_balanced_batch(rl_trainer):
    def reward(completions, **_):
        return [0.25 if i % 8 == 0 else 1.0 if i % 8 == 1 else -1.0 for i in range(len(completions))]

    trainer = rl_trainer(balance=True, oversample=2, reward=reward)
    batches = spied(trainer)
    trainer.train()
    values = sorted({round(float(a), 4) for a in batches[0]["advantages"] if a})
    # 2 of 8 are right, one of them too long: 0.25 and 1.0 against -1.0 twice, mean -0.1875
    assert values == [-0.8125, 0.4375, 1.1875]


def test_truncated_completions_that_are_masked_out_do_not_break_the_balance(rl_trainer):
    trainer = rl_trainer(balance=True, oversample=2, mask_truncated_completions=True)
    batches = spied(trainer)
    trainer.train()
    for batch in batches:
        with_loss = batch["advantages"][batch["completion_mask"].sum(1) > 0]
        assert (with_loss > 0).sum() == (with_loss < 0).sum() and (with_loss != 0).all()


@pytest.mark.parametrize("loss", mostly_long(["grpo", "bnpo", "dr_grpo", "dapo", "cispo"]))
def test_every_averaging_learns_from_a_balanced_batch(rl_trainer, loss):
    trainer = rl_trainer(balance=True, oversample=2, loss_type=loss)
    trainer.train()
    norms = [line["grad_norm"] for line in trainer.state.log_history if "grad_norm" in line]
    assert len(norms) == 3 and all(norm > 0 for norm in norms)


@pytest.fixture
def half_solved(rl_trainer):
    """Builds trainers whose students always solve every second prompt of the set, and the others half of the time."""
    easy = set()

    def reward(prompts, **_):
        return [1.0 if p[-1]["content"] in easy or i % 2 else -1.0 for i, p in enumerate(prompts)]

    def build(**options):
        trainer = rl_trainer(reward=reward, **options)
        easy.update(sorted({row["prompt"][-1]["content"] for row in trainer.pool})[::2])
        return trainer

    return build


@pytest.mark.parametrize("balance", [True, False])
def test_groups_without_signal_are_replaced_within_the_step(balance, half_solved):
    """Half of the prompts are always solved: with refills nearly every group lives, and every rollout is reported once."""
    kept = []
    options = {"balance": balance, "oversample": 2, "on_rollouts": kept.append}
    trainer = half_solved(refill=6, **options)
    batches = spied(trainer)
    trainer.train()
    without = half_solved(**options)
    without.train()
    dead, before = (
        [line["dead_groups"] for line in t.state.log_history if "dead_groups" in line]
        for t in (trainer, without)
    )
    assert sum(dead) < sum(before) and max(dead) <= 0.5
    assert any("refilled_groups" in line for line in trainer.state.log_history)
    wide = 8 if balance else 4
    for batch, rollouts in zip(batches, kept, strict=False):
        assert {batch[key].size(1) for key in ("completion_ids", "completion_mask")} == {
            batch["completion_ids"].size(1)
        }
        assert batch["num_items_in_batch"] == batch["completion_mask"].sum()
        assert len(rollouts) % wide == 0 and len(rollouts) >= 2 * wide
        groups = {}
        for row in rollouts:
            groups.setdefault(row["group"], set()).add((row["problem_id"], row["prompt"]))
        assert len(groups) == len(rollouts) // wide and all(len(each) == 1 for each in groups.values())
        right = {g: [r["reward"] > 0 for r in rollouts if r["group"] == g] for g in groups}
        for group, signs in right.items():
            live = [r["advantage"] for r in rollouts if r["group"] == group and r["advantage"]]
            assert not live or not all(signs)


def test_a_replaced_row_brings_all_its_columns_along(half_solved):
    """Every row of the batch, decoded, is the completion that was reported with its advantage."""
    kept = []
    trainer = half_solved(refill=6, on_rollouts=kept.append)
    batches = spied(trainer)
    trainer.train()
    assert any(len(rollouts) > 8 for rollouts in kept)
    for batch, rollouts in zip(batches, kept, strict=True):
        for row, (ids, mask, advantage, prompt, there) in enumerate(
            zip(
                *(
                    batch[k]
                    for k in ("completion_ids", "completion_mask", "advantages", "prompt_ids", "prompt_mask")
                ),
                strict=True,
            )
        ):
            said = trainer.processing_class.decode(ids[mask.bool()], skip_special_tokens=True)
            assert said == rollouts[row]["completion"]
            assert float(advantage) == pytest.approx(rollouts[row]["advantage"])
            assert rollouts[row]["prompt"] in trainer.processing_class.decode(prompt[there.bool()])
