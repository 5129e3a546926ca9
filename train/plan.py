"""What a stage will do, estimated before it starts: steps, tokens, time, memory per device, groups without signal."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np
import torch
from scipy.stats import binom
from transformers import AutoConfig
from trl import GRPOConfig

from factory.errors import UsageError
from factory.run.layout import STAGES
from factory.run.parts import MANIFEST
from factory.sampling.generation import keys_and_values
from train.configs import accumulation, world_size
from train.data import TrainingRows, read_set
from train.prompts import PromptChoice
from train.stage import Job, summary_of
from train.student import empty_model, loaded

GIB = 2**30
MASK_BYTES = 10
"""Per pair of tokens: measured on an H200 under bfloat16, where a masked row of 16,384 tokens took 2.5 GiB more than a
forecast without any mask (docs/gpu.md)."""


FORESEEN = 1_000
"""Prompts that the forecast of an online choice draws."""
PROMPTED = ("distill", "rl")
"""Stages whose student answers prompts."""


def teacher_of(job: Job) -> Any:
    """The teacher of `distill`, without weights."""
    return empty_model(loaded(AutoConfig, job.section.teacher, job.section.revision))


def sampled(section: Any) -> int:
    """Completions sampled per prompt."""
    return int(section.group_size * (section.oversample if section.rebalance else 1))


def plan(job: Job, rows: TrainingRows) -> dict[str, Any]:
    """Steps, rows and tokens; the steps of a packed stage may be a few more, because best-fit leaves gaps."""
    section, world = job.section, world_size()
    micro = accumulation(section, world)
    facts: dict[str, Any] = {"devices": world, "micro_batches": micro, "rows_a_step": section.batch_size}
    mean = float(rows.lengths.mean())
    if job.stage in PROMPTED:
        prompts = section.batch_size // section.group_size
        wide = prompts * sampled(section)
        return facts | {
            "steps": len(rows.rows) // prompts,
            "prompts_a_step": prompts,
            "sampled_a_step": wide,
            "tokens_a_step_at_most": int(wide * (mean + section.max_completion_length)),
            "prompts_in_all": len(rows.rows),
        }
    units, tokens, epochs = float(len(rows.rows)), mean, section.epochs
    if job.stage in ("midtrain", "sft") and not section.packing:
        epochs = 1.0  # the rows hold every pass already
    elif getattr(section, "packing", False):
        total = float(np.minimum(rows.lengths, section.max_length).sum()) * len(rows.rows) / len(rows.lengths)
        units, tokens = max(1.0, math.ceil(total / section.max_length)), float(section.max_length)
    steps = section.max_steps or math.ceil(math.ceil(units / section.batch_size) * epochs)
    a_step = min(units, section.batch_size) * tokens * (2 if job.stage == "dpo" else 1)
    return facts | {"steps": int(steps), "tokens_a_step": int(a_step), "tokens_in_all": int(a_step * steps)}


def memory(job: Job, rows: TrainingRows) -> dict[str, float]:
    """`device_memory` of the rows that are trained on in GiB, against the card and what the stage took when it ran last.

    Raises:
        UsageError: the card cannot hold it; names the settings that save most.
    """
    assert job.parent is not None
    longest = float(rows.lengths.max())
    if job.stage in PROMPTED:
        longest += job.section.max_completion_length
    elif getattr(job.section, "packing", False):
        longest = float(job.section.max_length)
    model, card = AutoConfig.from_pretrained(job.layout.checkpoint(job.parent)), card_bytes()
    parts = device_memory(job, empty_model(model), longest, card)
    total = sum(parts.values())
    if card and total > card:
        raise UsageError(
            f"stage {job.stage} needs about {total / GIB:.0f} GiB per device, the card has {card / GIB:.0f} (most: "
            f"{max(parts, key=lambda name: parts[name]).replace('_', ' ')})",
            do=_savings(job, parts),
        )
    sums = parts | {"total": total} | ({"card": float(card)} if card else {})
    facts = {name: round(value / GIB, 3) for name, value in sums.items()}
    if (job.final / MANIFEST).exists() and (peak := summary_of(job.layout, job.stage).peak_gib):
        facts["last_run"] = peak
    return facts


def device_memory(job: Job, empty: Any, longest: float, card: int) -> dict[str, float]:
    """Memory of one device in bytes, by what it goes to.

    Weights, gradients and Adam's two moments are float32, 16 bytes per parameter in all, divided by the devices under FSDP
    and ZeRO. Activations count with checkpointing: one hidden state per layer and one layer's inside. Logits are never
    whole (TRL's fused head works in tiles). The mask counts where FlashAttention is not used: packs are one row of all
    their tokens then, and padded rows have a square each (`MASK_BYTES` per pair of tokens).

    Args:
        job: the stage.
        empty: the student without weights.
        longest: tokens of the longest row, or of a pack.
        card: memory of the card, of which vLLM takes a share; 0 without one.
    """
    assert job.recipe.train is not None
    model, parameters = empty.config.get_text_config(), empty.num_parameters()
    section, lora = job.section, job.recipe.train.lora
    sharded = any(os.environ.get(f"ACCELERATE_USE_{name}") == "true" for name in ("FSDP", "DEEPSPEED"))
    share = parameters / (world_size() if sharded else 1)
    inner = int(getattr(model, "intermediate_size", 4 * model.hidden_size))
    count = section.micro_batch_size * (2 if job.stage == "dpo" else 1)
    tokens = count * longest
    squares = tokens**2 if getattr(section, "packing", False) else count * longest**2 if count > 1 else 0.0
    flash = "flash" in (job.recipe.train.student.attention or "")
    layers, hidden = int(model.num_hidden_layers), int(model.hidden_size)
    parts = {
        "weights": 4.0 * share,
        "gradients_and_moments": 0.0 if lora else 12.0 * share,
        "activations": tokens * (2.0 * hidden * layers + 4.0 * (8 * hidden + 3 * inner)),
        "attention_mask": 0.0 if flash else MASK_BYTES * squares,
    }
    if job.stage in PROMPTED:
        at_once = section.batch_size // section.group_size * sampled(section) / world_size()
        cache = 4.0 * keys_and_values(model) * longest * at_once
        parts["key_value_cache"] = cache if section.vllm == "off" else 0.0
        if section.vllm == "colocate":
            parts["vllm"] = vllm_share(section) * card
        if job.stage == "distill":
            parts["teacher_weights"] = 4.0 * teacher_of(job).num_parameters()
        elif section.beta:
            parts["reference_weights"] = 4.0 * share
    return parts


def vllm_share(section: Any) -> float:
    """The share of the card that vLLM takes in the trainer's process."""
    name = "vllm_gpu_memory_utilization"
    return float(section.trl.get(name, getattr(GRPOConfig, name)))


def _savings(job: Job, parts: dict[str, float]) -> str:
    """What to set where the most memory goes."""
    return {
        "weights": "divide it over more devices (recipes/accelerate/fsdp2.yaml), or take a smaller student",
        "gradients_and_moments": "train adapters (train.lora), or divide it over more devices "
        "(recipes/accelerate/fsdp2.yaml)",
        "activations": f"lower train.{job.stage}.micro_batch_size or its length limit",
        "attention_mask": "install flash-attn and set train.student.attention=flash_attention_2, or lower "
        f"train.{job.stage}.micro_batch_size",
        "key_value_cache": f"sample with vLLM (train.{job.stage}.vllm), or lower train.{job.stage}.batch_size or "
        "max_completion_length (with train.rl.rebalance: oversample)",
        "vllm": "lower train.rl.trl.vllm_gpu_memory_utilization, or sample from a server (train.rl.vllm=server)",
        "reference_weights": "set train.rl.beta=0",
        "teacher_weights": "take a smaller teacher",
    }[max(parts, key=lambda name: parts[name])]


def peak_bytes() -> int:
    """Largest memory that torch has held on this process's card so far; 0 without one."""
    return int(torch.cuda.max_memory_reserved()) if torch.cuda.is_available() else 0


def card_bytes() -> int:
    """Memory of the GPU that is trained on; 0 without one."""
    return int(torch.cuda.get_device_properties(0).total_memory) if torch.cuda.is_available() else 0


def eta(job: Job, facts: dict[str, Any]) -> dict[str, Any]:
    """How long midtrain, sft or dpo will take, by the tokens per second of the nearest stage that this run has trained.

    dpo's reference pass is a forward without a backward: a third on top. Nothing before anything is trained, and nothing
    for rl, which depends on how long the student's answers come out.
    """
    tokens = int(facts.get("tokens_in_all", 0))
    for stage in ("sft", "midtrain") if tokens else ():
        if (
            STAGES.index(stage) < STAGES.index(job.stage)
            and (job.layout.checkpoint(stage) / MANIFEST).exists()
        ):
            before = summary_of(job.layout, stage)
            if before.seconds and before.plan["devices"] == facts["devices"]:
                work = tokens * (4 / 3 if job.stage == "dpo" else 1.0)
                seconds = round(work * before.seconds / before.plan["tokens_in_all"])
                return {"seconds": seconds, "measured_on": stage}
    return {}


def dead_groups(job: Job) -> dict[str, float] | None:
    """Forecast of the share of groups without signal, from the pass rates measured with the student.

    With `prompts: online` it is that of the prompts that would be chosen by these rates.

    Returns:
        Expected shares of groups all wrong, all right, above `max_accuracy`, and dead in all; None without pass rates.
    """
    rows = read_set(job)
    rates = rows["pass_rate"]
    if job.section.prompts == "online":
        count = job.section.batch_size // job.section.group_size
        choice = PromptChoice(rates, rows["bucket"], job.recipe.seed)
        rates = [rates[at] for step in range(math.ceil(FORESEEN / count)) for at in choice.draw(step, count)]
    rates = [rate for rate in rates if rate is not None]
    if not rates:
        return None
    size = sampled(job.section)
    counts = binom(size, np.asarray(rates))
    wrong, right = counts.pmf(0), counts.pmf(size)
    limit = job.section.max_accuracy if job.section.rebalance else 1.0
    easy = np.maximum(0.0, counts.sf(math.floor(limit * size)) - right)
    shares = {"all_wrong": wrong, "all_right": right, "too_easy": easy, "dead": wrong + right + easy}
    return {name: round(float(values.mean()), 4) for name, values in shares.items()}
