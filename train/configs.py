"""From a recipe's section to TRL's config. Names under `trl:` are checked against the installed TRL."""

from __future__ import annotations

import dataclasses
import os
import urllib.error
import urllib.request
from importlib.util import find_spec
from typing import Any

import torch
from trl import DistillationConfig, DPOConfig, GRPOConfig, SFTConfig

from factory.errors import UsageError
from train.stage import Job

OWNED = {
    "num_train_epochs": "epochs",
    "max_steps": "max_steps",
    "learning_rate": "learning_rate",
    "per_device_train_batch_size": "micro_batch_size",
    "gradient_accumulation_steps": "batch_size",
    "generation_batch_size": "batch_size",
    "steps_per_generation": "batch_size",
    "num_generations": "group_size",
    "max_length": "max_length",
    "max_completion_length": "max_completion_length",
    "packing": "packing",
    "beta": "beta",
    "temperature": "temperature_start",
    "loss_type": "loss",
    "use_vllm": "vllm",
    "teacher_model_name_or_path": "teacher",
    "teacher_model_revision": "revision",
    "vllm_mode": "vllm",
    "eval_strategy": "validation",
    "eval_steps": "validation",
    "load_best_model_at_end": "validation",
    "metric_for_best_model": "validation",
}
"""TRL fields that the recipe sets by its own names, so that a value is only ever written in one place."""

WITH_LOSS: dict[str, dict[str, Any]] = {
    "exo_pair": {"label_smoothing": 1e-3},
    "robust": {"label_smoothing": 0.1},
    "luspo": {"importance_sampling_level": "sequence"},
}
"""TRL fields without which a loss is refused or is another one; the values that its paper recommends (TRL's help)."""

WITHOUT_EFFECT = ("scale_rewards", "multi_objective_aggregation")
"""TRL fields that rebalancing overrides."""

RESERVED = (
    "output_dir", "seed", "data_seed", "report_to", "shuffle_dataset", "bf16", "use_cpu", "num_iterations",
    "save_steps",
)  # fmt: skip
"""TRL fields that the trainer needs for itself: paths, seeds, row order, exact resume."""

KEPT = 2
"""Checkpoints that a stage keeps; there is one more while it is being written."""

SERVE = (
    "VLLM_SERVER_DEV_MODE=1 vllm serve MODEL --host 127.0.0.1 --port 8000 "
    '--weight-transfer-config \'{"backend": "nccl"}\' --logprobs-mode processed_logprobs --max-logprobs -1'
)
"""How a server is started that TRL 1.16 can send weights to (TRL issue 6765); MODEL is the parent's `final/`."""


def stage_config(job: Job) -> SFTConfig | DPOConfig | DistillationConfig | GRPOConfig:
    """The TRL config of a stage.

    Raises:
        UsageError: a name under `trl:` is unknown to TRL or belongs to the recipe; or batch sizes do not divide.
    """
    completion = (SFTConfig, _completion)
    kinds: dict[str, tuple[Any, Any]] = {
        "midtrain": completion, "sft": completion, "dpo": (DPOConfig, _dpo),
        "distill": (DistillationConfig, _distill), "rl": (GRPOConfig, _rl),
    }  # fmt: skip
    (kind, build), section = kinds[job.stage], job.section
    check_passthrough(job.stage, section, kind)
    values = _shared(job) | build(section) | section.trl
    if values["lr_scheduler_type"] == "constant" and values["warmup_steps"]:
        values["lr_scheduler_type"] = "constant_with_warmup"
    try:
        return kind(**values)
    except (ValueError, TypeError) as error:
        raise UsageError(f"train.{job.stage}: TRL refuses these settings ({error})") from error


def check_passthrough(stage: str, section: Any, kind: Any) -> None:
    """Refuse names under `trl:` that TRL does not know or that the recipe sets itself.

    Raises:
        UsageError: names the key and what to write instead.
    """
    known = {f.name for f in dataclasses.fields(kind)}
    for name in section.trl:
        where = f"train.{stage}.trl.{name}"
        own = OWNED.get(name)
        if own is not None and own in type(section).model_fields:
            raise UsageError(f"{where} is set by the recipe itself", do=f"write train.{stage}.{own}")
        if own == "validation":
            raise UsageError(
                f"{where}: stage {stage} has no validation split", do="evaluate it when it is trained"
            )
        if name in RESERVED:
            raise UsageError(f"{where} belongs to the trainer and cannot be set")
        if name in WITHOUT_EFFECT and getattr(section, "rebalance", False):
            raise UsageError(f"{where} has no effect with rebalancing", do="set train.rl.rebalance=false")
        if name not in known:
            raise UsageError(
                f"{where}: {kind.__name__} has no field {name}", do="see its fields in the TRL reference"
            )


def accumulation(section: Any, world: int) -> int:
    """Micro-batches an optimiser step on each of `world` devices.

    Raises:
        UsageError: the rows do not divide evenly.
    """
    per_step = section.micro_batch_size * world
    if section.batch_size % per_step:
        raise UsageError(
            f"batch_size {section.batch_size} is not a multiple of micro_batch_size {section.micro_batch_size} "
            f"x {world} device(s)",
            do="change one of them",
        )
    return int(section.batch_size // per_step)


def world_size() -> int:
    """Processes that train together; set by accelerate and torchrun."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def _shared(job: Job) -> dict[str, Any]:
    section, train = job.section, job.recipe.train
    assert train is not None
    save_steps = train.save_every if train.save_every < 1 else int(train.save_every)
    validated = {
        "eval_strategy": "steps",
        "eval_steps": save_steps,
        "per_device_eval_batch_size": section.micro_batch_size,
        "load_best_model_at_end": True,
        "metric_for_best_model": "eval_loss",
    }
    gpu = torch.cuda.is_available()
    bfloat16 = gpu if train.precision == "auto" else train.precision == "bfloat16"
    return {
        "output_dir": str(job.checkpoints),
        "num_train_epochs": section.epochs,
        "max_steps": section.max_steps or -1,
        "learning_rate": section.learning_rate,
        "warmup_steps": section.warmup,
        "lr_scheduler_type": section.schedule,
        "per_device_train_batch_size": section.micro_batch_size,
        "gradient_accumulation_steps": accumulation(section, world_size()),
        "save_strategy": "steps",
        "save_steps": save_steps,
        "save_total_limit": KEPT,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "report_to": train.tracker,
        "run_name": f"{job.recipe.name}-{job.stage}",
        "project": job.recipe.name,
        "seed": job.recipe.seed,
        "bf16": bfloat16,
        "use_cpu": not gpu,
        "gradient_checkpointing": gpu,
        "pad_to_multiple_of": 64 if gpu else None,  # torch chooses kernels for every new shape: few shapes
        "dataloader_pin_memory": gpu,
        "disable_tqdm": True,
    } | (validated if getattr(section, "validation", 0) else {})


def _completion(section: Any) -> dict[str, Any]:
    """Packed rows are prepared by TRL; unpacked ones come ready and in order (`train.data.reading_order`)."""
    if section.packing:
        return {"packing": True, "max_length": section.max_length, "shuffle_dataset": True}
    return {
        "packing": False,
        "max_length": None,
        "num_train_epochs": 1,
        "max_steps": -1,
        "shuffle_dataset": False,
        "train_sampling_strategy": "sequential",
        "dataset_kwargs": {"skip_prepare_dataset": True},
    }


def _dpo(section: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "max_length": section.max_length,
        "beta": section.beta,
        "loss_type": [section.loss],
        "precompute_ref_log_probs": True,
        "precompute_ref_batch_size": section.micro_batch_size,
    }
    if section.sft_weight:
        values |= {"loss_type": [section.loss, "sft"], "loss_weights": [1.0, section.sft_weight]}
    return values | WITH_LOSS.get(section.loss, {})


def _distill(section: Any) -> dict[str, Any]:
    wanted = vllm_settings(section)
    known = {each.name for each in dataclasses.fields(DistillationConfig)}
    return {
        "num_train_epochs": 1,
        "max_steps": -1,
        "max_completion_length": section.max_completion_length,
        "shuffle_dataset": False,
    } | {name: value for name, value in wanted.items() if name in known}


def _rl(section: Any) -> dict[str, Any]:
    return {
        "num_train_epochs": 1,
        "max_steps": -1,
        "steps_per_generation": accumulation(section, world_size()),
        "num_generations": section.group_size,
        "max_completion_length": section.max_completion_length,
        "temperature": section.temperature_start,
        "top_p": section.top_p,
        "loss_type": section.loss,
        "epsilon": section.epsilon,
        "beta": section.beta,
        "shuffle_dataset": False,
        **WITH_LOSS.get(section.loss, {}),
    } | vllm_settings(section)


def vllm_settings(section: Any) -> dict[str, Any]:
    """TRL's fields for the section's `vllm` mode; empty when it is off.

    The importance ratio is corrected per token. TRL's default multiplies it over the whole sequence: at a KL of 1e-4 per
    token the mean of a healthy run is 0.39 after 16k tokens, and most completions would lose their weight (TRL 5815).

    Raises:
        UsageError: vLLM is not installed.
    """
    if section.vllm == "off":
        return {}
    if find_spec("vllm") is None:
        raise UsageError(
            "vLLM is asked for, but not installed here",
            do="pip install 'cot-factory[vllm]' on a machine with a GPU, or set the stage's vllm to off",
        )
    values: dict[str, Any] = {
        "use_vllm": True,
        "vllm_mode": section.vllm,
        "vllm_importance_sampling_correction": True,
        "vllm_importance_sampling_mode": "token_truncate",
    }
    if section.vllm == "colocate":
        values["vllm_max_model_length"] = section.max_prompt_length + section.max_completion_length
    return values


def check_server(section: Any, config: Any) -> None:
    """In server mode, ask the server whether it is there.

    Raises:
        UsageError: it does not answer; gives the command that starts one.
    """
    if section.vllm != "server":
        return
    url = config.vllm_server_base_url or f"http://{config.vllm_server_host}:{config.vllm_server_port}"
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=10):
            return
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise UsageError(f"no vLLM server answers at {url} ({error})", do=f"start one: {SERVE}") from error
