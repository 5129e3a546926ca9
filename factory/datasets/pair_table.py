"""From responses to a table of pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from factory.datasets.pair_candidates import COLUMNS
from factory.datasets.pairs import Pair, pair_up
from factory.datasets.render import completion_column, prompt_column
from factory.progress import watch

PROBLEM_COLUMNS = ["problem_id", "problem", "choices", "source", "licence", "domain", "level", "answer"]


def pair_problems(
    problems: Sequence[str],
    chosen: pl.DataFrame,
    rejected: pl.DataFrame,
    *,
    rule: str,
    per_problem: int,
    max_similarity: float,
) -> list[Pair]:
    """Pairs of every problem, in the order of `problems`."""
    right, wrong = _by_problem(chosen), _by_problem(rejected)
    pairs: list[Pair] = []
    with watch("pairs", len(problems), "problems") as task:
        for problem in problems:
            if problem in right and problem in wrong:
                pairs += pair_up(right[problem], wrong[problem], rule, per_problem, max_similarity)
            task.advance()
    return pairs


def pair_table(
    pairs: Sequence[Pair], problems: pl.DataFrame, *, rule: str, prompt: str, system: str | None
) -> pl.DataFrame:
    """PREFERENCE rows, with the pair's `similarity` as a further column.

    Args:
        pairs: what was paired up.
        problems: `PROBLEM_COLUMNS`, one row a problem.
        rule: name of the rule, for `pair_rule`.
        prompt: prompt template.
        system: system message.
    """
    schema = {name: pl.Int64 if name == "completion_tokens" else pl.String for name in COLUMNS}
    sides = {
        side: pl.DataFrame([{k: getattr(pair, side)[k] for k in COLUMNS} for pair in pairs], schema=schema)
        for side in ("chosen", "rejected")
    }
    table = pl.DataFrame(
        {
            "problem_id": sides["chosen"]["problem_id"],
            **{side: completion_column(rows, side) for side, rows in sides.items()},
            **{f"{side}_response_id": rows["response_id"] for side, rows in sides.items()},
            **{f"{side}_sampler": rows["sampler"] for side, rows in sides.items()},
            **{f"{side}_tokens": rows["completion_tokens"].cast(pl.Int32) for side, rows in sides.items()},
            "pair_rule": pl.Series([rule] * len(pairs), dtype=pl.String),
            "similarity": pl.Series([pair.similarity for pair in pairs], dtype=pl.Float64),
        }
    )
    table = table.join(problems, on="problem_id", how="left", maintain_order="left")
    return table.with_columns(prompt_column(table, prompt, system)).drop("problem", "choices", strict=False)


def _by_problem(rows: pl.DataFrame) -> dict[str, list[dict[str, Any]]]:
    grouped: dict[str, list[dict[str, Any]]] = {}
    for row in rows.iter_rows(named=True):
        grouped.setdefault(row["problem_id"], []).append(row)
    return grouped
