"""A look at people's files before anything is made of them: layout, what the first rows hold, and how long it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from factory.config.problems import SourceSection
from factory.datasets.selection import TOKEN_BYTES
from factory.steps import imports
from factory.verification.check import infer_kind, kind_of
from schemas import AnswerKind
from schemas.outcome import complete
from schemas.problem import SELF_SCORED

ROWS = 1_000
"""Rows of a file that are looked at, from its beginning."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The first rows of a file."""

    source: str
    """The path as it was given."""
    path: Path
    layout: str
    rows: int
    all: bool
    """There are no other rows."""
    problems: int
    golds: int
    """Problems with an answer, or with tests in its place."""
    kinds: dict[AnswerKind, int]
    responses: int
    complete: int
    reasoning: int
    """Complete responses with a reasoning part."""
    most: int
    """Responses of the problem that has most."""
    tokens: tuple[int, int]
    """Median and 90th percentile of the responses' lengths; four bytes are a token."""
    dropped: dict[str, int]

    @property
    def said(self) -> list[str]:
        """The same in words, for the user."""
        lines = [
            f"{'all' if self.all else 'the first'} {self.rows:,} rows: {self.problems:,} different problems"
        ]
        if self.problems:
            kinds = ", ".join(f"{count:,} {kind}" for kind, count in self.kinds.items())
            lines[0] += f", {self.golds / self.problems:.0%} with an answer" + (
                f" ({kinds})" if kinds else ""
            )
        if self.responses:
            lines.append(
                f"{self.responses:,} responses, at most {self.most:,} per problem: {self.complete / self.responses:.0%} "
                f"complete, {self.reasoning / self.responses:.0%} with reasoning, about {self.tokens[0]:,} tokens "
                f"(90th percentile {self.tokens[1]:,})"
            )
        if self.dropped:
            lines.append("left out: " + ", ".join(f"{count:,} {why}" for why, count in self.dropped.items()))
        return lines


def look(sources: Sequence[SourceSection]) -> list[Seen]:
    """What files hold.

    Raises:
        UsageError: one cannot be read, or nothing says where its problems are.
    """
    return [_look(file) for each in sources for file in imports.files_of(each)]


def _look(file: imports.File) -> Seen:
    source, path, layout = file
    first = source.model_copy(update={"limit": ROWS})
    blocks = list(imports.Reading(quiet=True).blocks([(first, path, layout)]))
    problems = pl.concat(block.problems.rows for block in blocks)
    responses = pl.concat(block.responses for block in blocks)
    dropped = Counter(reason for block in blocks for reason in block.problems.dropped["reason"])
    del dropped["same_problem"]  # its responses are kept
    rows = sum(block.problems.rows_in for block in blocks)
    kinds = Counter(
        kind_of(row)
        for row in problems.iter_rows(named=True)
        if row["answer"] is not None or _has_tests(row["metadata"])
    )
    whole = responses.filter(complete())
    size = responses.select(pl.sum_horizontal(pl.col("reasoning", "content").str.len_bytes().fill_null(0)))
    lengths = [int((size.to_series().quantile(q) or 0) // TOKEN_BYTES) for q in (0.5, 0.9)]
    most = responses["problem_id"].value_counts()["count"].max()
    return Seen(
        source.path,
        path,
        layout.shown,
        rows,
        rows < ROWS,
        problems.height,
        kinds.total(),
        {AnswerKind(kind): count for kind, count in kinds.most_common()},
        responses.height,
        whole.height,
        whole.height - whole["reasoning"].null_count(),
        int(str(most or 0)),
        (lengths[0], lengths[1]),
        dict(dropped.most_common()),
    )


def _has_tests(metadata: str | None) -> bool:
    return bool(metadata) and infer_kind(None, None, metadata).value in SELF_SCORED
