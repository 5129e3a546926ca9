"""Deduplication never loses a problem: golds of merged rows, and labelled groups of problems that must stay apart."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.decontamination_rewritten import read
from factory.config.deduplication import DeduplicationSection
from factory.decontamination.index import BenchmarkIndex
from factory.deduplication import DedupResult, deduplicate


def merged(data: Path, _: BenchmarkIndex) -> dict[str, Any]:
    """All seeds as one table, and the groups of `cases/dedup.jsonl` beside the data."""
    rows = pl.DataFrame(
        [
            {
                "id": f"{path.stem} {number}",
                "problem": str(row["problem"]),
                "answer": str(row.get("answer") or ""),
            }
            for path in sorted((data / "seeds").glob("*.jsonl"))
            for number, row in enumerate(read(path))
        ]
    )
    result = deduplicate(rows, DeduplicationSection(), field="problem")
    groups = read(data.parent / "cases" / "dedup.jsonl")
    return {
        "rows": rows.height,
        "dropped": result.dropped.height,
        "merged_with_another_gold": contradicting(rows, result),
        "conflicts": result.audit["conflicts"],
        "conflict_rows": result.conflicts.height,
        "groups": len(groups),
        "groups_right": sum(
            deduplicate(pl.DataFrame(group["rows"]), DeduplicationSection(), field="problem").kept.height
            == group["kept"]
            for group in groups
        ),
    }


def contradicting(rows: pl.DataFrame, result: DedupResult) -> int:
    """Dropped rows whose gold is another number than their survivor's, read here without the factory's code."""
    golds = dict(zip(rows["id"], map(number, rows["answer"]), strict=True))
    pairs = [
        (golds[row], golds[json.loads(proof)["survivor"]])
        for row, proof in result.dropped.select("row_id", "evidence").rows()
    ]
    return sum(a is not None and b is not None and abs(a - b) > 1e-9 * max(abs(a), abs(b)) for a, b in pairs)


def number(text: str) -> float | None:
    """A plain number, or None."""
    plain = re.sub(r"[$,\s]", "", text).rstrip(".")
    return float(plain) if re.fullmatch(r"-?\d+(\.\d+)?", plain) else None


def render(found: dict[str, Any]) -> list[str]:
    """The lines of docs/decontamination.md."""
    return [
        f"Deduplication of all {found['rows']:,} seeds: {found['dropped']:,} rows are dropped, "
        f"{found['merged_with_another_gold']} of them with another number as gold than their survivor; the conflict table "
        f"has {found['conflict_rows']:,} rows of {found['conflicts']:,} clusters with contradicting golds. Labelled groups "
        f"with the right number of rows kept: {found['groups_right']} of {found['groups']} (in sample).",
    ]
