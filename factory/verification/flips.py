"""Flip report: what a re-verification changed, against the verdicts that were there."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import polars as pl

EXAMPLES = 20


@dataclass(slots=True)
class Flips:
    """Verdicts that changed: how often, and a few of them with the reasons."""

    compared: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    examples: list[dict[str, Any]] = field(default_factory=list)

    def add(self, before: pl.DataFrame, after: pl.DataFrame) -> None:
        """Compare two tables of the same rows; rows without a former verdict do not count."""
        if "verdict" not in before.columns:
            return
        key = next((name for name in ("response_id", "id", "problem_id") if name in after.columns), None)
        former = before.select(
            "verdict", *(n for n in ("method", "checker_version") if n in before.columns)
        ).to_dicts()
        names = ["verdict", "method", "extracted", "answer", "verdict_reason", *([key] if key else [])]
        for was, now in zip(former, after.select(names).iter_rows(named=True), strict=True):
            if was["verdict"] is None:
                continue
            self.compared += 1
            if was["verdict"] != now["verdict"]:
                self._count(was, now, str(now[key]) if key else None)

    def _count(self, was: dict[str, Any], now: dict[str, Any], name: str | None) -> None:
        self.counts[f"{was['verdict']} to {now['verdict']}"] += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(
                {
                    "id": name,
                    "was": f"{was['verdict']} ({was.get('method')}, checker {was.get('checker_version')})",
                    "now": f"{now['verdict']} ({now['method']})",
                    "gold": (now["answer"] or "")[:80],
                    "answer": (now["extracted"] or "")[:80],
                    "why": now["verdict_reason"],
                }
            )

    def totals(self) -> dict[str, Any]:
        """For the manifest; empty when nothing could be compared."""
        if not self.compared:
            return {}
        return {
            "flips": {
                "compared": self.compared,
                "counts": dict(sorted(self.counts.items())),
                "examples": self.examples,
            }
        }
