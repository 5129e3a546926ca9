"""Temperature annealing of rollouts over TRL 1.16's `GRPOTrainer`.

TRL keeps the temperature in three places; setting `trainer.temperature` alone changes neither the sampler nor the loss
(tests/train/test_hooks.py shows it).
"""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback
from trl import GRPOTrainer


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
