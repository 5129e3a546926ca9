"""The short facts of a row that its life tells step by step."""

from __future__ import annotations

from typing import Any

import polars as pl

FACTS = (
    "verdict",
    "verdict_reason",
    "method",
    "extracted",
    "answer",
    "status",
    "error",
    "sampler",
    "model",
    "completion_tokens",
    "usd",
    "source",
    "licence",
    "domain",
    "level",
    "cluster_id",
    "loop_score",
    "pass_rate",
    "attempts",
    "band",
    "pair_rule",
    "bucket",
)
"""Columns that say in few words what a row is."""
_MOST = 14


def short_facts(rows: pl.DataFrame) -> tuple[tuple[str, str], ...]:
    """Name and value of the facts of a single row; nothing for several rows."""
    if rows.height != 1:
        return ()
    row = rows.row(0, named=True)
    facts = [(name, _short(row[name])) for name in FACTS if row.get(name) is not None]
    return tuple(facts[:_MOST])


def _short(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else " ".join(str(value).split())
    return text if len(text) <= 160 else text[:159] + "…"
