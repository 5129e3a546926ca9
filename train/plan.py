"""What a stage will do, reckoned before it starts: steps, rows and tokens a step, memory, dead groups."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np

from factory.run.layout import STAGES
from train.configs import accumulation, world_size
from train.data import TrainingRows, read_set
from train.manifest import Job

GIB = 2**30


def plan(job: Job, rows: TrainingRows) -> dict[str, Any]:
    """Steps, rows and tokens.

    Packs are reckoned by total length, so `steps` of a packed stage may come out a few higher in truth: best-fit
    leaves a little room in each.
    """
    section, world = job.section, world_size()
    micro = accumulation(section, world)
    facts: dict[str, Any] = {"devices": world, "micro_batches": micro, "rows_a_step": section.batch_size}
    mean = float(rows.lengths.mean())
    if job.stage == "rl":
        prompts = section.batch_size // section.group_size
        wide = section.group_size * (section.oversample if section.rebalance else 1)
        return facts | {
            "steps": len(rows.rows) // prompts,
            "prompts_a_step": prompts,
            "sampled_a_step": prompts * wide,
            "tokens_a_step_at_most": int(prompts * wide * (mean + section.max_completion_length)),
            "prompts_in_all": len(rows.rows),
        }
    units, tokens, epochs = float(len(rows.rows)), mean, section.epochs
    if job.stage in ("midtrain", "sft") and not section.packing:
        epochs = 1.0  # the rows hold every pass already
    elif getattr(section, "packing", False):
        total = float(np.minimum(rows.lengths, section.max_length).sum())
        units, tokens = max(1.0, math.ceil(total / section.max_length)), float(section.max_length)
    steps = section.max_steps or math.ceil(math.ceil(units / section.batch_size) * epochs)
    sides = 2 if job.stage == "dpo" else 1
    a_step = min(units, section.batch_size) * tokens * sides
    return facts | {"steps": int(steps), "tokens_a_step": int(a_step), "tokens_in_all": int(a_step * steps)}


def memory(job: Job, rows: TrainingRows) -> dict[str, float]:
    """Memory of one device in GiB, by what it goes to.

    Weights, gradients and Adam's two moments are float32 (16 bytes a parameter in all); FSDP and ZeRO-3 divide them
    by the number of devices. Activations are reckoned with checkpointing: one hidden state a layer and one layer's
    inside. Logits are never whole (TRL's fused head works in tiles).
    """
    assert job.parent is not None and job.recipe.train is not None
    folder = job.layout.checkpoint(job.parent)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    parameters = count_parameters(folder)
    section, lora = job.section, job.recipe.train.lora
    hidden, layers = int(config["hidden_size"]), int(config["num_hidden_layers"])
    inner = int(config.get("intermediate_size", 4 * hidden))
    longest = float(rows.lengths.max())
    if job.stage == "rl":
        longest += section.max_completion_length
    elif getattr(section, "packing", False):
        longest = float(section.max_length)
    tokens = section.micro_batch_size * longest * (2 if job.stage == "dpo" else 1)
    parts = {
        "weights": 4.0 * parameters,
        "gradients_and_moments": 0.0 if lora else 12.0 * parameters,
        "activations": tokens * (2.0 * hidden * layers + 4.0 * (8 * hidden + 3 * inner)),
    }
    if job.stage == "rl":
        heads = int(config["num_attention_heads"])
        width = hidden // heads * int(config.get("num_key_value_heads") or heads)
        sampled = section.batch_size * (section.oversample if section.rebalance else 1) / world_size()
        parts["key_value_cache"] = (
            0.0 if section.vllm == "server" else 4.0 * layers * width * longest * sampled
        )
        if section.beta:
            parts["reference_weights"] = 4.0 * parameters
    parts["total"] = sum(parts.values())
    return {name: round(value / GIB, 3) for name, value in parts.items()}


def eta(job: Job, facts: dict[str, Any]) -> dict[str, Any]:
    """How long the stage will take.

    midtrain, sft and dpo go by the tokens a second of the nearest stage that this run has trained (dpo's reference pass
    is a forward without a backward: a third on top). Where none is trained yet, a matrix product of the model's own
    width is timed: 6 operations a parameter and token at that speed is the least it can take. rl depends on how long
    the student's answers come out; its progress line tells after the first step.

    Returns:
        `seconds` and `measured_on`, or `seconds_at_least`; nothing for rl.
    """
    tokens = facts.get("tokens_in_all")
    if tokens is None:
        return {}
    work = tokens * (4 / 3 if job.stage == "dpo" else 1.0)
    for stage in ("sft", "midtrain"):
        path = job.layout.stage(stage) / "manifest.json"
        if STAGES.index(stage) < STAGES.index(job.stage) and path.exists():
            before = json.loads(path.read_text("utf-8"))
            there = before["preflight"]["plan"]
            if before["seconds"] and there["devices"] == facts["devices"]:
                return {
                    "seconds": round(work * before["seconds"] / there["tokens_in_all"]),
                    "measured_on": stage,
                }
    assert job.parent is not None
    folder = job.layout.checkpoint(job.parent)
    width = int(json.loads((folder / "config.json").read_text("utf-8"))["hidden_size"])
    operations = 6.0 * count_parameters(folder) * tokens
    return {"seconds_at_least": round(operations / (matmul_speed(width) * facts["devices"]), 1)}


def matmul_speed(width: int, rows: int = 1024, repeats: int = 5) -> float:
    """Floating-point operations a second of a (rows, width) by (width, 4 x width) product on the training device."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    one, other = (
        torch.ones(shape, device=device, dtype=dtype) for shape in ((rows, width), (width, 4 * width))
    )
    best = math.inf
    for _ in range(repeats):
        began = time.perf_counter()
        (one @ other).sum().item()
        best = min(best, time.perf_counter() - began)
    return 8.0 * rows * width * width / best


def count_parameters(folder: Path) -> int:
    """Parameters of a checkpoint, read from the headers of its weight files; the weights stay on disk."""
    total = 0
    for path in folder.glob("*.safetensors"):
        with path.open("rb") as handle:
            size = int.from_bytes(handle.read(8), "little")
            header = json.loads(handle.read(size))
        total += sum(math.prod(t["shape"]) for name, t in header.items() if name != "__metadata__")
    return total


def dead_groups(job: Job, rows: TrainingRows) -> dict[str, float] | None:
    """Forecast of the share of groups that give no signal, from the pass rates measured with the student.

    Returns:
        Expected shares of groups all wrong, all right, above `max_accuracy`, and without signal in all; None when the
        set carries no pass rates.
    """
    section = job.section
    rates = [rate for rate in read_set(job)["pass_rate"] if rate is not None]
    if not rates:
        return None
    size = section.group_size * (section.oversample if section.rebalance else 1)
    limit = section.max_accuracy if section.rebalance else 1.0
    p = np.asarray(rates)
    wrong, right = (1 - p) ** size, p**size
    easy = np.zeros_like(p)
    for k in range(math.floor(limit * size) + 1, size):
        easy += math.comb(size, k) * p**k * (1 - p) ** (size - k)
    shares = {"all_wrong": wrong.mean(), "all_right": right.mean(), "too_easy": easy.mean()}
    return {name: round(float(value), 4) for name, value in shares.items()} | {
        "dead": round(float((wrong + right + easy).mean()), 4)
    }
