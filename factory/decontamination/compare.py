"""What two decontaminations of the same rows decide differently."""

from __future__ import annotations

import polars as pl

from factory.decontamination.hits import Tier


def decided_differently(
    ours: pl.DataFrame, theirs: pl.DataFrame, *, our_templates: bool, their_templates: bool
) -> pl.DataFrame:
    """Rows that one run drops and the other keeps, each with the surest hit that decided it.

    Args:
        ours: all hits of one run (columns `decontaminate.HITS`).
        theirs: all hits of the other, of the same rows.
        our_templates: whether templates are dropped in the one run.
        their_templates: the same for the other.

    Returns:
        The hits' columns and `dropped_by`, "this" or "other", ordered by row.
    """
    one, other = _deciding(ours, our_templates), _deciding(theirs, their_templates)
    only_one = one.join(other, on="row", how="anti").with_columns(dropped_by=pl.lit("this"))
    only_other = other.join(one, on="row", how="anti").with_columns(dropped_by=pl.lit("other"))
    return pl.concat([only_one, only_other]).sort("row")


def _deciding(hits: pl.DataFrame, templates: bool) -> pl.DataFrame:
    """The first hit of every dropped row; hits lie surest first."""
    drops = hits if templates else hits.filter(pl.col("tier") != Tier.TEMPLATE.value)
    return drops.unique("row", keep="first", maintain_order=True)
