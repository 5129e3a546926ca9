"""A real checkpoint through every step of a run: base, midtrain, sft, rollouts, pairs, dpo, rl, an evaluation after each.

python -m benchmarks.run real_students MODEL.gguf [--out runs/real]      (`make real` downloads SmolLM2-135M-Instruct)

Few steps on two cores: what is shown is that a public student passes, what it costs, and that the losses move. Ctrl-C
stops it after the step at hand; the same command resumes, and the seconds of a part's attempts are added up.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.markdown import table
from benchmarks.result import Result

RECIPE = """
name: real
problems:
  sources: ["procedural:modular_chain?count=400&seed=3&style=terse&levels=elementary&modulus=3"]
  held_out: 24
generate: {teacher: procedural, samples: 4, max_tokens: 256, slip_rate: 0.3}
datasets: {sft_rows: 120}
difficulty: {problems: 24, min_samples: 4, max_samples: 4, max_tokens: 48, batch_size: 48, low: 0.0, high: 1.0}
preference: {max_pairs: 24, max_format_bias: 1.0, max_length_bias: 9.0, max_duplicates: 1.0}
rl_prompts: {low: 0.0, high: 1.0}
train:
  student: {model: MODEL}
  save_every: 0.5
  midtrain: {max_length: 256, batch_size: 4, micro_batch_size: 1, max_steps: 10, learning_rate: 1.0e-4}
  sft: {max_length: 256, batch_size: 8, micro_batch_size: 8, max_steps: 6, learning_rate: 5.0e-5}
  dpo: {max_length: 256, batch_size: 4, micro_batch_size: 4, max_steps: 3, learning_rate: 2.0e-6}
  rl: {batch_size: 8, micro_batch_size: 4, group_size: 4, max_steps: 2, max_completion_length: 48,
       max_prompt_length: 128, learning_rate: 1.0e-6, max_dead: 1}
evaluation: {samples: 1, max_tokens: 48, limit: 16, batch_size: 16}
"""
ENDS = (
    "sft-set", "train-base", "eval-base", "train-midtrain", "eval-midtrain", "train-sft", "eval-sft", "difficulty",
    "pairs", "train-dpo", "eval-dpo", "train-rl", "eval-rl", "report",
)  # fmt: skip
"""Where a part of the run ends; each is a process of its own, so that its memory is known."""


def measure(args: list[str]) -> dict[str, Any]:
    """Run what is missing below `--out`."""
    parser = argparse.ArgumentParser(prog="benchmarks.run real_students")
    parser.add_argument("gguf", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/real"), help="folder of checkpoint and run")
    given = parser.parse_args(args)
    out, student = given.out, given.out / "student"
    out.mkdir(parents=True, exist_ok=True)
    clock = out / "parts.json"
    parts: dict[str, Any] = json.loads(clock.read_text("utf-8")) if clock.exists() else {}
    recipe, text = out / "recipe.yaml", RECIPE.replace("MODEL", str(student.resolve()))
    if parts and recipe.read_text("utf-8") != text:
        parser.error(f"{out} was measured with other settings: choose another --out")
    recipe.write_text(text, "utf-8")
    convert = ["-m", "benchmarks.gguf", str(given.gguf), str(student)]
    work = ["-m", "factory.cli.main", "run", str(recipe), "--out", str(out / "run")]
    commands = {"convert": convert} | {end: [*work, "--until", end] for end in ENDS}
    for name, command in commands.items():
        part = parts.setdefault(
            name, {"seconds": 0.0, "cpu_seconds": 0.0, "peak_gib": 0.0, "load": os.getloadavg()[0]}
        )
        if part.get("done"):
            continue
        began = time.monotonic()
        code, usage = _attempt(command)
        part["seconds"] += time.monotonic() - began
        part["cpu_seconds"] += usage.ru_utime + usage.ru_stime
        part["peak_gib"] = max(part["peak_gib"], usage.ru_maxrss / 2**20)
        part["done"] = code == 0
        clock.write_text(json.dumps(parts), "utf-8")
        if code:
            raise SystemExit(code)
    return figures(given.gguf, out / "run", parts)


def _attempt(command: list[str]) -> tuple[int, resource.struct_rusage]:
    """Exit code and usage of a process; a signal to end is its own affair, and it is waited for."""
    process = subprocess.Popen([sys.executable, *command])
    before = [(number, signal.signal(number, lambda *_: None)) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        _, status, usage = os.wait4(process.pid, 0)
    finally:
        for number, handler in before:
            signal.signal(number, handler)
    return os.waitstatus_to_exitcode(status), usage


def figures(gguf: Path, run: Path, parts: dict[str, Any]) -> dict[str, Any]:
    """What the run's manifests, metrics and evaluations say."""
    from factory.evaluation.stages import stage_scores
    from factory.run.layout import PAPER as STAGES
    from factory.run.layout import RunLayout
    from factory.run.parts import MANIFEST
    from train.stage import summary_of

    at = RunLayout(run)
    scores = {score.stage: score for score in stage_scores(run)[0]}
    stages: dict[str, Any] = {}
    for stage in STAGES:
        summary = summary_of(at, stage)
        lines = [
            json.loads(line) for line in (at.stage(stage) / "metrics.jsonl").read_text("utf-8").splitlines()
        ]
        losses = [line["loss"] for line in lines if "loss" in line]
        stages[stage] = {
            "steps": summary.steps,
            "rows": summary.rows,
            "tokens": summary.plan.get("tokens_in_all"),
            "loss": [losses[0], losses[-1]],
            "rewards": [line["reward"] for line in lines if "reward" in line],
            "accuracy": [line["rewards/accuracies"] for line in lines if "rewards/accuracies" in line],
        }
    keys = ("value", "low", "high", "questions", "truncated_share")
    sets = {
        name: json.loads((at.dataset(name) / MANIFEST).read_text("utf-8"))["rows_out"]
        for name in ("midtrain", "sft", "preference", "rl")
    }
    return {
        "file": gguf.name,
        "tokens": summary_of(at, "base").tokens,
        "sets": sets,
        "stages": stages,
        "ladder": {stage: {key: getattr(score, key) for key in keys} for stage, score in scores.items()},
        "parts": {
            name: {key: round(part[key], 2) for key in ("seconds", "cpu_seconds", "peak_gib", "load")}
            for name, part in parts.items()
        },
    }


def render(result: Result) -> dict[str, str]:
    """The block of docs/real-students.md."""
    found = result.figures
    parts, tokens = found["parts"], found["tokens"]
    stages = [
        (
            stage,
            row["steps"],
            *_cost(parts[f"train-{stage}"]),
            f"{row['loss'][0]:.3f} to {row['loss'][1]:.3f}",
        )
        for stage, row in found["stages"].items()
    ]
    ladder = [
        (
            stage,
            f"{row['value']:.1%}",
            f"{row['low']:.1%} to {row['high']:.1%}",
            f"{row['truncated_share']:.0%}",
            *_cost(parts[f"eval-{stage}"]),
        )
        for stage, row in found["ladder"].items()
    ]
    shown = {f"train-{stage}" for stage in found["stages"]} | {f"eval-{stage}" for stage in found["ladder"]}
    loads = [part["load"] for part in parts.values()]
    questions = found["ladder"]["base"]["questions"]
    sets = ", ".join(f"{name} {rows}" for name, rows in found["sets"].items())
    rewards = ", ".join(f"{value:.2f}" for value in found["stages"]["rl"]["rewards"])
    minutes, busy = (sum(part[key] for part in parts.values()) / 60 for key in ("seconds", "cpu_seconds"))
    text = [
        f"`{found['file']}`: {minutes:.1f} minutes in all, {busy:.1f} of CPU time, on {result.cores} cores that other work "
        f"used too (load {min(loads):.1f} to {max(loads):.1f} when a part began). The file's padding token was the end of a "
        f"turn (`{tokens['end']}`); stage base made it `{tokens['pad']}` ({tokens['pad_how']}). Rows: {sets}.",
        table(["stage", "steps", *_COST, "loss, first to last step"], stages, (1, 2, 3, 4)),
        f"Mean reward of the {len(found['stages']['rl']['rewards'])} rl steps: {rewards}. pass@1 on {questions} held-out "
        "problems, one sample each:",
        table(["stage", "pass@1", "95% interval", "truncated", *_COST], ladder, (1, 3, 4, 5, 6)),
        "The other parts:",
        table(
            ["part", *_COST],
            [(name, *_cost(part)) for name, part in parts.items() if name not in shown],
            (1, 2, 3),
        ),
    ]
    return {"real_students": "\n\n".join(text)}


_COST = ("seconds", "CPU seconds", "peak GiB")


def _cost(part: dict[str, float]) -> tuple[str, str, str]:
    return f"{part['seconds']:.0f}", f"{part['cpu_seconds']:.0f}", f"{part['peak_gib']:.1f}"
