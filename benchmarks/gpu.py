"""Four stages on the GPU that is there, beside plain TRL on the same rows: tokens per second, and memory against the forecast.

python -m benchmarks.run gpu [--shape smollm2_135m] [--out runs/gpu]

The student has a public model's sizes and random weights, so nothing is fetched: speed and memory do not depend on what
it knows. Its tokenizer is learnt from this repository's pages, its problems ask for a value modulo 3, so that
answers are short. Rollouts by vLLM are timed too where vLLM is installed.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.markdown import table
from benchmarks.result import ROOT, Result

SHAPES: dict[str, dict[str, Any]] = {
    "smollm2_135m": {
        "model_type": "llama", "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30,
        "num_attention_heads": 9, "num_key_value_heads": 3, "vocab_size": 49152, "max_position_embeddings": 8192,
        "rope_theta": 100000.0, "tie_word_embeddings": True,
    },
    "phi4_mini": {
        "model_type": "phi3", "hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 32,
        "num_attention_heads": 24, "num_key_value_heads": 8, "vocab_size": 200064, "max_position_embeddings": 131072,
        "original_max_position_embeddings": 131072, "partial_rotary_factor": 0.75, "sliding_window": 262144,
        "tie_word_embeddings": True,
    },
    "tiny": {
        "model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 8192, "max_position_embeddings": 8192,
        "tie_word_embeddings": True,
    },
}  # fmt: skip
"""Sizes of the public config.json of HuggingFaceTB/SmolLM2-135M-Instruct and microsoft/Phi-4-mini-instruct (its rotary
factors left out: they change no speed); `tiny` tries the command without a GPU."""

RECIPE = """
name: gpu
problems:
  sources: ["procedural:modular_chain?count=COUNT&seed=3&modulus=3&levels=middle&steps=6-10"]
  held_out: 64
generate: {teacher: procedural, samples: 4, max_tokens: 2048, slip_rate: 0.3}
datasets: {sft_rows: ROWS}
difficulty: {student: teacher}
preference: {max_pairs: PAIRS, rejected_from: teacher, max_format_bias: 1.0, max_length_bias: 9.0, max_duplicates: 1.0}
rl_prompts: {low: 0.0, high: 1.0}
train:
  student: {model: STUDENT}
  save_every: 10000
  tracker: none
  midtrain: {max_length: PACK, batch_size: 16, micro_batch_size: 1, max_steps: STEPS, learning_rate: 6.0e-4}
  sft: {max_length: 2048, batch_size: 64, micro_batch_size: 16, max_steps: STEPS, learning_rate: 3.0e-4}
  dpo: {max_length: 2048, batch_size: 32, micro_batch_size: 8, max_steps: HALF, learning_rate: 1.0e-6}
  rl: {batch_size: 128, micro_batch_size: 32, group_size: 8, rebalance: false, temperature_end: 1.0, max_steps: ROLLS,
       max_completion_length: LONGEST, max_prompt_length: 512, learning_rate: 1.0e-6, max_dead: 1}
evaluation: {stages: []}
"""
WORDS: dict[str, dict[str, int]] = {
    "smollm2_135m": {"COUNT": 1200, "ROWS": 500, "PAIRS": 200, "PACK": 4096, "STEPS": 8, "HALF": 6, "ROLLS": 3, "LONGEST": 256},
    "phi4_mini": {"COUNT": 400, "ROWS": 160, "PAIRS": 40, "PACK": 16384, "STEPS": 4, "HALF": 1, "ROLLS": 1, "LONGEST": 768},
    "tiny": {"COUNT": 300, "ROWS": 64, "PAIRS": 32, "PACK": 512, "STEPS": 2, "HALF": 1, "ROLLS": 1, "LONGEST": 32},
}  # fmt: skip
"""What stands for the words of the recipe."""

PACKED_ONLY = (
    "train.midtrain.batch_size=2", "train.midtrain.micro_batch_size=1", "train.midtrain.trl={save_strategy: 'no'}",
    "train.sft.enabled=false", "train.dpo.enabled=false", "train.rl.enabled=false", "evaluation.stages=[]",
)  # fmt: skip
"""Settings for a student whose four stages take longer than this command may: one pack of the paper's 16K at a time."""

TRAINED = ("midtrain", "sft", "dpo", "rl")


def measure(args: list[str]) -> dict[str, Any]:
    """Make the students, run the recipe on each, then the same stages by TRL alone."""
    parser = argparse.ArgumentParser(prog="benchmarks.run gpu")
    parser.add_argument("--shape", choices=sorted(SHAPES), action="append", help="may be repeated")
    parser.add_argument("--out", type=Path, default=Path("runs/gpu"))
    given = parser.parse_args(args)
    began = time.monotonic()
    card, memory = device()
    shapes = given.shape or ["smollm2_135m"]
    found = {shape: _measured(shape, given.out / shape) for shape in shapes}
    return {"device": card, "gib": memory, "shapes": found, "seconds": round(time.monotonic() - began)}


def _measured(shape: str, out: Path) -> dict[str, Any]:
    """One student's run and its plain twin."""
    out.mkdir(parents=True, exist_ok=True)
    student = out / "student"
    if not (student / "config.json").exists():
        _call("-m", "benchmarks.gpu", "student", shape, str(student))
    recipe, text = out / "recipe.yaml", RECIPE.replace("STUDENT", str(student.resolve()))
    for name, value in WORDS[shape].items():
        text = text.replace(name, str(value))
    recipe.write_text(text, "utf-8")
    stages = TRAINED[:1] if shape == "phi4_mini" else TRAINED
    sets = [word for each in (PACKED_ONLY if len(stages) == 1 else ()) for word in ("--set", each)]
    run = ["-m", "factory.cli.main", "run", str(recipe), "--out", str(out / "run"), *sets]
    _call(*run)
    found = _ours(out / "run", stages)
    _call("-m", "benchmarks.gpu", "plain", str(out / "run"), str(out / "plain.json"), *stages)
    plain = json.loads((out / "plain.json").read_text("utf-8"))
    vllm = None
    if find_spec("vllm") and "rl" in stages:
        _call(*run, "--set", "train.rl.vllm=colocate")
        vllm = _ours(out / "run", stages)["stages"]["rl"]
    return found | {"plain": plain, "vllm": vllm}


def _call(*words: str) -> None:
    """A process of its own, so that each has the whole card."""
    subprocess.run([sys.executable, *words], check=True)


def build_student(shape: str, folder: Path) -> None:
    """Write a model of the shape with random weights, in bfloat16 as public checkpoints come."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, set_seed

    from train.student import build_tokenizer

    pages = [
        line for page in sorted((ROOT / "docs").glob("*.md")) for line in page.read_text("utf-8").splitlines()
    ]
    tokenizer = build_tokenizer(pages, 4096)
    set_seed(0)
    tokens = {f"{role}_token_id": getattr(tokenizer, f"{role}_token_id") for role in ("bos", "eos", "pad")}
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = AutoModelForCausalLM.from_config(
            AutoConfig.for_model(**SHAPES[shape], **tokens), dtype=torch.bfloat16
        )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _ours(run: Path, trained: Iterable[str]) -> dict[str, Any]:
    """What the manifests of the run's stages say."""
    from factory.run.layout import RunLayout
    from train.stage import summary_of

    at, stages = RunLayout(run), {}
    for stage in trained:
        summary = summary_of(at, stage)
        report = json.loads((at.stage(stage) / "preflight.json").read_text("utf-8"))
        lines = (at.stage(stage) / "metrics.jsonl").read_text("utf-8").splitlines()
        stages[stage] = {
            "steps": summary.steps,
            "seconds": summary.seconds,
            "step_seconds": _median_step([json.loads(line)["seconds"] for line in lines]),
            "tokens": summary.metrics["last/num_tokens"],
            "peak_gib": summary.peak_gib,
            "forecast_gib": report["memory_gib"]["total"],
            "loss": summary.metrics.get("train_loss"),
        }
    return {"stages": stages}


def _median_step(ends: list[float]) -> float:
    """Median seconds between steps; the first step, which chooses kernels, is left out where there are others."""
    return (
        round(statistics.median(b - a for a, b in itertools.pairwise(ends)), 3) if len(ends) > 1 else ends[0]
    )


def device() -> tuple[str | None, float]:
    """The card's name and memory in GiB."""
    import torch

    if not torch.cuda.is_available():
        return None, 0.0
    card = torch.cuda.get_device_properties(0)
    return card.name, round(card.total_memory / 2**30, 1)


def plain(run: Path, out: Path, stages: Iterable[str]) -> None:
    """The same rows, sizes and steps by TRL's trainers as their documentation shows them."""
    import torch
    from transformers import TrainerCallback

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
        trainer, clock = PLAIN[stage](run, stage), Clock()
        trainer.add_callback(clock)
        trainer.train()
        tokens = [line["num_tokens"] for line in trainer.state.log_history if "num_tokens" in line]
        found[stage] = {
            "steps": trainer.state.global_step,
            "seconds": round(time.monotonic() - began, 3),
            "step_seconds": _median_step(clock.ends),
            "tokens": tokens[-1],
            "peak_gib": round(torch.cuda.max_memory_reserved() / 2**30, 3)
            if torch.cuda.is_available()
            else 0.0,
        }
        del trainer
        gc.collect()
        if torch.cuda.is_available():
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
    before = TRAINED[TRAINED.index(stage) - 1] if stage != "midtrain" else "base"
    gpu = torch.cuda.is_available()
    return rows, {
        "model": str(at.checkpoint(before)),
        "train_dataset": rows,
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


PLAIN: dict[str, Callable[[Path, str], Any]] = {"midtrain": _sft, "sft": _sft, "dpo": _dpo, "rl": _grpo}


def render(result: Result) -> dict[str, str]:
    """The block of docs/gpu.md."""
    found = result.figures
    rows, said = [], []
    for shape, figures in found["shapes"].items():
        for stage, ours in figures["stages"].items():
            theirs = figures["plain"][stage]
            speed, plain_speed = (
                each["tokens"] / each["steps"] / each["step_seconds"] for each in (ours, theirs)
            )
            numbers = [
                f"{ours['step_seconds']:.2f}",
                f"{speed:,.0f}",
                f"{plain_speed:,.0f}",
                f"{speed / plain_speed:.1f}",
            ]
            memory = [
                "-" if each is None else f"{each:.1f}"
                for each in (ours["peak_gib"], theirs["peak_gib"], ours["forecast_gib"])
            ]
            rows.append(
                (shape.replace("_", "-"), stage, ours["steps"], f"{ours['seconds']:.0f}", *numbers, *memory)
            )
        if vllm := figures["vllm"]:
            speed = vllm["tokens"] / vllm["steps"] / vllm["step_seconds"]
            said.append(
                f"Rollouts by vLLM in the trainer's process: {speed:,.0f} tokens / s, {vllm['peak_gib']:.1f} GiB."
            )
        elif "rl" in figures["stages"]:
            said.append("vLLM was not installed there: its rollouts are not measured.")
    head = [
        "student",
        "stage",
        "steps",
        "s in all",
        "s a step",
        "tokens / s",
        "plain TRL",
        "ratio",
        "GiB",
        "plain TRL",
        "forecast",
    ]
    text = [
        f"{found['device']}, {found['gib']:.0f} GiB; {found['seconds'] / 60:.1f} minutes in all. Students "
        "have random weights. Seconds in all run from loading the weights to the last checkpoint; a step is the median "
        "without the first; tokens are those that TRL counts; rl samples with transformers and without rebalancing, so "
        "that both sides do the same work; GiB is the most that torch held.",
        table(head, rows, tuple(range(2, 11))),
        " ".join(said),
    ]
    return {"gpu": "\n\n".join(text)}


if __name__ == "__main__":
    actions: dict[str, Callable[..., None]] = {
        "student": lambda shape, folder: build_student(shape, Path(folder)),
        "plain": lambda run, out, *stages: plain(Path(run), Path(out), stages),
    }
    actions[sys.argv[1]](*sys.argv[2:])
