"""A problem: what is asked, the answer if known, and where it comes from."""

from __future__ import annotations

from enum import StrEnum

import pyarrow as pa

from schemas.table import Column, TableSchema


class AnswerKind(StrEnum):
    """How an answer is compared with the gold; chooses the checker."""

    MATH = "math"
    CHOICE = "choice"
    TEXT = "text"
    REASONING_GYM = "reasoning_gym"
    CODE = "code"


SELF_SCORED = (AnswerKind.REASONING_GYM.value, AnswerKind.CODE.value)
"""Kinds whose gold lies in the metadata (a scorer's entry, unit tests): `answer` may be null."""


class Level(StrEnum):
    """School level, as the paper labels its samples (docs/paper.md, Data)."""

    ELEMENTARY = "elementary"
    MIDDLE = "middle"
    HIGH_SCHOOL = "high_school"
    COLLEGE = "college"
    GRADUATE = "graduate"


PROBLEM = TableSchema(
    "problem",
    1,
    (
        Column(
            "id",
            pa.string(),
            "Stable identifier; given, or `p-` + 16 hex of SHA-256 over source and text.",
            True,
        ),
        Column("problem", pa.string(), "The problem as it is put to a model.", True),
        Column("answer", pa.string(), "Gold answer as text; null when unknown."),
        Column("answer_kind", pa.string(), "`AnswerKind`; null until inferred by verification."),
        Column("answer_source", pa.string(), "`given`, `majority` or null when there is no gold."),
        Column(
            "choices", pa.list_(pa.string()), "Option texts of a multiple-choice problem, in order A, B, ..."
        ),
        Column("solution", pa.string(), "Reference solution, when the source has one."),
        Column("source", pa.string(), "Data set, file stem or family that the problem comes from.", True),
        Column("licence", pa.string(), "Licence stated by the source."),
        Column("domain", pa.string(), "algebra, geometry, number_theory, ...; null until labelled."),
        Column("level", pa.string(), "`Level`; null until labelled."),
        Column(
            "metadata",
            pa.string(),
            "JSON of the source's own fields (family parameters, reasoning-gym entry).",
        ),
    ),
)
