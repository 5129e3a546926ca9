"""Tokens/s and peak memory of our sft stage against a plain TRL script on the same rows, weights and settings.

    python -m benchmarks.train_throughput [--rows 256] [--model FOLDER] [--tokens 256]

Both run in turn, `--repeats` times, in one process; the median of each is compared. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import polars as pl
import torch
from trl import SFTTrainer

from factory.config import Recipe
from factory.run.layout import RunLayout
from schemas import COMPLETION
from train.configs import stage_config
from train.manifest import Job
from train.quiet import silence
from train.run import run_stage
from train.stages import load_model, prepare


def make_rows(run: RunLayout, count: int, words: int) -> None:
    """Rows of counting text, about `words` words each."""
    rows = []
    for i in range(count):
        told = " ".join(f"{(i * 7 + j) % 97} plus {j % 13}" for j in range(words // 3))
        rows.append(
            {
                "prompt": [{"role": "user", "content": f"Add {i} numbers."}],
                "completion": [{"role": "assistant", "content": f"<think>\n{told}\n</think>\n\\boxed{{{i}}}"}],
                "problem_id": f"p-{i}", "source": "benchmark", "response_id": f"r-{i}", "teacher": "t", "model": "m",
            }
        )  # fmt: skip
    for name in ("midtrain", "sft"):
        folder = run.dataset(name)
        folder.mkdir(parents=True)
        table = COMPLETION.conform(pl.DataFrame(rows).to_arrow())
        pl.from_arrow(table).write_parquet(folder / "train-00000-of-00001.parquet")


def peak() -> int | None:
    return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None


def plain(job: Job) -> float:
    """What a plain TRL script does with the same rows; seconds of training."""
    ready = prepare(job)
    model = load_model(job.layout.checkpoint("base"), None)
    config = stage_config(job)
    config.output_dir = str(job.layout.run / "plain")
    config.save_strategy = "no"
    trainer = SFTTrainer(model, args=config, train_dataset=ready.rows.rows, processing_class=ready.tokenizer)
    began = time.perf_counter()
    trainer.train()
    return time.perf_counter() - began


def ours(job: Job) -> float:
    """Our stage on the same rows; seconds of training as its manifest says."""
    shutil.rmtree(job.folder, ignore_errors=True)
    run_stage(job.recipe, job.layout.run, "sft")
    return json.loads((job.folder / "manifest.json").read_text())["seconds"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--tokens", type=int, default=120, help="words a row")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    os.environ.setdefault("FACTORY_PROGRESS", "off")
    silence()
    with tempfile.TemporaryDirectory() as folder:
        run = RunLayout(Path(folder))
        make_rows(run, options.rows, options.tokens)
        section = {
            "batch_size": options.batch, "micro_batch_size": options.batch, "epochs": 1,
            "max_length": 2048, "save_every": 1_000_000, "learning_rate": 1e-4,
        }  # fmt: skip
        recipe = Recipe.model_validate(
            {
                "name": "throughput",
                "problems": {"sources": ["none"]},
                "train": {
                    "tracker": "none",
                    "student": {"model": options.model},
                    "midtrain": {"enabled": False},
                    "sft": section,
                },
            }
        )
        run_stage(recipe, run.run, "base")
        job = Job(recipe, run, "sft")
        lengths = prepare(job).rows.lengths
        times: dict[str, list[float]] = {"plain": [], "ours": []}
        memory: dict[str, int | None] = {}
        plain(job)  # warms caches and kernels
        for _ in range(options.repeats):
            for name, call in (("plain", plain), ("ours", ours)):
                if torch.cuda.is_available():
                    torch.cuda.reset_peak_memory_stats()
                times[name].append(call(job))
                memory[name] = peak()
        middle = {name: statistics.median(values) for name, values in times.items()}
        print(
            json.dumps(
                {
                    "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
                    "rows": options.rows,
                    "tokens": int(lengths.sum()),
                    "tokens_per_second": {n: round(int(lengths.sum()) / s, 1) for n, s in middle.items()},
                    "ours_over_plain": round(middle["plain"] / middle["ours"], 4),
                    "seconds": times,
                    "peak_bytes": memory,
                },
                indent=2,
            )
        )


if __name__ == "__main__":
    main()
