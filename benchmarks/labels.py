"""How often the offline labels agree with those that data sets give, and the fit of the shipped classifier.

    python -m benchmarks.run labels [--fit]

Fitted on seeds only (MATH train, GSM8K train, Ape210K, TAL, Big-Math, AIME); measured on held-out benchmarks (MATH test,
GSM8K test, college and MMLU sets, Omni-MATH), without the rows that also stand in a seed.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from benchmarks.markdown import table
from benchmarks.result import ROOT, SHARED, Result

WEIGHTS = ROOT / "factory" / "datasets" / "weights.json"


def measure(args: list[str]) -> dict[str, Any]:
    """Agreement of domain and level, and loop scores of real traces."""
    parser = argparse.ArgumentParser(prog="benchmarks.run labels")
    parser.add_argument("--fit", action="store_true", help=f"write {WEIGHTS.relative_to(ROOT)} again first")
    fit = parser.parse_args(args).fit
    if not SHARED.exists():
        raise SystemExit(f"{SHARED} is not there: this benchmark needs labelled problem sets")
    from benchmarks import label_sets as sets

    domain, level = sets.training()
    if fit:
        tables = {"domain": sets.fit(domain), "level": sets.fit(level)}
        WEIGHTS.write_text(json.dumps(tables, ensure_ascii=True, separators=(",", ":")) + "\n", "utf-8")
    return {
        "trained_on": {"domain": len(domain), "level": len(level)},
        **sets.agreements(sets.canonical([text for text, _ in domain + level])),
        "repetition": sets.repetition(),
        "limit": sets.LIMIT,
    }


def render(result: Result) -> dict[str, str]:
    """The blocks of docs/difficulty.md."""
    figures = result.figures
    agreed = [
        (task, name, s["rows"], f"{s['equal']:.1%}", f"{s['within_one']:.1%}" if "within_one" in s else "-")
        for task in ("domain", "level")
        for name, s in figures[task].items()
    ]
    looped = [
        (name, s["traces"], f"{s['median']:.2f}", f"{s['p99']:.2f}", f"{s['most']:.2f}", s["above_limit"])
        for name, s in figures["repetition"].items()
    ]
    above = f"above {figures['limit']}"
    return {
        "labels": table(["label", "measured on", "problems", "equal", "at most one level off"], agreed),
        "repetition": table(["traces", "number", "median", "99th percentile", "largest", above], looped),
    }
