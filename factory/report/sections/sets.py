"""The training sets: balance over domain and level, and the preference pairs with their lint."""

from __future__ import annotations

from typing import Any

import polars as pl

from factory.report.blocks import Block, Note, Section, grid, shorten
from factory.report.plots import heat, histogram
from factory.report.sections.gates import facts_grids
from factory.report.step_folders import RunTables
from factory.report.svg import BAD, GOOD
from factory.run.layout import DATASETS
from schemas import Level

_MOST_DOMAINS = 25
_CHECK = ("name", "value", "limit", "passed", "setting", "meaning")
_WORST = ("check", "characters", "problem_id", "chosen", "rejected")


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
        every = frame["domain"].value_counts().sort("count", "domain", descending=[True, False])["domain"]
        domains, levels = every.head(_MOST_DOMAINS).to_list(), _ordered({lv for _, lv in counts})
        cells = [[counts.get((d, lv), 0) for lv in levels] for d in domains]
        more = f"; {len(every) - len(domains)} smaller domains not shown" if len(every) > len(domains) else ""
        caption = f"{name}: {frame.height:,} rows by domain and level{more}"
        blocks.append(heat(f"balance-{name}", domains, levels, cells, caption=caption))
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
        sides = {"chosen": chosen, "rejected": rejected}
        caption = "Length of chosen and rejected responses"
        blocks.append(histogram("pair-lengths", sides, xlabel="tokens", caption=caption, colours=(GOOD, BAD)))
        longer = frame.filter(pl.col("chosen_tokens") > pl.col("rejected_tokens")).height
        blocks.append(Note(f"{frame.height:,} pairs; chosen has more tokens in {longer:,} of them."))
    else:
        blocks.append(Note(f"{frame.height:,} pairs."))
    blocks += _lint(table.totals.get("lint"))
    blocks += facts_grids("What matching the lengths cost", table.totals.get("match_length") or {})
    return Section("pairs", "Preference pairs", table.name, tuple(blocks))


def _lint(lint: Any) -> list[Block]:
    """Every check against its limit, and the pairs that weigh most, folded. The length bias stands here and nowhere else."""
    checks = lint.get("checks") if isinstance(lint, dict) else None
    if not isinstance(checks, list):
        return [Note("The step that made the pairs left no lint.", warning=True)]
    rows = [[check.get(name) for name in _CHECK] for check in checks if isinstance(check, dict)]
    blocks: list[Block] = [grid(_CHECK, rows, "Lint of the pairs: every check against its limit")]
    worst = lint.get("worst")
    if isinstance(worst, list) and worst:
        names = list(dict.fromkeys(key for row in worst if isinstance(row, dict) for key in row))
        order = [name for name in _WORST if name in names] + [name for name in names if name not in _WORST]
        found = [[_text(row.get(name)) for name in order] for row in worst if isinstance(row, dict)]
        caption = "The pairs that weigh most in each check (ends of the texts)"
        blocks.append(grid([name.replace("_", " ") for name in order], found, caption, folded=True))
    return blocks


def _text(value: Any) -> str:
    return shorten(" / ".join(map(str, value)) if isinstance(value, list) else str(value or ""), 240)


def _ordered(levels: set[str]) -> list[str]:
    known = [level.value for level in Level if level.value in levels]
    return known + sorted(levels - set(known))
