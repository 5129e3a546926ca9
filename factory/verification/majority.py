"""Majority answers: what most samples of a problem agree on, for problems without gold, and against doubtful gold."""

from __future__ import annotations

from collections import Counter, defaultdict
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


def majority_votes(frames: Iterable[pl.DataFrame], verifier: Verifier) -> dict[str, Vote]:
    """The majority answer of every problem that has one.

    Args:
        frames: responses with `problem_id`; only those are counted that come with an answer.
        verifier: brings answers into canonical form, by which they are counted.
    """
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    wording: dict[tuple[str, str], str] = {}
    for rows in frames:
        pairs = [
            (problem, request)
            for problem, request in zip(
                rows.get_column("problem_id").to_list(), requests_of(rows), strict=True
            )
            if isinstance(request, CheckRequest)
        ]
        for (problem, _), found in zip(
            pairs, verifier.canonical_many([r.response for _, r in pairs]), strict=True
        ):
            if found is not None:
                answer, key = found
                counts[problem][key] += 1
                wording.setdefault((problem, key), answer)
    votes = {}
    for problem, tally in counts.items():
        (key, most), samples = tally.most_common(1)[0], tally.total()
        if samples >= MIN_SAMPLES and 2 * most > samples:
            votes[problem] = Vote(wording[problem, key], most, samples)
    return votes


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
