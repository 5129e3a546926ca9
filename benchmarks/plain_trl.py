"""The stages of a finished run by TRL's own trainers, as its documentation shows them: `python -m benchmarks.plain_trl RUN OUT STAGE...`.

Same rows, sizes and steps, each from the checkpoint that ours started from; `benchmarks.gpu` compares the two.
"""

from __future__ import annotations

import gc
import itertools
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from factory.run.layout import PAPER as STAGES


def median_step(ends: list[float]) -> float:
    """Median seconds between steps; the first step, which chooses kernels, is left out where there are others."""
    return (
        round(statistics.median(b - a for a, b in itertools.pairwise(ends)), 3) if len(ends) > 1 else ends[0]
    )


def measure_plain(run: Path, out: Path, stages: Iterable[str]) -> None:
    """The same rows, sizes and steps by TRL's trainers as their documentation shows them."""
    import torch
    from transformers import TrainerCallback

    from train.plan import GIB, peak_bytes

    class Clock(TrainerCallback):
        def __init__(self) -> None:
            self.ends: list[float] = []

        def on_log(self, *_: Any, logs: dict[str, Any], **__: Any) -> None:
            if "train_runtime" not in logs:
                self.ends.append(time.monotonic() - began)

    found = {}
    for stage in stages:
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        began = time.monotonic()
        trainer, clock = TRAINERS[stage](run, stage), Clock()
        trainer.add_callback(clock)
        trainer.train()
        tokens = [line["num_tokens"] for line in trainer.state.log_history if "num_tokens" in line]
        found[stage] = {
            "steps": trainer.state.global_step,
            "seconds": round(time.monotonic() - began, 3),
            "step_seconds": median_step(clock.ends),
            "tokens": tokens[-1],
            "peak_gib": round(peak_bytes() / GIB, 3),
        }
        del trainer
        gc.collect()
        torch.cuda.empty_cache()
    out.write_text(json.dumps(found), "utf-8")


def _shared(run: Path, stage: str) -> tuple[Any, dict[str, Any]]:
    """The stage's rows, and what its TRL config takes from the recipe."""
    import torch
    from datasets import load_dataset

    from factory.config.load import load_recipe
    from factory.run.layout import RunLayout

    recipe, at = load_recipe(run / "recipe.yaml"), RunLayout(run)
    assert recipe.train is not None
    section = getattr(recipe.train, stage)
    name = {"dpo": "preference"}.get(stage, stage)
    rows = load_dataset("parquet", data_files=str(at.dataset(name) / "train-*.parquet"), split="train")
    before = STAGES[STAGES.index(stage) - 1] if stage != "midtrain" else "base"
    gpu = torch.cuda.is_available()
    return rows, {
        "model": str(at.checkpoint(before)),
        "section": section,
        "values": {
            "output_dir": str(run.parent / "plain"),
            "max_steps": section.max_steps,
            "learning_rate": section.learning_rate,
            "per_device_train_batch_size": section.micro_batch_size,
            "gradient_accumulation_steps": section.batch_size // section.micro_batch_size,
            "model_init_kwargs": {"dtype": "float32"},
            "logging_steps": 1,
            "report_to": "none",
            "bf16": gpu,
            "use_cpu": not gpu,
            "gradient_checkpointing": gpu,
            **section.trl,
        },
    }


def _sft(run: Path, stage: str) -> Any:
    from trl import SFTConfig, SFTTrainer

    rows, given = _shared(run, stage)
    section = given["section"]
    config = SFTConfig(**given["values"], max_length=section.max_length, packing=section.packing)
    return SFTTrainer(
        given["model"], args=config, train_dataset=rows.select_columns(["prompt", "completion"])
    )


def _dpo(run: Path, stage: str) -> Any:
    from trl import DPOConfig, DPOTrainer

    rows, given = _shared(run, stage)
    config = DPOConfig(**given["values"], max_length=given["section"].max_length)
    return DPOTrainer(
        given["model"], args=config, train_dataset=rows.select_columns(["prompt", "chosen", "rejected"])
    )


def _grpo(run: Path, stage: str) -> Any:
    from math_verify import parse, verify
    from trl import GRPOConfig, GRPOTrainer

    def right(completions: list[Any], answer: list[str], **_: Any) -> list[float]:
        texts = [completion[-1]["content"].rpartition("</think>")[2] for completion in completions]
        return [
            1.0 if verify(parse(f"${gold}$"), parse(text)) else -1.0
            for text, gold in zip(texts, answer, strict=True)
        ]

    rows, given = _shared(run, stage)
    section = given["section"]
    config = GRPOConfig(
        **given["values"],
        num_generations=section.group_size,
        max_completion_length=section.max_completion_length,
        temperature=section.temperature_start,
        loss_type=section.loss,
        beta=section.beta,
    )
    return GRPOTrainer(
        given["model"],
        reward_funcs=right,
        args=config,
        train_dataset=rows.select_columns(["prompt", "answer"]),
    )


TRAINERS: dict[str, Callable[[Path, str], Any]] = {"midtrain": _sft, "sft": _sft, "dpo": _dpo, "rl": _grpo}


if __name__ == "__main__":
    measure_plain(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
