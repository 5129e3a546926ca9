"""Pair rules on real samples: how many pairs, how biased in length, and what matching lengths costs.

    python -m benchmarks.run pairs

Reads eight real responses to each of 100 problems (`qwen_math_cot_100`), whose labels say which are right. These are
benchmark problems: they are measured here and never trained on.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from typing import Any

import numpy as np

from benchmarks.markdown import table
from benchmarks.result import SHARED, Result

SAMPLES = SHARED / "traces" / "qwen_math_cot_100.jsonl"
LIMIT = 0.2


def measure(args: list[str]) -> dict[str, Any]:
    """Every rule over the same samples."""
    argparse.ArgumentParser(prog="benchmarks.run pairs").parse_args(args)
    if not SAMPLES.exists():
        raise SystemExit(f"{SAMPLES} is not there")
    sides = read()
    rules = ("random", "nearest_length", "hardest_negative", "most_different")
    return {"problems": len(sides), "limit": LIMIT, "rules": [of_rule(sides, rule) for rule in rules]}


def read() -> list[tuple[list[dict], list[dict]]]:
    """Right and wrong responses of every problem."""
    problems: dict[str, tuple[list[dict], list[dict]]] = defaultdict(lambda: ([], []))
    for line in SAMPLES.open(encoding="utf-8"):
        row = json.loads(line)
        said = {"reasoning": None, "content": row["response"], "extracted": str(row.get("prediction", ""))}
        problems[row["problem"]][0 if row["label"] else 1].append(said)
    return list(problems.values())


def of_rule(sides: list[tuple[list[dict], list[dict]]], rule: str) -> dict[str, Any]:
    from factory.datasets.pair_bias import cohens_d, match_length
    from factory.datasets.pairs import Pair, length, pair_up

    began = time.perf_counter()
    if rule == "random":
        rng = np.random.default_rng(0)
        pairs = [
            Pair(right[rng.integers(len(right))], wrong[j], 0.0)
            for right, wrong in sides
            if right
            for j in range(len(wrong))
        ]
    else:
        pairs = [pair for right, wrong in sides for pair in pair_up(right, wrong, rule, 4)]
    seconds = time.perf_counter() - began
    chosen, rejected = (
        np.array([length(getattr(p, side)) for p in pairs]) for side in ("chosen", "rejected")
    )
    stays = match_length(chosen, rejected, LIMIT)
    return {
        "rule": rule,
        "pairs": len(pairs),
        "bias": cohens_d(chosen, rejected),
        "kept_at_limit": int(stays.sum()),
        "bias_at_limit": cohens_d(chosen[stays], rejected[stays]),
        "problems_per_second": round(len(sides) / seconds),
    }


def render(result: Result) -> dict[str, str]:
    """The block of docs/difficulty.md."""
    limit = result.figures["limit"]
    rows = [
        (r["rule"], r["pairs"], f"{r['bias']:.2f}", r["kept_at_limit"], f"{r['bias_at_limit']:.2f}")
        for r in result.figures["rules"]
    ]
    heads = ["rule", "pairs", "Cohen's d of lengths", f"pairs left at limit {limit}", "Cohen's d then"]
    return {"pairs": table(heads, rows)}
