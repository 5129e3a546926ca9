"""Difficulty of a problem for one student: the posterior of its pass rate, from rollouts."""

from __future__ import annotations

from enum import StrEnum

import pyarrow as pa

from schemas.problem import PROBLEM
from schemas.table import Column, TableSchema


class Band(StrEnum):
    """Where the pass rate lies against the recipe's bounds."""

    TOO_HARD = "too_hard"
    USEFUL = "useful"
    TOO_EASY = "too_easy"


DIFFICULTY = TableSchema(
    "difficulty",
    1,
    PROBLEM.columns
    + (
        Column(
            "attempts",
            pa.int32(),
            "Rollouts that gave a signal (verdict correct, incorrect or no_answer).",
            True,
        ),
        Column("correct", pa.int32(), "Rollouts verified correct.", True),
        Column("pass_rate", pa.float64(), "Posterior mean of the Beta posterior.", True),
        Column("guess_rate", pa.float64(), "Pass rate of blind guessing: 1/k with k options, else 0.", True),
        Column(
            "pass_rate_corrected",
            pa.float64(),
            "pass_rate corrected for guessing: 0 at guess_rate or below, 1 at 1.",
            True,
        ),
        Column("pass_rate_low", pa.float64(), "Lower end of the 95% credible interval.", True),
        Column("pass_rate_high", pa.float64(), "Upper end of the 95% credible interval.", True),
        Column("alpha", pa.float64(), "Beta posterior, successes + prior.", True),
        Column("beta", pa.float64(), "Beta posterior, failures + prior.", True),
        Column("band", pa.string(), "`Band`, by the largest posterior mass; of the corrected rate.", True),
        Column("band_probability", pa.float64(), "Posterior probability of that band.", True),
        Column("student", pa.string(), "Student sampler and model.", True),
        Column("student_revision", pa.string(), "Digest of the student's checkpoint."),
        Column("tokens_mean", pa.float64(), "Mean completion length over rollouts, tokens."),
        Column("tokens_cv", pa.float64(), "Coefficient of variation of completion length."),
        Column("tokens_p10", pa.float64(), "10th percentile of completion length."),
        Column("tokens_p90", pa.float64(), "90th percentile of completion length."),
        Column("truncated", pa.int32(), "Rollouts cut by the token budget.", True),
    ),
)
