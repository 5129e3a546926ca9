"""What a deduplication found, with the evidence to question it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl


@dataclass(frozen=True, slots=True)
class Known:
    """What a run can be taken up from, to cluster again with another threshold.

    `keys` has columns `exact` and `guard`, one row each of the input (then of the rows compared against); `pairs` has
    `left`, `right` (row numbers) and `similarity`: all verified pairs from the run's threshold on.
    """

    keys: pl.DataFrame
    pairs: pl.DataFrame


@dataclass(frozen=True, slots=True)
class DedupResult:
    """Kept rows (with `cluster_id`), dropped rows (`schemas.DROPPED`), the audit, and what was found on the way."""

    kept: pl.DataFrame
    dropped: pl.DataFrame
    audit: dict[str, Any]
    known: Known

    @property
    def pairs(self) -> pl.DataFrame:
        """The verified pairs: `left`, `right` (row numbers of the input), `similarity`."""
        return self.known.pairs
