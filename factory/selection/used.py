"""Disjointness: which problems another folder already uses, by id and by canonical text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from factory.store.parts import scan_parts
from factory.text import canonical_text


def problem_texts(rows: pl.DataFrame) -> pl.DataFrame:
    """`problem_id` and canonical `text` of rows of any table that holds problems or prompts."""
    names = rows.columns
    identifier = "problem_id" if "problem_id" in names else "id"
    if "problem" in names:
        text = rows["problem"]
    else:
        text = rows["prompt"].list.eval(pl.element().struct.field("content")).list.last()
    return pl.DataFrame({"problem_id": rows[identifier], "text": canonical_text(text)})


def used_by(problems: pl.DataFrame, folders: Sequence[Path]) -> pl.Series:
    """The name of the first folder that holds each problem, null when none does.

    Args:
        problems: `problem_id` and `text`, from `problem_texts`.
        folders: folders of parts with `problem_id` or `id`, and `problem` or `prompt`.
    """
    found = pl.Series("used", [None] * problems.height, dtype=pl.String)
    for folder in folders:
        lazy = scan_parts(folder)
        names = lazy.collect_schema().names()
        there = problem_texts(
            lazy.select([n for n in ("problem_id", "id", "problem", "prompt") if n in names]).collect()
        )
        hit = problems["problem_id"].is_in(there["problem_id"].implode()) | problems["text"].is_in(
            there["text"].implode()
        )
        name = f"{folder.parent.name}/{folder.name}"
        found = pl.select(
            pl.when(found.is_null() & hit).then(pl.lit(name)).otherwise(found).alias("used")
        ).to_series()
    return found
