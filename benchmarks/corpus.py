"""A corpus of any size for measurements: problems and long responses, made from a seed, with duplicates planted.

Texts are sentences drawn from a pool, with words, numbers and formulas in them. They read like nothing, but they cost
what mathematics costs to split into tokens, and they compress about as well.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from factory.run.step_writer import StepWriter
from schemas import PROBLEM, RESPONSE

POOL = 60_000
"""Different sentences. Two texts share a share of them by chance: length / POOL, far below any threshold."""
TWIN_SHARE = 0.05
"""Problems that repeat an earlier one with a few words changed."""
RIGHT_SHARE = 0.7
BATCH = 5_000


def sentences(seed: int) -> list[str]:
    """The pool, about 50 characters a sentence."""
    rng = random.Random(seed)
    words = ["".join(rng.choices("abcdefghijklmnoprstuvwy", k=rng.randint(2, 9))) for _ in range(8_000)]
    made = []
    for _ in range(POOL):
        text = " ".join(rng.choices(words, k=rng.randint(5, 9)))
        a, b = rng.randint(2, 9_999), rng.randint(2, 99)
        made.append(text + rng.choice([".", f" gives {a}.", rf" so $x_{{{b}}} = \frac{{{a}}}{{{b}}}$."]))
    return made


def write_problems(out: Path, count: int, seed: int = 1) -> None:
    """A step's folder of PROBLEM rows of about 250 characters; `TWIN_SHARE` of them are near-duplicates."""
    pool, rng = sentences(seed), random.Random(seed)
    with StepWriter(out, "problems", PROBLEM, settings={"count": count, "seed": seed}) as writer:
        last = ["none"]
        for start in range(0, count, BATCH):
            texts = []
            for _ in range(min(BATCH, count - start)):
                twin = rng.random() < TWIN_SHARE and len(last) > 3
                picked = (
                    [*last[:-1], last[-1] + " Find it."] if twin else rng.choices(pool, k=rng.randint(4, 6))
                )
                texts.append(" ".join(picked))
                last = picked
            writer.keep(_problems(texts, start))
        writer.finish(rows_in=count)


def _problems(texts: list[str], start: int) -> pl.DataFrame:
    numbers = pl.Series("n", range(start, start + len(texts)))
    return numbers.to_frame().select(
        id=pl.format("p-{}", pl.col("n").cast(pl.String).str.zfill(9)),
        problem=pl.Series(texts),
        answer=(pl.col("n") % 997).cast(pl.String),
        answer_source=pl.lit("given"),
        source=pl.lit("generated"),
        licence=pl.lit("cc0-1.0"),
    )


def responses(
    problems: pl.DataFrame, samples: int, characters: int, seed: int, twins: float = 0.0
) -> Iterator[pl.DataFrame]:
    """`samples` responses a problem with traces of about `characters`, `RIGHT_SHARE` of them right, in batches.

    `twins`: this share of the responses repeats the one before it, with one sentence more.
    """
    pool = np.array(sentences(seed), dtype=object)
    rng = np.random.default_rng(seed)
    per_trace = max(characters // 55, 1)
    own = problems.rename({"id": "problem_id"})
    batch = max(min(BATCH, 50_000_000 // max(characters, 1)) // samples, 1)
    for piece in own.iter_slices(batch):
        rows = piece.select(pl.all().repeat_by(samples).explode())
        lengths = rng.integers(max(per_trace // 2, 1), per_trace * 3 // 2 + 1, rows.height)
        chosen = pool[rng.integers(0, POOL, int(lengths.sum()))]
        ends = np.cumsum(lengths)
        traces = [" ".join(chosen[end - n : end]) for n, end in zip(lengths, ends, strict=True)]
        for row in np.flatnonzero(rng.random(rows.height) < twins) if twins else ():
            traces[row] = f"{traces[row - 1]} {pool[row % POOL]}" if row % samples else traces[row]
        index = pl.int_range(pl.len(), dtype=pl.Int32) % samples
        right = pl.Series(rng.random(rows.height) < RIGHT_SHARE)
        yield rows.with_columns(
            pl.format("r-{}-{}", pl.col("problem_id").str.slice(2), index).alias("response_id"),
            index.alias("sample_index"),
            pl.Series("reasoning", traces),
            content="So the answer is \\boxed{"
            + pl.when(right).then("answer").otherwise(pl.lit("-1"))
            + "}.",
            status=pl.lit("complete"),
            sampler=pl.lit("generated"),
            model=pl.lit("generated"),
            request_key=pl.col("problem_id"),
            completion_tokens=pl.Series(lengths * 14, dtype=pl.Int32),
        )


def write_responses(problems: Path, out: Path, samples: int, characters: int, seed: int = 2) -> None:
    """A step's folder of RESPONSE rows for the problems of another."""
    rows = 0
    with StepWriter(out, "generate", RESPONSE, settings={"characters": characters}) as writer:
        for path in sorted(problems.glob("part-*.parquet")):
            for batch in responses(pl.read_parquet(path), samples, characters, seed + rows):
                writer.keep(batch)
                rows += batch.height
        writer.finish(rows_in=rows)
