"""What it costs to tokenise a training set once: time, memory and disk, and what that makes of the paper's 30 billion tokens.

python -m benchmarks.run tokenising [--cells 20000x2 500x120] [--tokenizer recipes/tiny_base] [--out runs/tokenising]

A cell is ROWSxLINES: so many rows with so many lines of reasoning. Rows come in shards, and a shard that is done is
not worked on again: a measurement that was broken off resumes.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.markdown import table
from benchmarks.measure import measured
from benchmarks.result import Result

SHARD = 100_000
PAPER = 30e9
"""Tokens of the paper's mid-training (docs/paper.md)."""
NODE = 64
"""Cores of one node with 8 GPUs, for the extrapolation."""


def measure(args: list[str]) -> dict[str, Any]:
    """Every cell, shard by shard."""
    parser = argparse.ArgumentParser(prog="benchmarks.run tokenising")
    parser.add_argument("--cells", nargs="+", default=["20000x2", "500x120"])
    parser.add_argument(
        "--tokenizer", type=Path, default=Path("recipes/tiny_base"), help="a student's folder"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/tokenising"))
    given = parser.parse_args(args)
    return {
        "tokenizer": given.tokenizer.name if given.tokenizer.name != "final" else given.tokenizer.parts[-3],
        "cells": {cell: measure_cell(cell, given.tokenizer, given.out / cell) for cell in given.cells},
    }


def measure_cell(cell: str, tokenizer: Path, out: Path) -> dict[str, Any]:
    """One cell; what is done is kept in its `done.json` and its rows are removed."""
    from factory.run.layout import RunLayout

    clock = out / "done.json"
    done: dict[str, Any] = json.loads(clock.read_text("utf-8")) if clock.exists() else {}
    rows, lines = map(int, cell.split("x"))
    data, cache = RunLayout(out).dataset("midtrain"), out / "train" / ".cache"
    work = [sys.executable, "-m", "benchmarks.tokenising", str(tokenizer), str(out)]
    for start in range(0, rows, SHARD):
        name = f"train-{start // SHARD:05d}.parquet"
        if name not in done:
            write_shard(data / name, start, min(SHARD, rows - start), lines)
            done[name] = measured(work)
            clock.write_text(json.dumps(done), "utf-8")
    if "again" not in done:
        done["again"] = measured(work)
        done["cache"] = sum(path.stat().st_size for path in cache.rglob("*.arrow"))
        done["text"] = sum(path.stat().st_size for path in data.glob("*.parquet"))
        clock.write_text(json.dumps(done), "utf-8")
        shutil.rmtree(cache)
        shutil.rmtree(data)
    shards = [each for name, each in done.items() if name.startswith("train-")]
    facts, again = json.loads(done["again"]["stdout"]), done["again"]
    return {
        "rows": facts["rows"],
        "tokens": facts["tokens"],
        "shards": len(shards),
        "seconds": round(sum(json.loads(each["stdout"])["seconds"] for each in shards), 1),
        "cpu_seconds": round(sum(json.loads(each["stdout"])["cpu_seconds"] for each in shards), 1),
        "peak_mb": max(each["peak_mb"] for each in shards),
        "again_seconds": facts["seconds"],
        "check_seconds": facts["check_seconds"],
        "again_peak_mb": again["peak_mb"],
        "bytes_per_token": round(done["cache"] / facts["tokens"], 2),
    }


def write_shard(path: Path, first: int, count: int, lines: int) -> None:
    """A shard of a completion set: worked sums, no two alike."""
    import polars as pl
    import pyarrow.parquet as pq

    from schemas import COMPLETION

    rng, rows = random.Random(first), []
    for i in range(first, first + count):
        steps = [
            f"First we add {rng.randrange(1000)} and {rng.randrange(1000)}, then reduce modulo {rng.randrange(2, 99)}."
            for _ in range(lines)
        ]
        said = "<think>\n" + "\n".join(steps) + "\n</think>\n\\boxed{3}"
        rows.append(
            {
                "problem_id": f"p-{i}", "source": "sums", "prompt": [{"role": "user", "content": f"What is {i} mod 7?"}],
                "completion": [{"role": "assistant", "content": said}], "answer": "3", "response_id": f"r-{i}",
                "teacher": "t", "model": "m",
            }
        )  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(COMPLETION.conform(pl.DataFrame(rows).to_arrow()), path)


def work(tokenizer: Path, run: Path) -> dict[str, Any]:
    """Read the set as stage midtrain does, and check the ends of its rows."""
    from factory.config.recipe import Recipe
    from factory.run.layout import RunLayout
    from train.data import completion_rows
    from train.preflight import check_ends
    from train.say import silence
    from train.stage import Job
    from train.student import load_tokenizer

    silence()
    recipe = {"name": "x", "problems": {"sources": ["x"]}, "train": {"midtrain": {"max_length": 2**20}}}
    job = Job(Recipe.model_validate(recipe), RunLayout(run), "midtrain")
    reader = load_tokenizer(tokenizer, None)
    began, before = time.perf_counter(), busy()
    rows = completion_rows(job, reader)
    tokenised, after = time.perf_counter(), busy()
    check_ends(job, reader, rows)
    return {
        "rows": rows.read,
        "tokens": int(rows.lengths.sum()),
        "seconds": round(tokenised - began, 2),
        "cpu_seconds": round(after - before, 2),
        "check_seconds": round(time.perf_counter() - tokenised, 2),
    }


def busy() -> float:
    """Processor seconds of this process and of those that it has waited for."""
    use = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in use)


def render(result: Result) -> dict[str, str]:
    """The block of docs/scaling.md."""
    found = result.figures
    cells = found["cells"].values()
    shown = [
        (
            f"{each['rows']:,}",
            f"{each['tokens'] / each['rows']:,.0f}",
            f"{each['seconds']:,.0f}",
            f"{each['cpu_seconds']:,.0f}",
            f"{each['tokens'] / each['cpu_seconds']:,.0f}",
            f"{each['peak_mb']:,}",
            f"{each['again_seconds']:,.1f}",
            f"{each['check_seconds']:,.1f}",
            f"{each['bytes_per_token']:.1f}",
        )
        for each in cells
    ]
    head = (
        "rows", "tokens per row", "seconds", "CPU seconds", "tokens per CPU second", "peak MB", "read again, s",
        "check of the ends, s", "bytes per token on disk",
    )  # fmt: skip
    hours = [PAPER / (each["tokens"] / each["cpu_seconds"]) / 3600 for each in cells]
    size = PAPER * max(each["bytes_per_token"] for each in cells) / 1e12
    text = (
        f"At these rates the paper's 30 billion tokens take {min(hours):,.0f} to {max(hours):,.0f} CPU hours (the work of short rows is more than "
        f"their tokens): {max(hours) / NODE:.1f} hours at most on a node of {NODE} cores, and {size:.2f} TB of disk, text included."
    )
    return {"tokenising": "\n\n".join([table(head, shown, tuple(range(9))), text])}


if __name__ == "__main__":
    print(json.dumps(work(*map(Path, sys.argv[1:]))))
