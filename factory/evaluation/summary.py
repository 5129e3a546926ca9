"""From graded responses to the figures of one benchmark."""

from __future__ import annotations

import math
from statistics import fmean
from typing import Any

import polars as pl

from factory.evaluation.statistics import majority, pass_at_1, pass_at_k
from schemas import Verdict
from schemas.outcome import scored, solved, truncated, with_guess_rate


def question_table(graded: pl.DataFrame) -> pl.DataFrame:
    """One row a question with a scored sample: `problem_id`, `correct`, `scored`; in order of the ids."""
    return (
        graded.filter(scored())
        .group_by("problem_id")
        .agg(correct=solved().sum().cast(pl.Int64), scored=pl.len().cast(pl.Int64))
        .sort("problem_id")
    )


def summarise(graded: pl.DataFrame) -> dict[str, Any]:
    """The figures of one benchmark, from its graded responses (VERDICT rows).

    Returns:
        questions, samples (responses), unscored (responses that do not count), pass_at_1, low, high (95%, clustered by
        question), pass_at_k and majority_at_k (k as text to share; pass_at_k for powers of 2 up to the fewest scored
        samples of a question, and that number), truncated_share (of responses), tokens_mean (completion tokens).
        Where options are listed also `corrected`: `guess_rate` (mean over questions) and pass_at_1, low and high above
        it, as shares of the way from guessing to all right.
    """
    questions = question_table(graded)
    correct, samples = questions["correct"].to_numpy(), questions["scored"].to_numpy()
    score = pass_at_1(correct, samples)
    fewest = int(samples.min()) if len(samples) else 0
    tokens = graded["completion_tokens"].mean()
    raw = {name: _number(getattr(score, at)) for name, at in _SCORE.items()}
    asked = with_guess_rate(graded.filter(scored()).unique("problem_id"))
    guess = float(asked["guess_rate"].mean() or 0.0)  # type: ignore[arg-type]
    more = {"corrected": {"guess_rate": guess, **_above(raw, guess)}} if guess else {}
    return {
        "questions": questions.height,
        "questions_unscored": graded["problem_id"].n_unique() - questions.height,
        "samples": graded.height,
        "unscored": int(graded.select((~scored()).sum()).item()),
        "no_answer": int((graded["verdict"] == Verdict.NO_ANSWER.value).sum()),
        **raw,
        **more,
        "pass_at_k": {str(k): pass_at_k(correct, samples, k) for k in ladder_of(fewest)},
        "majority_at_k": {str(fewest): majority_share(graded)} if fewest else {},
        "truncated_share": float(graded.select(truncated().mean()).item() or 0.0),
        "tokens_mean": float(tokens) if isinstance(tokens, (int, float)) else None,
    }


_SCORE = {"pass_at_1": "value", "low": "low", "high": "high"}


def _above(raw: dict[str, float | None], guess: float) -> dict[str, float | None]:
    """A mean and its interval corrected for guessing; the correction is linear, so the interval goes with it."""
    return {
        name: None if share is None else max(0.0, (share - guess) / (1 - guess))
        for name, share in raw.items()
    }


def corrected(figures: Any) -> Any:
    """A benchmark's figures with pass@1 and its interval corrected for guessing, where there are options to guess."""
    more = figures.get("corrected") if isinstance(figures, dict) else None
    return figures | more if isinstance(more, dict) else figures


def ladder_of(most: int) -> list[int]:
    """1, 2, 4, ... up to `most`, and `most` itself."""
    steps = [2**power for power in range(most.bit_length()) if 2**power <= most]
    return sorted({*steps, most} - {0})


def majority_share(graded: pl.DataFrame) -> float:
    """majority@k: the mean over questions of whether the most frequent answer of all scored samples is right."""
    vote = pl.coalesce("extracted_canonical", "extracted").str.strip_chars()
    votes = (
        graded.filter(scored())
        .group_by("problem_id", maintain_order=True)
        .agg(vote.alias("votes"), solved().alias("right"))
    )
    shares = [majority(row["votes"], row["right"]) for row in votes.iter_rows(named=True)]
    return fmean(shares) if shares else 0.0


def _number(value: float) -> float | None:
    """None instead of NaN: JSON has no NaN."""
    return None if math.isnan(value) else value
