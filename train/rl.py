"""The paper's RL stabilisers as thin wrappers of TRL 1.16's `GRPOTrainer`; no method of TRL is copied.

- reward rebalancing: sample `oversample` x `group_size` completions per prompt, keep every right one and equally many
  random wrong ones, as far as the batch has room; groups that are all right or all wrong give no signal.
- prompt optimisation lies in the data: rows come in training order and are not shuffled.
- a step in which no group gives a signal changes no weight: Adam's momentum would keep moving them.
- online choice of prompts (`train.prompts`), and refill: groups without signal are replaced by new ones within the step
  (dynamic sampling, DAPO, arXiv 2503.14476; TRL 1.16 has none).

A kept row's advantage is its reward less the mean of its group's kept rows: +1 or -1 exactly, unless the overlong
punishment shapes the rewards.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import torch
from datasets import Dataset
from transformers import TrainerCallback
from trl import GRPOTrainer

from train.prompts import PromptChoice


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
    """`GRPOTrainer` that can rebalance groups, choose and refill prompts, and hands every rollout to `on_rollouts`."""

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
        pool: Dataset | None = None,
        choice: PromptChoice | None = None,
        refill: int = 0,
        on_rollouts: Callable[[list[dict[str, Any]]], None] | None = None,
        **kwargs: Any,
    ) -> None:
        """Arguments of `GRPOTrainer`, and the rebalancing of `rebalance`.

        With `choice` a step takes its prompts from `pool`, and up to `refill` times new ones in place of groups without signal.

        Raises:
            ValueError: a process would hold a part of a group.
        """
        super().__init__(*args, **kwargs)
        self.balance, self.oversample, self.max_accuracy = balance, oversample if balance else 1, max_accuracy
        self.pool, self.choice, self.refill = pool, choice, refill if choice else 0
        self.on_rollouts = on_rollouts
        self.on_phase: Callable[[str], None] = lambda phase: None
        self.live = True
        self._chosen: list[int] = []
        self._scored: dict[str, Any] = {}
        self._rollouts: list[dict[str, Any]] = []
        self.add_callback(NoDeadSteps(self))
        rows = self.args.per_device_train_batch_size * self.args.steps_per_generation
        if (balance or choice) and rows % self.num_generations:
            raise ValueError(
                f"each process samples {rows} rows, which is not a whole number of groups of {self.num_generations}"
            )

    def _calculate_rewards(
        self, inputs: Any, prompts: Any, completions: Any, completion_ids_list: Any
    ) -> torch.Tensor:
        self.on_phase("scoring")
        rewards = super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)
        self.on_phase("learning")
        first = self.accelerator.process_index * len(inputs)
        verdicts = getattr(self.reward_funcs[0], "verdicts", None) or [None] * len(inputs)
        weighed = (rewards * self.reward_weights.to(rewards.device)).sum(dim=1)
        own = weighed[first : first + len(inputs)].clone()
        self._scored = {"inputs": inputs, "completions": completions, "ids": completion_ids_list}
        self._scored |= {"verdicts": list(verdicts), "rewards": own}
        if self._chosen:
            groups = weighed.view(len(self._chosen), -1)
            assert self.choice is not None
            step = self.state.global_step
            self.choice.update(
                step, self._chosen, (groups >= 0).sum(1).tolist(), (groups < 0).sum(1).tolist()
            )
        return rewards

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        self.on_phase("sampling with vLLM" if self.use_vllm else "sampling")
        if not self.model.training:
            self._chosen = []
            return super()._generate_and_score_completions(inputs)
        group, self._rollouts = self.num_generations, []
        self.num_generations = wide = group * self.oversample
        try:
            batch = self._sample([row for row in inputs[::group] for _ in range(wide)], 0)
            for turn in range(1, self.refill + 1):
                dead = ~self._live(batch, wide)
                most = int(self.accelerator.gather(dead.sum().reshape(1)).max())
                if not most:
                    break
                self.on_phase("sampling new prompts")
                batch = self._replaced(batch, dead, wide, most, turn)
        finally:
            self.num_generations = group
        if self.balance:
            return self._balanced(batch, len(inputs), wide)
        self._log_live(self._live(batch, wide))
        self._report(batch["advantages"].tolist(), wide)
        return batch

    def _sample(self, rows: list[dict[str, Any]], turn: int) -> dict[str, Any]:
        """TRL's batch of one rollout a row; with online choice the rows' prompts are chosen here."""
        if self.choice is not None:
            assert self.pool is not None
            wide, state = self.num_generations, self.accelerator
            count = len(rows) // wide
            self._chosen = self.choice.draw(self.state.global_step, count * state.num_processes, turn)
            own = self._chosen[state.process_index * count : (state.process_index + 1) * count]
            rows = [row for at in own for row in [self.pool[at]] * wide]
        batch: dict[str, Any] = super()._generate_and_score_completions(rows)
        return batch

    def _live(self, batch: dict[str, Any], wide: int) -> torch.Tensor:
        """Which groups of this process give a signal."""
        if not self.balance:
            return (batch["advantages"].view(-1, wide) != 0).any(1)
        rewards = self._trusted(batch).view(-1, wide)
        right, scored = (rewards >= 0).sum(1), (~rewards.isnan()).sum(1)
        return (right > 0) & (right < scored) & (right <= self.max_accuracy * scored)

    def _trusted(self, batch: dict[str, Any]) -> torch.Tensor:
        """Rewards of this process; NaN for truncated completions, which TRL masks out when asked to."""
        rewards: torch.Tensor = self._scored["rewards"].clone()
        rewards[batch["completion_mask"].sum(1) == 0] = torch.nan
        return rewards

    def _replaced(
        self, batch: dict[str, Any], dead: torch.Tensor, wide: int, most: int, turn: int
    ) -> dict[str, Any]:
        """The batch with new groups in place of dead ones. Every process samples `most` groups, as many as any lacks."""
        before, size = self._scored, len(batch["completion_ids"])
        fresh = self._sample([{}] * (most * wide), turn)
        alive = self._live(fresh, wide).nonzero().view(-1).tolist()
        pairs = list(zip(dead.nonzero().view(-1).tolist(), alive, strict=False))
        old = [group * wide + i for group, _ in pairs for i in range(wide)]
        new = [group * wide + i for _, group in pairs for i in range(wide)]
        unused = [i for i in range(most * wide) if i not in set(new)]
        self._keep(before, [0.0] * len(old), old)
        self._keep(self._scored, fresh["advantages"][unused].tolist(), unused)
        for name, values in before.items():
            for to, at in zip(old, new, strict=True):
                values[to] = self._scored[name][at]
        self._scored = before
        batch = _put(batch, old, fresh, new, size, self.processing_class.pad_token_id)
        batch["num_items_in_batch"] = self.accelerator.gather(batch["completion_mask"].sum()).sum()
        shares = self.accelerator.gather(torch.tensor(len(pairs) / len(dead), device=dead.device))
        self._metrics["train"]["refilled_groups"].append(shares.mean().item())
        return batch

    def _balanced(self, batch: dict[str, Any], room: int, wide: int) -> dict[str, Any]:
        """The batch cut down to the rows that give a signal, at most `room`, in equal micro-batches."""
        size = len(batch["completion_ids"])
        rewards = self._trusted(batch)
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
        everyone = self.accelerator.gather(self._scored["rewards"])
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

    def _report(self, advantages: list[float], wide: int) -> None:
        """Hand over all rollouts of the step, those of replaced groups behind the others."""
        replaced, self._rollouts = self._rollouts, []
        self._keep(self._scored, advantages, range(len(advantages)))
        if self.on_rollouts is None:
            return
        count = len(advantages) // wide
        first = self.accelerator.process_index * count
        beyond = self.accelerator.num_processes * count + self.accelerator.process_index * len(replaced)
        for place, row in enumerate(self._rollouts):
            row["group"] = first + place // wide
        for place, row in enumerate(replaced):
            row["group"] = beyond + place // wide
        self.on_rollouts(self._rollouts + replaced)

    def _keep(self, scored: dict[str, Any], advantages: Sequence[float], rows: Sequence[int]) -> None:
        """Note rollouts, whole groups in their order, for `_report`."""
        ends = {*self.eos_token_ids, self.processing_class.pad_token_id}
        for i, advantage in zip(rows, advantages, strict=True):
            row, said, reward = scored["inputs"][i], scored["completions"][i], float(scored["rewards"][i])
            self._rollouts.append(
                {
                    "step": self.state.global_step + 1,
                    "problem_id": row.get("problem_id"),
                    "prompt": row["prompt"][-1]["content"],
                    "group": 0,
                    "completion": said if isinstance(said, str) else said[-1]["content"],
                    "gold": row.get("answer"),
                    "verdict": scored["verdicts"][i],
                    "reward": None if reward != reward else reward,
                    "advantage": advantage,
                    "tokens": len(scored["ids"][i]),
                    "truncated": scored["ids"][i][-1] not in ends,
                    "temperature": float(self.temperature),
                }
            )


def _put(
    batch: dict[str, Any], to: list[int], other: dict[str, Any], at: list[int], size: int, pad: int
) -> dict[str, Any]:
    """The batch with rows `at` of another one in place of its rows `to`; columns are padded to the wider of both."""
    made = dict(batch)
    for key, value in batch.items():
        if not (torch.is_tensor(value) and value.dim() and value.size(0) == size) or not to:
            continue
        new = other[key]
        if value.dim() == 2 and value.size(1) != new.size(1):
            width, fill = max(value.size(1), new.size(1)), pad if key.endswith("_ids") else 0
            value, new = (_widened(each, width, fill, left=key.startswith("prompt")) for each in (value, new))
        made[key] = value.clone()
        made[key][to] = new[at].to(value.dtype)
    return made


def _widened(rows: torch.Tensor, width: int, fill: int, *, left: bool) -> torch.Tensor:
    more = width - rows.size(1)
    return torch.nn.functional.pad(rows, (more, 0) if left else (0, more), value=fill)


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
