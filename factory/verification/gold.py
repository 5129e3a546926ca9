"""Gold audit: problems whose gold cannot be trusted, found before money is spent and again after the first samples."""

from __future__ import annotations

import re
from enum import StrEnum

import polars as pl

from factory.verification.check import gold_answer
from factory.verification.kinds import infer_kind
from factory.verification.majority import Vote
from factory.verification.mathematics import readings
from schemas.problem import AnswerKind

STRONG_SAMPLES, STRONG_SHARE = 4, 0.75
"""A gold is contradicted when so many samples answer, and so large a share of them agree on something else."""


class GoldFlag(StrEnum):
    """Why a gold answer is doubtful."""

    EMPTY = "empty"
    UNPARSEABLE = "unparseable"
    PROOF = "proof"
    FIGURE = "missing_figure"
    MULTI_PART = "multi_part"
    CONTRADICTED = "contradicted"


_PROOF = re.compile(r"^\s*(?:[^.]{0,200}\.\s+)?(?:prove|show|demonstrate|verify)\s+that\b|证明[：:，]?", re.I)
_FIGURE = re.compile(
    r"\b(?:in|from|as|see)\s+(?:the\s+)?(?:figure|diagram|picture|graph|image)(?:\s+(?:below|above|shown))?\b"
    r"|\b(?:figure|diagram|picture|graph)\s+(?:below|above|shows?|at right)\b|如图|见图|!\[|<image",
    re.I,
)
_DRAWING = re.compile(r"\[asy\]|\\begin\{(?:tikzpicture|asy)\}|<svg", re.I)
_PARTS = re.compile(r"(?:^|\s)\(?(?:a|i|1)\)\s.{3,2000}?\s\(?(?:b|ii|2)\)\s", re.S)


def audit_gold(problems: pl.DataFrame) -> pl.DataFrame:
    """Flag doubtful problems by their own text.

    Args:
        problems: rows with `id`, `problem` and `answer`; `choices` and `answer_kind` are used when there.

    Returns:
        One row a flag: `id`, `flag` (`GoldFlag`), `detail`.
    """
    found: list[tuple[str, str, str]] = []
    names = [
        n for n in ("id", "problem", "answer", "choices", "answer_kind", "metadata") if n in problems.columns
    ]
    for row in problems.select(names).iter_rows(named=True):
        found += [(str(row["id"]), str(flag), detail) for flag, detail in _flags(row)]
    return pl.DataFrame(found, schema={"id": pl.String, "flag": pl.String, "detail": pl.String}, orient="row")


def _flags(row: dict[str, object]) -> list[tuple[GoldFlag, str]]:
    text, gold = str(row.get("problem") or ""), str(row.get("answer") or "").strip()
    choices = row.get("choices")
    options = tuple(map(str, choices)) if isinstance(choices, list) else None
    kind = row.get("answer_kind") or infer_kind(gold, options, str(row.get("metadata") or "") or None)
    flags: list[tuple[GoldFlag, str]] = []
    if kind in (AnswerKind.CODE, AnswerKind.REASONING_GYM):
        return flags
    if not gold:
        flags.append((GoldFlag.EMPTY, "no gold answer"))
    elif kind == AnswerKind.MATH and not readings(gold_answer(gold)):
        flags.append((GoldFlag.UNPARSEABLE, f"the gold is outside the grammar: {gold[:80]}"))
    if _PROOF.search(text) and not re.search(r"\bfind\b|\bdetermine\b|\bwhat is\b|求", text, re.I):
        flags.append((GoldFlag.PROOF, "asks for a proof"))
    if _FIGURE.search(text) and not _DRAWING.search(text):
        flags.append((GoldFlag.FIGURE, "refers to a figure that is not there"))
    if _PARTS.search(text) and not options:
        flags.append((GoldFlag.MULTI_PART, "asks several questions at once"))
    return flags


def contradicted(checked: pl.DataFrame, votes: dict[str, Vote]) -> pl.DataFrame:
    """Problems whose samples strongly agree on an answer that was verified incorrect.

    Args:
        checked: verdict rows with `problem_id`, `answer`, `extracted`, `verdict`.
        votes: the majority answer of each problem.

    Returns:
        One row a problem: `id`, `flag`, `detail`.
    """
    found = []
    answers = checked.select("problem_id", "answer", "extracted", "verdict").unique(maintain_order=True)
    for problem, gold, extracted, verdict in answers.iter_rows():
        vote = votes.get(problem)
        if vote is None or verdict != "incorrect" or extracted != vote.answer:
            continue
        if vote.samples >= STRONG_SAMPLES and vote.share >= STRONG_SHARE:
            detail = (
                f"gold {str(gold)[:60]}, but {vote.votes} of {vote.samples} samples say {vote.answer[:60]}"
            )
            found.append((problem, str(GoldFlag.CONTRADICTED), detail))
    return pl.DataFrame(
        found, schema={"id": pl.String, "flag": pl.String, "detail": pl.String}, orient="row"
    ).unique(maintain_order=True)
