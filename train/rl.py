"""The paper's RL stabilisers as thin wrappers of TRL 1.16's `GRPOTrainer`; no method of TRL is copied.

- reward rebalancing: sample `oversample` x `group_size` completions per prompt, keep every right one and equally many
  random wrong ones, as far as the batch has room; groups that are all right or all wrong give no signal.
- temperature annealing: TRL keeps the temperature in three places; setting `trainer.temperature` alone changes
  neither the sampler nor the loss (tests/train/test_hooks.py shows it).
- prompt optimisation lies in the data: rows come in training order and are not shuffled.
- a step in which no group gives a signal changes no weight: Adam's momentum would keep moving them.

A kept row's advantage is its reward less the mean of its group's kept rows: +1 or -1 exactly, unless the overlong
punishment shapes the rewards.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import torch
from transformers import TrainerCallback
from trl import GRPOTrainer


def rebalance(rewards: torch.Tensor, room: int, max_accuracy: float, rng: random.Random) -> list[list[int]]:
    """Choose k right and k wrong completions of every group.

    k = min(right, wrong), 0 for a group whose accuracy is above `max_accuracy`. When all groups together would take more
    than `room` rows, the largest k are lowered, so that groups with few positives keep all of them.

    Args:
        rewards: (groups, completions); 0 or more is right (the overlong punishment takes at most 1 off a right answer's
            1), below is wrong, NaN is no signal and never chosen.
        room: most rows that may be chosen.
        max_accuracy: largest accuracy, over the scored completions, that still gives a signal.
        rng: draws which ones stay.

    Returns:
        Indices within each group, right ones first.
    """
    sides = []
    for row in rewards.tolist():
        order = rng.sample(range(len(row)), len(row))
        right, wrong = [i for i in order if row[i] >= 0], [i for i in order if row[i] < 0]
        easy = len(right) > max_accuracy * (len(right) + len(wrong))
        sides.append(([], []) if easy else (right, wrong))
    pairs = [min(len(right), len(wrong)) for right, wrong in sides]
    while 2 * sum(pairs) > room:
        pairs[pairs.index(max(pairs))] -= 1
    return [right[:k] + wrong[:k] for (right, wrong), k in zip(sides, pairs, strict=True)]


class FactoryGRPOTrainer(GRPOTrainer):
    """`GRPOTrainer` that can rebalance groups and hands every rollout to `on_rollouts`."""

    args: Any
    model: Any
    num_generations: Any
    processing_class: Any

    def __init__(
        self,
        *args: Any,
        balance: bool = False,
        oversample: int = 1,
        max_accuracy: float = 1.0,
        on_rollouts: Callable[[list[dict[str, Any]]], None] | None = None,
        **kwargs: Any,
    ) -> None:
        """Arguments of `GRPOTrainer`, and the rebalancing of `rebalance`.

        Raises:
            ValueError: a process would hold a part of a group.
        """
        super().__init__(*args, **kwargs)
        self.balance, self.oversample, self.max_accuracy = balance, oversample if balance else 1, max_accuracy
        self.on_rollouts = on_rollouts
        self.on_phase: Callable[[str], None] = lambda phase: None
        self.live = True
        self._scored: dict[str, Any] = {}
        self.add_callback(NoDeadSteps(self))
        rows = self.args.per_device_train_batch_size * self.args.steps_per_generation
        if balance and rows % self.num_generations:
            raise ValueError(
                f"each process samples {rows} rows, which is not a whole number of groups of {self.num_generations}"
            )

    def _calculate_rewards(
        self, inputs: Any, prompts: Any, completions: Any, completion_ids_list: Any
    ) -> torch.Tensor:
        self.on_phase("scoring")
        rewards = super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)
        self.on_phase("learning")
        self._scored = {"inputs": inputs, "completions": completions, "ids": completion_ids_list}
        self._scored["rewards"] = rewards
        return rewards

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        self.on_phase("sampling with vLLM" if self.use_vllm else "sampling")
        if not self.model.training:
            return super()._generate_and_score_completions(inputs)
        if not self.balance:
            batch = super()._generate_and_score_completions(inputs)
            self._log_live((batch["advantages"].view(-1, self.num_generations) != 0).any(1))
            self._report(batch["advantages"].tolist(), self.num_generations)
            return batch
        group, wide = self.num_generations, self.num_generations * self.oversample
        self.num_generations = wide
        try:
            many = [row for row in inputs[::group] for _ in range(wide)]
            batch = super()._generate_and_score_completions(many)
        finally:
            self.num_generations = group
        return self._balanced(batch, len(inputs), wide)

    def _balanced(self, batch: dict[str, Any], room: int, wide: int) -> dict[str, Any]:
        """The batch cut down to the rows that give a signal, at most `room`, in equal micro-batches."""
        size = len(batch["completion_ids"])
        first = self.accelerator.process_index * size
        everyone = self._scored["rewards"]
        everyone = (everyone * self.reward_weights.to(everyone.device)).sum(dim=1)
        rewards = everyone[first : first + size].clone()
        # TRL masks truncated ones out when asked to.
        rewards[batch["completion_mask"].sum(1) == 0] = torch.nan
        rng = random.Random(f"{self.args.seed}-{self.state.global_step}-{self.accelerator.process_index}")
        chosen = rebalance(rewards.view(-1, wide), room, self.max_accuracy, rng)
        advantages = torch.zeros(size, device=rewards.device)
        for group, indices in enumerate(chosen):
            if indices:
                at = torch.tensor(indices, device=rewards.device) + group * wide
                advantages[at] = rewards[at] - rewards[at].mean()
        rows = [group * wide + i for group, indices in enumerate(chosen) for i in indices]
        parts = self.args.steps_per_generation
        filler = [0] * (-len(rows) % parts if rows else parts)
        self._report(advantages.tolist(), wide)
        batch = _select(batch, torch.tensor(rows + filler, device=rewards.device), size)
        batch["advantages"] = torch.cat([advantages[rows], advantages.new_zeros(len(filler))])
        batch["completion_mask"][len(rows) :] = 0
        batch = _trim(batch)
        batch["num_items_in_batch"] = self.accelerator.gather(batch["completion_mask"].sum()).sum()
        self._log_balance(everyone.view(-1, wide), len(rows) / room)
        self._log_live(torch.tensor([bool(indices) for indices in chosen], device=rewards.device))
        return batch

    def _log_live(self, live: torch.Tensor) -> None:
        """The share of groups that give no signal, over all processes."""
        share = self.accelerator.gather(live.float()).mean().item()
        self.live = share > 0
        self._metrics["train"]["dead_groups"].append(1 - share)

    def _log_balance(self, everyone: torch.Tensor, used: float) -> None:
        """What rebalancing did in this step."""
        accuracy = (everyone >= 0).sum(1) / (~everyone.isnan()).sum(1).clamp(min=1)
        log = self._metrics["train"]
        log["rebalance/accuracy"].append(accuracy.mean().item())
        log["rebalance/too_easy_groups"].append((accuracy > self.max_accuracy).float().mean().item())
        log["rebalance/all_wrong_groups"].append((accuracy == 0).float().mean().item())
        shares = self.accelerator.gather(torch.tensor(used, device=everyone.device))
        log["rebalance/rows_used"].append(shares.mean().item())

    def _report(self, advantages: list[float], group: int) -> None:
        if self.on_rollouts is None:
            return
        scored, process = self._scored, self.accelerator.process_index
        count = len(scored["inputs"])
        rewards = scored["rewards"][process * count : (process + 1) * count].sum(dim=1).tolist()
        verdicts = getattr(self.reward_funcs[0], "verdicts", None) or [None] * count
        ends = {*self.eos_token_ids, self.processing_class.pad_token_id}
        said = (c if isinstance(c, str) else c[-1]["content"] for c in scored["completions"])
        columns = (scored["inputs"], said, scored["ids"], verdicts, rewards, advantages)
        self.on_rollouts(
            [
                {
                    "step": self.state.global_step + 1,
                    "problem_id": row.get("problem_id"),
                    "prompt": row["prompt"][-1]["content"],
                    "group": process * (count // group) + i // group,
                    "completion": completion,
                    "gold": row.get("answer"),
                    "verdict": verdict,
                    "reward": None if reward != reward else reward,
                    "advantage": advantage,
                    "tokens": len(ids),
                    "truncated": ids[-1] not in ends,
                    "temperature": float(self.temperature),
                }
                for i, (row, completion, ids, verdict, reward, advantage) in enumerate(
                    zip(*columns, strict=True)
                )
            ]
        )


def _select(batch: dict[str, Any], rows: torch.Tensor, size: int) -> dict[str, Any]:
    """Rows of every tensor that holds one row a completion."""
    return {
        key: value[rows] if torch.is_tensor(value) and value.dim() and value.size(0) == size else value
        for key, value in batch.items()
    }


def _trim(batch: dict[str, Any]) -> dict[str, Any]:
    """Cut the completion columns in which no chosen row has a token that counts."""
    longest = max(1, int(batch["completion_mask"].sum(1).max()))
    prompts = ("prompt_ids", "prompt_mask")
    return {
        key: value[:, :longest]
        if torch.is_tensor(value) and value.dim() == 2 and key not in prompts and not key.startswith("num_")
        else value
        for key, value in batch.items()
    }


class NoDeadSteps(TrainerCallback):
    """No signal, no step: without gradients AdamW leaves a weight alone; a gradient of zero still moves it by momentum.

    DeepSpeed steps by itself and is not reached.
    """

    def __init__(self, trainer: FactoryGRPOTrainer) -> None:
        """`trainer.live` says whether the step's rollouts gave any signal."""
        self.trainer = trainer

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Take the gradients away when there is neither an advantage nor a KL term."""
        if not self.trainer.live and not args.beta:
            for parameter in more["model"].parameters():
                parameter.grad = None


class TemperatureSchedule(TrainerCallback):
    """Move the rollout temperature linearly from `start` to `end` over the first `fraction` of the steps.

    It reaches the sampler and the loss: TRL 1.16 divides the logits by a temperature kept in the closure of its fused
    head (trl/trainer/utils.py, `add_fused_lm_head`), so that cell is written too.
    """

    def __init__(self, trainer: GRPOTrainer, start: float, end: float, fraction: float) -> None:
        """Finds the closure cells; call it before training starts, because accelerate wraps `forward` then.

        Raises:
            ValueError: a rollout batch would serve several optimiser steps.
            RuntimeError: TRL no longer keeps the temperature where this looks for it.
        """
        args: Any = trainer.args
        if args.steps_per_generation != args.gradient_accumulation_steps or args.num_iterations != 1:
            raise ValueError(
                "the temperature can only move when each optimiser step samples its own rollouts"
            )
        self.trainer, self.start, self.end, self.fraction = trainer, start, end, fraction
        models = [model for model in (trainer.model, trainer.ref_model) if model is not None]
        self.cells = [temperature_cell(model) for model in models]

    def at(self, step: int, steps: int) -> float:
        """Temperature of optimiser step `step` (from 0) of `steps`."""
        share = min(1.0, step / max(1.0, self.fraction * steps))
        return self.start + (self.end - self.start) * share

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Set the temperature for this step's rollouts and loss."""
        set_temperature(self.trainer, self.cells, self.at(state.global_step, state.max_steps))


def set_temperature(trainer: GRPOTrainer, cells: list[Any], value: float) -> None:
    """Write a temperature into sampler and loss, and log it."""
    trainer.temperature = value
    for cell in cells:
        cell.cell_contents = value
    if trainer.use_vllm:
        trainer.vllm_generation.temperature = value
    else:
        trainer.generation_config.temperature = value
        trainer.generation_kwargs["temperature"] = value
    trainer._metrics["train"]["temperature"].append(value)


def temperature_cell(model: Any) -> Any:
    """The closure cell from which TRL's fused head reads the temperature.

    Raises:
        RuntimeError: there is none: TRL has changed.
    """
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    function = getattr(base.forward, "__func__", base.forward)
    names = function.__code__.co_freevars
    if "temperature" not in names:
        raise RuntimeError("TRL no longer keeps the temperature in its fused head: pin trl to 1.16")
    return function.__closure__[names.index("temperature")]
