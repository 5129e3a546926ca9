"""Majority answers: what most samples of a problem agree on, for problems without gold, and against doubtful gold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from factory.verification.pool import Verifier
from factory.verification.responses import requests_of
from factory.verification.result import CheckRequest

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
