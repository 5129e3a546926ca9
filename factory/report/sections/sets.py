"""The training sets: balance over domain and level, and the preference pairs with their lint."""

from __future__ import annotations

import math

import polars as pl

from factory.report.blocks import Block, Note, Section
from factory.report.plots import heat, histogram
from factory.report.sections.gates import facts_grids
from factory.report.svg import BAD, GOOD
from factory.report.tables import DATASETS, RunTables
from schemas import Level

_MOST_DOMAINS = 25


def balance(run: RunTables) -> Section | None:
    """Rows of every set by domain and level."""
    blocks: list[Block] = []
    for name in DATASETS:
        table = run.at(run.layout.dataset(name))
        frame = table.rows(["domain", "level"]).with_columns(
            pl.col("domain", "level").cast(pl.String).fill_null("(none)")
        )
        if not frame.height:
            if table.readable:
                blocks.append(Note(f"The {name} set has no rows.", warning=True))
            continue
        counts = {(d, lv): n for d, lv, n in frame.group_by("domain", "level").len().iter_rows()}
        every = (
            frame.group_by("domain").len().sort("len", "domain", descending=[True, False])["domain"].to_list()
        )
        domains = every[:_MOST_DOMAINS]
        levels = _ordered({lv for _, lv in counts})
        table_counts = [[counts.get((d, lv), 0) for lv in levels] for d in domains]
        more = f"; {len(every) - len(domains)} smaller domains not shown" if len(every) > len(domains) else ""
        caption = f"{name}: {frame.height:,} rows by domain and level{more}"
        blocks.append(heat(f"balance-{name}", domains, levels, table_counts, caption=caption))
    return Section("balance", "Balance", "datasets/", tuple(blocks)) if blocks else None


def pairs(run: RunTables) -> Section | None:
    """Lengths of chosen and rejected, the length bias, and the lint of the step that made the pairs."""
    chosen_set = run.at(run.layout.selected("preference"))
    table = chosen_set if chosen_set.readable else run.at(run.layout.dataset("preference"))
    if not table.readable:
        return None
    frame = table.rows(["chosen_tokens", "rejected_tokens", "pair_rule"])
    chosen = frame["chosen_tokens"].drop_nulls().to_list()
    rejected = frame["rejected_tokens"].drop_nulls().to_list()
    blocks: list[Block] = []
    if chosen and rejected:
        caption = "Length of chosen and rejected responses"
        blocks.append(
            histogram(
                "pair-lengths",
                {"chosen": chosen, "rejected": rejected},
                xlabel="tokens",
                caption=caption,
                colours=(GOOD, BAD),
            )
        )
        d = cohens_d(chosen, rejected)
        longer = frame.filter(pl.col("chosen_tokens") > pl.col("rejected_tokens")).height
        words = "chosen is longer" if (d or 0) > 0 else "chosen is shorter"
        size = (
            f"Cohen's d of the lengths is {d:.2f} ({words} on average)"
            if d is not None
            else "too few pairs for a length bias"
        )
        blocks.append(Note(f"{frame.height:,} pairs; chosen is the longer one in {longer:,}; {size}."))
    else:
        blocks.append(Note(f"{frame.height:,} pairs."))
    lint = table.totals.get("lint")
    if lint:
        blocks += facts_grids("Lint of the pairs", lint, folded=False)
    return Section("pairs", "Preference pairs", table.name, tuple(blocks))


def cohens_d(a: list[float], b: list[float]) -> float | None:
    """Standardised mean difference of `a` over `b` with the pooled standard deviation; None when undefined."""
    if len(a) < 2 or len(b) < 2:
        return None
    mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
    spread = sum((x - mean_a) ** 2 for x in a) + sum((x - mean_b) ** 2 for x in b)
    pooled = math.sqrt(spread / (len(a) + len(b) - 2))
    return (mean_a - mean_b) / pooled if pooled else None


def _ordered(levels: set[str]) -> list[str]:
    known = [level.value for level in Level if level.value in levels]
    return known + sorted(levels - set(known))
