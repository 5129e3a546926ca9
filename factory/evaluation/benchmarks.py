"""The questions behind a benchmark's name: the run's held-out problems, a file, or a source of problems."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from factory.errors import UsageError
from factory.sources.problems import read_problems

HELD_OUT = "held_out"
ON_THE_HUB = {
    "aime24": "hf://datasets/HuggingFaceH4/aime_2024",
    "math500": "hf://datasets/HuggingFaceH4/MATH-500?split=test",
}
"""Benchmarks that can be named without a file. GPQA is not among them: its authors ask for a gated download."""
_SPECS = ("procedural:", "reasoning_gym:", "hf://")


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A name that serves as a folder's, and the questions (PROBLEM rows)."""

    name: str
    questions: pl.DataFrame


def load_benchmark(
    source: str, *, held_out: Path | None = None, limit: int | None = None, seed: int = 0
) -> Benchmark:
    """Questions of one benchmark.

    Args:
        source: `held_out`, a name of `ON_THE_HUB`, a file, folder or glob, or a `procedural:`, `reasoning_gym:` or `hf://` source.
        held_out: folder of the run's held-out problems.
        limit: at most this many questions, drawn by seed, in their order.
        seed: of the draw, and of sources that draw.

    Raises:
        UsageError: there is no such benchmark, or none of its questions has an answer.
    """
    path: str | Path = ON_THE_HUB.get(source, source)
    if source == HELD_OUT:
        if held_out is None or not held_out.exists():
            raise UsageError(
                "benchmark held_out: this run set no problems aside", do="set problems.held_out in the recipe"
            )
        path = held_out
    try:
        questions = read_problems(path, seed=seed).rows
    except UsageError as error:
        hint = f"; known names: {', '.join([HELD_OUT, *ON_THE_HUB])}" if source.isidentifier() else ""
        raise UsageError(f"benchmark {source}: {error}{hint}") from error
    with_answer = questions.filter(pl.col("answer").is_not_null())
    if with_answer.height == 0:
        raise UsageError(f"benchmark {source}: none of its {questions.height} questions has an answer")
    return Benchmark(benchmark_name(source), draw(with_answer, limit, seed))


def benchmark_name(source: str) -> str:
    """A short name for folders and tables: the file's stem, or the spec without its settings."""
    if source.startswith(_SPECS):
        return re.sub(
            r"[^A-Za-z0-9._-]+", "-", source.partition("?")[0].removeprefix("hf://datasets/")
        ).strip("-")
    path = Path(source)
    return (
        re.sub(r"[^A-Za-z0-9._-]+", "-", path.name.partition(".")[0] or path.name).strip("-") or "benchmark"
    )


def draw(questions: pl.DataFrame, limit: int | None, seed: int) -> pl.DataFrame:
    """At most `limit` questions, drawn by seed, in their order."""
    if limit is None or questions.height <= limit:
        return questions
    chosen = random.Random(f"questions|{seed}").sample(range(questions.height), limit)
    return questions[sorted(chosen)]
