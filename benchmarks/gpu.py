"""Four stages on the GPU that is there, beside plain TRL on the same rows: tokens per second, and memory against the forecast.

python -m benchmarks.run gpu [--shape smollm2_135m] [--out runs/gpu]

The student has a public model's sizes and random weights, so nothing is fetched: speed and memory do not depend on what
it knows. Its tokenizer is learnt from this repository's pages, its problems ask for a value modulo 3, so that
answers are short. Rollouts by vLLM are timed too where vLLM is installed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.markdown import table
from benchmarks.plain_trl import STAGES, median_step
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
  rl: {batch_size: 128, micro_batch_size: 32, group_size: 8, prompts: in_order, max_steps: ROLLS,
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
        _call("-m", "benchmarks.gpu", shape, str(student))
    recipe, text = out / "recipe.yaml", RECIPE.replace("STUDENT", str(student.resolve()))
    for name, value in WORDS[shape].items():
        text = text.replace(name, str(value))
    recipe.write_text(text, "utf-8")
    stages = STAGES[:1] if shape == "phi4_mini" else STAGES
    sets = [word for each in (PACKED_ONLY if len(stages) == 1 else ()) for word in ("--set", each)]
    run = ["-m", "factory.cli.main", "run", str(recipe), "--out", str(out / "run"), *sets]
    _call(*run)
    found = _ours(out / "run", stages)
    _call("-m", "benchmarks.plain_trl", str(out / "run"), str(out / "plain.json"), *stages)
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
            "step_seconds": median_step([json.loads(line)["seconds"] for line in lines]),
            "tokens": summary.metrics["last/num_tokens"],
            "peak_gib": summary.peak_gib,
            "forecast_gib": report["memory_gib"]["total"],
            "loss": summary.metrics.get("train_loss"),
        }
    return {"stages": stages}


def device() -> tuple[str | None, float]:
    """The card's name and memory in GiB."""
    import torch

    if not torch.cuda.is_available():
        return None, 0.0
    card = torch.cuda.get_device_properties(0)
    return card.name, round(card.total_memory / 2**30, 1)


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
    build_student(sys.argv[1], Path(sys.argv[2]))
