"""Labels over a table: what the source says stays, what is missing is filled in by rules and classifier."""

from __future__ import annotations

import polars as pl

from factory.datasets.label_decision import domain_of, level_of
from factory.datasets.repetition import loop_score

RULES = "rules"
SOURCE = "source"


def label_problems(
    problems: pl.DataFrame, judged: pl.DataFrame | None = None, judge: str = ""
) -> pl.DataFrame:
    """Domain and level of every problem: the source's, then the judge's, then those of rules and classifier.

    Args:
        problems: columns `problem_id`, `problem`, `domain`, `level`; one row a problem.
        judged: `problem_id`, `domain`, `level` from `factory.datasets.label_judge`; nulls where it gave none.
        judge: the judge's preset.

    Returns:
        `problem_id`, `domain`, `level` without nulls, and `label_source`.
    """
    said = {row["problem_id"]: row for row in judged.iter_rows(named=True)} if judged is not None else {}
    rows = []
    for row in problems.iter_rows(named=True):
        verdict = said.get(row["problem_id"], {})
        wanted = [name for name in ("domain", "level") if row[name] is None]
        from_judge = [name for name in wanted if verdict.get(name) is not None]
        source = SOURCE if not wanted else judge if from_judge == wanted else RULES
        domain = row["domain"] or verdict.get("domain") or domain_of(row["problem"]).value
        level = row["level"] or verdict.get("level") or level_of(row["problem"]).value
        rows.append((row["problem_id"], domain, level, source))
    names = ("problem_id", "domain", "level", "label_source")
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")


def unlabelled(problems: pl.DataFrame) -> pl.DataFrame:
    """Problems whose source gives no domain or no level."""
    return problems.filter(pl.col("domain").is_null() | pl.col("level").is_null())


def measure_repetition(rows: pl.DataFrame, limit: float) -> pl.DataFrame:
    """Add `loop_score` of reasoning and answer together, and `repetitive` where it is above `limit`."""
    texts = zip(rows["reasoning"], rows["content"], strict=True)
    scores = [loop_score(f"{reasoning or ''}\n{content or ''}") for reasoning, content in texts]
    return rows.with_columns(
        pl.Series("loop_score", scores, dtype=pl.Float64),
        pl.Series("repetitive", [score > limit for score in scores], dtype=pl.Boolean),
    )
