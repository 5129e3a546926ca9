"""Responses that are there already (`factory import`): which problems they answer, and what is still missing.

A response belongs to the asked problem with the same words, whatever its id was: the survivor of deduplication keeps
the responses of the problems that it stands for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from factory.engines.engine import open_engine
from factory.errors import UsageError
from factory.run.parts import iter_part
from factory.run.step import sums
from factory.run.step_writer import StepWriter
from factory.run.tables import dropped_rows
from factory.sampling.rows import FIRST, MISSING, response_frame
from factory.sources.stage import Staged
from factory.steps.source import open_source
from schemas import PROBLEM, RESPONSE
from schemas.outcome import counts

NEEDED = ("problem", "response_id", "status", "reasoning", "content", "model")
_OWN = [
    name
    for name in RESPONSE.names
    if name not in PROBLEM.names and name not in ("problem_id", "sample_index")
]
_KEY = "_words"
_BOTH = pl.concat_str("licence", "_licence", separator=" AND ")
SAID = {
    "metadata": pl.coalesce("_metadata", "metadata"),
    "licence": pl.when(pl.col("licence") == pl.col("_licence")).then("licence").otherwise(_BOTH),
}
"""Columns that a response and the asked problem both have: the response says where it came from, and its row is under both
licences (none, when either states none)."""


class Reuse:
    """Responses in Parquet parts, beside the problems that are asked."""

    def __init__(
        self, read: Staged, problems: pl.DataFrame, where: str, *, need_reasoning: bool = False
    ) -> None:
        """Look at the responses.

        Args:
            read: Parquet files of schemas.RESPONSE, and lines that could not be read.
            problems: rows of schemas.PROBLEM.
            where: what they are to the user.
            need_reasoning: one without reasoning does not count as a sample.

        Raises:
            UsageError: they are not responses.
        """
        there = pl.read_parquet_schema(read.parts[0])
        missing = [name for name in NEEDED if name not in there]
        if missing:
            raise UsageError(
                f"{where} holds no responses: it has no column {', '.join(missing)}",
                do=f"bring it into their form: factory import {where} --out DIR, then --reuse DIR/responses",
            )
        self.parts, self.unread, self.schema = read.parts, read.unread, problems.schema
        self.asked = problems.with_columns(_words()).unique(_KEY, keep="first", maintain_order=True)
        found = (
            pl.scan_parquet(self.parts, missing_columns="insert", extra_columns="ignore")
            .select(_words(), counts(need_reasoning).alias("complete"))
            .group_by(_KEY)
            .agg(pl.len().alias("there"), pl.col("complete").sum())
            .collect(engine="streaming")
        )
        joined = self.asked.select("id", _KEY).join(found, on=_KEY)
        self.there: dict[str, tuple[int, int]] = {
            row[0]: row[1:] for row in joined.select("id", "there", "complete").iter_rows()
        }

    def owed(self, problems: Iterator[dict[str, Any]], samples: int) -> Iterator[dict[str, Any]]:
        """The problems, each with the index of the next sample and how many are still missing."""
        for problem in problems:
            there, whole = self.there.get(problem["id"], (0, 0))
            yield problem | {FIRST: there, MISSING: max(samples - whole, 0)}

    def missing(self, problems: int, samples: int) -> int:
        """Responses that are still missing of so many problems."""
        return problems * samples - sum(min(whole, samples) for _, whole in self.there.values())

    def frames(self) -> Iterator[tuple[int, pl.DataFrame, pl.DataFrame]]:
        """Rows read, responses of asked problems (schemas.RESPONSE and the problems' extra columns), and the others."""
        numbers: Counter[str] = Counter()
        for part in self.parts:
            for rows in iter_part(part):
                rows = rows.with_columns(_words())
                said = [name for name in SAID if name in rows.columns and name in self.schema]
                own = rows.select(
                    _KEY,
                    *(name for name in _OWN if name in rows.columns),
                    *(pl.col(name).alias(f"_{name}") for name in said),
                )
                mine = own.join(self.asked, on=_KEY, how="inner", maintain_order="left").drop(_KEY)
                mine = mine.with_columns(SAID[name].alias(name) for name in said)
                indices = []
                for name in mine["id"]:
                    indices.append(numbers[name])
                    numbers[name] += 1
                mine = mine.rename({"id": "problem_id"}).with_columns(
                    pl.Series("sample_index", indices, dtype=pl.Int32)
                )
                other = rows.join(self.asked, on=_KEY, how="anti", maintain_order="left").drop(_KEY)
                yield (
                    rows.height,
                    _as_responses(mine, self.schema),
                    dropped_rows(
                        other,
                        step="generate",
                        reason="problem_not_asked",
                        id_column="response_id",
                        detail="its problem is not among those that are asked (dropped earlier, or never read)",
                    ),
                )


def read_reuse(
    patterns: Sequence[str],
    problems: pl.DataFrame,
    out: Path,
    scratch: Path,
    *,
    need_reasoning: bool = False,
) -> Reuse:
    """The responses that some patterns name.

    Raises:
        UsageError: a pattern matches nothing, lies in `out`, or names no responses.
    """
    source = open_source(patterns, out)
    with open_engine("local", 1) as engine:
        return Reuse(source.parts(scratch, engine), problems, source.name, need_reasoning=need_reasoning)


def keep_reused(reuse: Reuse | None, writer: StepWriter) -> dict[str, int]:
    """Write the responses that are there already; how many of each status there are."""
    found: list[dict[str, int]] = []
    for read, rows, others in reuse.frames() if reuse else ():
        writer.read["reuse"] += read
        writer.keep(rows)
        writer.drop(others)
        found.append(dict(rows["status"].value_counts().iter_rows()))
    if reuse:
        writer.drop_unread(reuse.unread)
    return sums(found)


def _as_responses(rows: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    wanted = response_frame([], schema).schema
    return rows.select(
        pl.col(name).cast(kind) if name in rows.columns else pl.lit(None, dtype=kind).alias(name)
        for name, kind in wanted.items()
    )


def _words() -> pl.Expr:
    """A problem's text up to white space."""
    return pl.col("problem").str.replace_all(r"\s+", " ").str.strip_chars().alias(_KEY)
