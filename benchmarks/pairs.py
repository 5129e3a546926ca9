"""Pair rules on real samples: how many pairs, how biased in length, and what matching lengths costs.

    python -m benchmarks.pairs [--write]

Reads eight real responses to each of 100 problems (`qwen_math_cot_100`), whose labels say which are right. These are
benchmark problems: they are measured here and never trained on.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

from benchmarks.docs_table import renew
from factory.datasets.match_length import match_length
from factory.datasets.pair_bias import cohens_d
from factory.datasets.pairs import Pair, length, pair_up

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT.parent / "shared" / "data" / "traces" / "qwen_math_cot_100.jsonl"
RESULT = ROOT / "benchmarks" / "results" / "pairs.json"
DOCS = ROOT / "docs" / "difficulty.md"
LIMIT = 0.2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="keep the JSON and renew the docs")
    arguments = parser.parse_args()
    if not SAMPLES.exists():
        raise SystemExit(f"{SAMPLES.name} is absent")
    sides = read()
    rules = [
        measure(sides, rule) for rule in ("random", "nearest_length", "hardest_negative", "most_different")
    ]
    text = json.dumps({"problems": len(sides), "limit": LIMIT, "rules": rules}, indent=1)
    print(text)
    if arguments.write:
        RESULT.parent.mkdir(exist_ok=True)
        RESULT.write_text(text + "\n", "utf-8")
        renew(DOCS, "pairs", table(rules))


def read() -> list[tuple[list[dict], list[dict]]]:
    """Right and wrong responses of every problem."""
    problems: dict[str, tuple[list[dict], list[dict]]] = defaultdict(lambda: ([], []))
    for line in SAMPLES.open(encoding="utf-8"):
        row = json.loads(line)
        said = {"reasoning": None, "content": row["response"], "extracted": str(row.get("prediction", ""))}
        problems[row["problem"]][0 if row["label"] else 1].append(said)
    return list(problems.values())


def measure(sides: list[tuple[list[dict], list[dict]]], rule: str) -> dict:
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


def table(rules: list[dict]) -> str:
    lines = [
        f"| rule | pairs | Cohen's d of lengths | pairs left at limit {LIMIT} | d then |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {r['rule']} | {r['pairs']} | {r['bias']:.2f} | {r['kept_at_limit']} | {r['bias_at_limit']:.2f} |"
        for r in rules
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
