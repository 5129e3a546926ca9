"""What a deduplication found, with the evidence to question it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl


@dataclass(frozen=True, slots=True)
class DedupResult:
    """Kept rows (with `cluster_id`), dropped rows (`schemas.DROPPED`), the audit, and the verified pairs.

    `pairs`: `left`, `right` (row numbers of the input, then of the rows compared against), `similarity`.
    `conflicts`: rows of clusters whose golds contradict each other (`evidence.CONFLICTS`); one row per gold is kept.
    """

    kept: pl.DataFrame
    dropped: pl.DataFrame
    audit: dict[str, Any]
    pairs: pl.DataFrame
    conflicts: pl.DataFrame
