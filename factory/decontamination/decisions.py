"""What a person decided about single hits, what is still worth a look, and what two runs decide differently.

A decisions file holds one JSON object a line: text (digest), benchmark, benchmark_id and decision, keep or drop. The
last line on a text and problem counts. Decisions are about texts, not about row numbers, so they hold for any run.
"""

from __future__ import annotations

import json
import os
from enum import StrEnum
from pathlib import Path

import polars as pl

from factory.decontamination.hits import Tier
from factory.decontamination.rules import DEFAULT
from factory.errors import UsageError

ABOUT = ("text", "benchmark", "benchmark_id")
"""What a decision is about."""
DECISIONS = {**dict.fromkeys(ABOUT, pl.String), "decision": pl.String}
DOUBTFUL = (Tier.NGRAM, Tier.TEMPLATE, Tier.VARIANT, Tier.MEANING, Tier.EMBEDDING)
"""Tiers that rest on a threshold."""


class Decision(StrEnum):
    """What becomes of a hit."""

    KEEP = "keep"
    """It is no contamination: the row is not dropped for it."""
    DROP = "drop"
    """It is contamination, whatever its tier: the row is dropped."""


def read_decisions(path: Path | None) -> pl.DataFrame:
    """The decisions in force (columns `DECISIONS`); none if there is no file.

    Raises:
        UsageError: a line is no decision.
    """
    found: dict[tuple[str, ...], str] = {}
    if path is not None and path.exists():
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            try:
                entry = json.loads(line)
                found[tuple(str(entry[name]) for name in ABOUT)] = Decision(entry["decision"]).value
            except (ValueError, KeyError, TypeError) as error:
                raise UsageError(
                    f"{path}:{number} is no decision ({type(error).__name__})", do="fix or remove the line"
                ) from None
    return pl.DataFrame([(*about, said) for about, said in found.items()], schema=DECISIONS, orient="row")


def write_decision(path: Path, hit: dict[str, object], decision: Decision) -> None:
    """Add a decision on a hit (columns `find.HITS`) to the file; it is on disk when this returns."""
    entry = {name: hit[name] for name in ABOUT} | {"decision": decision.value}
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as handle:
        handle.write(json.dumps(entry, ensure_ascii=False) + "\n")
        handle.flush()
        os.fsync(handle.fileno())


def decided(hits: pl.DataFrame, decisions: pl.DataFrame) -> pl.DataFrame:
    """Hits with what was decided about them: `drops` follows it, `decision` is null where nothing was."""
    joined = hits.drop("decision").join(decisions, on=ABOUT, how="left", maintain_order="left")
    drops = (
        pl.when(pl.col("decision").is_null())
        .then(pl.col("drops"))
        .otherwise(pl.col("decision") == Decision.DROP.value)
    )
    return joined.with_columns(drops=drops).select(hits.columns)


def borderline(hits: pl.DataFrame, coverage: float) -> pl.DataFrame:
    """Undecided hits that another threshold might decide differently, the most doubtful first.

    An n-gram hit is doubtful the nearer its score is to the coverage that was asked for, one by meaning the nearer its cosine is
    to the one that is needed; a hit that is only reported the higher its score is.
    """
    doubt = (
        pl.when(pl.col("tier") == Tier.NGRAM.value)
        .then(pl.col("score") - coverage)
        .when(pl.col("tier") == Tier.MEANING.value)
        .then(pl.col("score") - DEFAULT.meaning)
        .otherwise(1 - pl.col("score"))
    )
    open_hits = hits.filter(pl.col("decision").is_null() & pl.col("tier").is_in([t.value for t in DOUBTFUL]))
    once = open_hits.unique(ABOUT, keep="first", maintain_order=True)
    return once.sort(doubt, "row", maintain_order=True)


def decided_differently(ours: pl.DataFrame, theirs: pl.DataFrame) -> pl.DataFrame:
    """Rows that one run drops and the other keeps, each with the surest hit that decided it.

    Args:
        ours: all hits of one run (columns `decontaminate.HITS`).
        theirs: all hits of the other, of the same rows.

    Returns:
        The hits' columns and `dropped_by`, "this" or "other", ordered by row.
    """
    one, other = _deciding(ours), _deciding(theirs)
    only_one = one.join(other, on="row", how="anti").with_columns(dropped_by=pl.lit("this"))
    only_other = other.join(one, on="row", how="anti").with_columns(dropped_by=pl.lit("other"))
    return pl.concat([only_one, only_other]).sort("row")


def _deciding(hits: pl.DataFrame) -> pl.DataFrame:
    """The first hit of every dropped row that drops it; hits lie surest first."""
    return hits.filter("drops").unique("row", keep="first", maintain_order=True)
