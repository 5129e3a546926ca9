"""Golds: which cannot be trusted (before money is spent, and again after the first samples), and majority answers in their place."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import polars as pl

from factory.verification.check import gold_answer, infer_kind
from factory.verification.mathematics import readings
from factory.verification.pool import Verifier
from factory.verification.responses import requests_of
from factory.verification.result import CheckRequest
from schemas.problem import AnswerKind

MIN_SAMPLES = 3
"""Fewer samples with an answer make no majority."""


@dataclass(frozen=True, slots=True)
class Vote:
    """The answer that more than half of a problem's answering samples share."""

    answer: str
    votes: int
    samples: int

    @property
    def share(self) -> float:
        """Share of the samples with an answer that voted for it."""
        return self.votes / self.samples


TALLY = {"problem_id": pl.String, "form": pl.String, "answer": pl.String, "votes": pl.Int64}


def majority_votes(frames: Iterable[pl.DataFrame], verifier: Verifier) -> dict[str, Vote]:
    """The majority answer of every problem that has one.

    Args:
        frames: responses with `problem_id`; only those are counted that come with an answer.
        verifier: brings answers into canonical form, by which they are counted.
    """
    return count_votes([tally(frames, verifier)])


def tally(frames: Iterable[pl.DataFrame], verifier: Verifier) -> pl.DataFrame:
    """How often each answer was given: `TALLY`, one row a problem and canonical form, with its first wording.

    Tallies of parts of the responses, in their order, make the votes of all: see `count_votes`.
    """
    counts: dict[tuple[str, str], int] = {}
    wording: dict[tuple[str, str], str] = {}
    for rows in frames:
        asked = [
            (problem, request)
            for problem, request in zip(
                rows.get_column("problem_id").to_list(), requests_of(rows), strict=True
            )
            if isinstance(request, CheckRequest)
        ]
        forms = verifier.canonical_many([request.response for _, request in asked])
        for (problem, _), found in zip(asked, forms, strict=True):
            if found is not None:
                answer, form = found
                counts[problem, form] = counts.get((problem, form), 0) + 1
                wording.setdefault((problem, form), answer)
    rows_out = [(*key, wording[key], votes) for key, votes in counts.items()]
    return pl.DataFrame(rows_out, schema=TALLY, orient="row")


def count_votes(tallies: Iterable[pl.DataFrame]) -> dict[str, Vote]:
    """The votes of tallies together: problems of which one answer has more than half of enough samples."""
    both = pl.concat([pl.DataFrame(schema=TALLY), *tallies])
    answers = both.group_by("problem_id", "form", maintain_order=True).agg(
        pl.col("answer").first(), pl.col("votes").sum()
    )
    samples = pl.col("votes").sum().over("problem_id")
    won = answers.with_columns(samples=samples).filter(
        (pl.col("samples") >= MIN_SAMPLES) & (2 * pl.col("votes") > pl.col("samples"))
    )
    names = ("problem_id", "answer", "votes", "samples")
    return {problem: Vote(*rest) for problem, *rest in won.select(names).iter_rows()}


def fill_gold(rows: pl.DataFrame, votes: dict[str, Vote]) -> pl.DataFrame:
    """Missing gold answers filled in from votes; `answer_source` says so and `answer_votes` gives the vote (`5/8`)."""
    filled = [
        votes.get(problem) if answer is None or not answer.strip() else None
        for problem, answer in zip(rows.get_column("problem_id"), rows.get_column("answer"), strict=True)
    ]
    texts = pl.Series("answer", [v.answer if v else None for v in filled], dtype=pl.String)
    shares = pl.Series(
        "answer_votes", [f"{v.votes}/{v.samples}" if v else None for v in filled], dtype=pl.String
    )
    sources = pl.Series("answer_source", ["majority" if v else None for v in filled], dtype=pl.String)
    former = (
        rows.get_column("answer_source")
        if "answer_source" in rows.columns
        else pl.Series([None] * rows.height)
    )
    given = rows.get_column("answer")
    return rows.with_columns(
        pl.Series(
            "answer", [t if t is not None else g for t, g in zip(texts, given, strict=True)], dtype=pl.String
        ),
        pl.Series("answer_source", [s or f for s, f in zip(sources, former, strict=True)], dtype=pl.String),
        shares,
    )


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
