"""What two decontaminations of the same rows decide differently."""

from __future__ import annotations

import polars as pl


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
