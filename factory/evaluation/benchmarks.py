"""The questions behind a benchmark's name: the run's held-out problems, a published set, a file, or a source of problems."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from factory.errors import UsageError
from factory.sources.hub import read_hub
from factory.sources.problems import problems_of, read_problems
from factory.verification.check import infer_kind
from schemas import AnswerKind
from schemas.problem import SELF_SCORED

HELD_OUT = "held_out"
GPQA = "gpqa_diamond"
ON_THE_HUB = {
    "aime24": "hf://datasets/HuggingFaceH4/aime_2024",
    "aime25": "hf://datasets/math-ai/aime25?split=test",
    "math500": "hf://datasets/HuggingFaceH4/MATH-500?split=test",
    GPQA: "hf://datasets/Idavidrein/gpqa?config=gpqa_diamond&split=train",
}
"""Benchmarks that need no file. GPQA is gated: accept its terms on the Hub and set HF_TOKEN."""
NAMES = (HELD_OUT, *ON_THE_HUB)
"""Every name that an evaluation knows; anything else is a file, folder, glob or source of problems."""
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
        source: one of `NAMES`, a file, folder or glob, or a `procedural:`, `reasoning_gym:` or `hf://` source.
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
        if source == GPQA:
            questions = problems_of(gpqa_choices(read_hub(str(path))[0]), source)
        else:
            questions = read_problems(path, seed=seed).rows
    except UsageError as error:
        hint = f"; known names: {', '.join(NAMES)}" if source.isidentifier() else ""
        raise UsageError(f"benchmark {source}: {error}{hint}") from error
    with_answer = questions.filter(pl.col("answer").is_not_null() | _self_scored(questions))
    if with_answer.height == 0:
        raise UsageError(f"benchmark {source}: none of its {questions.height} questions has an answer")
    return Benchmark(benchmark_name(source), draw(with_answer, limit, seed))


def _self_scored(questions: pl.DataFrame) -> pl.Series:
    """True where the metadata holds tests or a scorer's entry instead of a gold answer."""
    facts = zip(questions["answer_kind"], questions["metadata"], strict=True)
    return pl.Series([(kind or infer_kind(None, None, data)) in SELF_SCORED for kind, data in facts])


def gpqa_choices(rows: pl.DataFrame) -> pl.DataFrame:
    """GPQA's rows as choice problems: the options in an order drawn per question, the answer as a letter.

    The published columns are `Question`, `Correct Answer` and `Incorrect Answer 1` to `3`, so the right option would
    always be A. The draw depends on the question alone: every evaluation sees the same order.
    """
    made = []
    for row in rows.iter_rows(named=True):
        right = str(row["Correct Answer"]).strip()
        options = [right, *(str(row[f"Incorrect Answer {n}"]).strip() for n in (1, 2, 3))]
        order = random.Random(f"gpqa|{row['Question']}").sample(range(4), 4)
        made.append(
            {
                "problem": str(row["Question"]).strip(),
                "choices": [options[at] for at in order],
                "answer": "ABCD"[order.index(0)],
                "answer_kind": AnswerKind.CHOICE.value,
            }
        )
    return pl.DataFrame(made)


def benchmark_name(source: str) -> str:
    """A short name for folders and tables: the file's stem, or the spec without its settings."""
    if source.startswith(_SPECS):
        name = source.partition("?")[0].removeprefix("hf://datasets/")
    else:
        path = Path(source)
        name = path.name.partition(".")[0] or path.name
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-") or "benchmark"


def draw(questions: pl.DataFrame, limit: int | None, seed: int) -> pl.DataFrame:
    """At most `limit` questions, drawn by seed, in their order."""
    if limit is None or questions.height <= limit:
        return questions
    chosen = random.Random(f"questions|{seed}").sample(range(questions.height), limit)
    return questions[sorted(chosen)]
