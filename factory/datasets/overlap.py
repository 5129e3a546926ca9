"""Which problems another folder already holds: by id, by canonical text, or as a near-duplicate."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from factory.config.deduplication import DeduplicationSection, Keep
from factory.datasets.render import last_message
from factory.deduplication import deduplicate
from factory.run.parts import scan_parts
from factory.text.canonical import canonical_text

COLUMNS = ("problem_id", "id", "problem", "prompt")


def problem_texts(rows: pl.DataFrame) -> pl.DataFrame:
    """`id`, `problem` and `canonical` text of the rows of any table that holds problems or prompts."""
    identifier = "problem_id" if "problem_id" in rows.columns else "id"
    text = rows["problem"] if "problem" in rows.columns else last_message(rows["prompt"])
    return pl.DataFrame({"id": rows[identifier], "problem": text, "canonical": canonical_text(text)})


def read_problem_texts(folder: Path) -> pl.DataFrame:
    """`problem_texts` of a folder of parts, one row per problem."""
    lazy = scan_parts(folder)
    names = [name for name in COLUMNS if name in lazy.collect_schema().names()]
    return problem_texts(lazy.select(names).collect()).unique("id", maintain_order=True)


def used_by(problems: pl.DataFrame, folders: Sequence[Path]) -> pl.Series:
    """The name of the first folder that holds each problem, null when none does.

    Args:
        problems: from `problem_texts`.
        folders: folders of parts with `problem_id` or `id`, and `problem` or `prompt`.
    """
    found = pl.Series("used", [None] * problems.height, dtype=pl.String)
    for folder in folders:
        there = read_problem_texts(folder)
        hit = (
            problems["id"].is_in(there["id"].implode())
            | problems["canonical"].is_in(there["canonical"].implode())
            | near(problems, there)
        )
        name = pl.lit(f"{folder.parent.name}/{folder.name}")
        found = pl.select(
            pl.when(found.is_null() & hit).then(name).otherwise(found).alias("used")
        ).to_series()
    return found


def near(problems: pl.DataFrame, there: pl.DataFrame) -> pl.Series:
    """True for problems in a cluster of near-duplicates with one of `there` (`factory.deduplication`'s defaults)."""
    if problems.height == 0 or there.height == 0:
        return pl.Series([False] * problems.height, dtype=pl.Boolean)
    result = deduplicate(
        problems.select("id", "problem"),
        DeduplicationSection(),
        field="problem",
        priority=[Keep.FIRST],
        against=there.select("id", "problem"),
    )
    evidence = [json.loads(text) for text in result.dropped["evidence"]]
    lost = [
        row
        for row, proof in zip(result.dropped["row_id"], evidence, strict=True)
        if str(proof["survivor"]).startswith("against:")
    ]
    return problems["id"].is_in(pl.Series(lost, dtype=pl.String).implode())
