"""Labels over a table: what the source says stays, what is missing is filled in by rules and classifier."""

from __future__ import annotations

import polars as pl

from factory.labels.decide import domain_of, level_of
from factory.labels.repetition import loop_score

RULES = "rules"
SOURCE = "source"


def label_problems(problems: pl.DataFrame) -> pl.DataFrame:
    """Domain and level of every problem.

    Args:
        problems: columns `problem_id`, `problem`, `domain`, `level`; one row a problem.

    Returns:
        `problem_id`, `domain`, `level` without nulls, and `label_source`.
    """
    domains = [d or domain_of(p) for d, p in zip(problems["domain"], problems["problem"], strict=True)]
    levels = [x or level_of(p) for x, p in zip(problems["level"], problems["problem"], strict=True)]
    given = problems["domain"].is_not_null() & problems["level"].is_not_null()
    return pl.DataFrame(
        {
            "problem_id": problems["problem_id"],
            "domain": pl.Series(domains, dtype=pl.String),
            "level": pl.Series(levels, dtype=pl.String),
            "label_source": [SOURCE if g else RULES for g in given],
        },
        schema_overrides={"label_source": pl.String},
    )


def measure_repetition(rows: pl.DataFrame, limit: float) -> pl.DataFrame:
    """Add `loop_score` of reasoning and answer together, and `repetitive` where it is above `limit`."""
    texts = zip(rows["reasoning"], rows["content"], strict=True)
    scores = [loop_score(f"{reasoning or ''}\n{content or ''}") for reasoning, content in texts]
    return rows.with_columns(
        pl.Series("loop_score", scores, dtype=pl.Float64),
        pl.Series("repetitive", [score > limit for score in scores], dtype=pl.Boolean),
    )
