"""A verdict: whether a response reached the gold answer, how that was decided, and the evidence.

A verdict row is a response row with these columns added.
"""

from __future__ import annotations

from enum import StrEnum

import pyarrow as pa

from schemas.response import RESPONSE
from schemas.table import Column, TableSchema


class Verdict(StrEnum):
    """Five states. A wrong answer is `incorrect`, or `no_answer` of a complete response; the others give no signal."""

    CORRECT = "correct"
    INCORRECT = "incorrect"
    UNVERIFIABLE = "unverifiable"
    NO_ANSWER = "no_answer"
    TIMEOUT = "timeout"


VERDICT_COLUMNS = (
    Column("verdict", pa.string(), "`Verdict`.", True),
    Column("extracted", pa.string(), "Answer text taken from the response."),
    Column(
        "method",
        pa.string(),
        "Rule that decided: literal, numeric, comparer (`second_opinion` until checker 4), math_verify, choice, text, own, ...",
    ),
    Column("gold_canonical", pa.string(), "Gold in canonical form; null for an obvious match."),
    Column(
        "extracted_canonical", pa.string(), "Extracted answer in canonical form; null for an obvious match."
    ),
    Column("verdict_reason", pa.string(), "One line why, for everything but an obvious match."),
    Column("checker_version", pa.string(), "Version of the checker that decided.", True),
    Column("judged", pa.bool_(), "True when an LLM judge overturned the rules' verdict."),
    Column("verify_seconds", pa.float64(), "Processor time of the check.", clock=True),
    Column(
        "confidence",
        pa.float64(),
        "How sure the verdict is, 0 to 1: rule, margin, where the answer stood. Null in older tables.",
    ),
)
CONFIDENT = 0.75
"""Least `confidence` of an `incorrect` verdict that may make a rejected side or a negative reward."""

VERDICT = TableSchema("verdict", 1, RESPONSE.columns + VERDICT_COLUMNS)

LABELLED = TableSchema(
    "labelled",
    1,
    VERDICT.columns
    + (
        Column(
            "loop_score",
            pa.float64(),
            "Share of the worst 1,000 characters that repeats itself, 0 to 1.",
            True,
        ),
        Column("repetitive", pa.bool_(), "True when loop_score is above the recipe's limit.", True),
        Column(
            "label_source",
            pa.string(),
            "Who labelled domain and level: source, rules, the judge's preset, or own (a function of yours).",
        ),
    ),
)
"""A verdict row with domain and level filled in and the trace's repetition measured."""
