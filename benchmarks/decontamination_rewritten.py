"""Rewritten benchmark problems, by kind of change, and what must not be dropped: one table.

Thresholds of the tier `numbers` were chosen on these very texts: the half of the paraphrases and overlaps that is here, and
seeds. The other half is kept elsewhere, so every figure of this page is in sample.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.markdown import table
from factory.config.decontamination import DecontaminationSection
from factory.decontamination.find import find_hits
from factory.decontamination.index import BenchmarkIndex
from factory.decontamination.load import load_index

LONGER = 1.9
"""A text of so many times a problem's characters holds, if anything, more than the problem."""


def rewritten(data: Path, index: BenchmarkIndex) -> dict[str, Any]:
    """Rows found and dropped of every set, with the default settings."""
    paraphrases = read(data / "decontamination" / "paraphrase_gsm8k.jsonl")
    overlaps = read(data / "decontamination" / "kept_overlaps.jsonl")
    overlaps = [row | {"problem": row["train_problem"]} for row in overlaps]
    mgsm = [row for row in read(data / "benchmarks" / "mgsm.jsonl") if row["lang"] != "en"]
    plus = read(data / "benchmarks" / "gsm_plus_testmini.jsonl")
    seeds = {path.stem: read(path) for path in sorted((data / "seeds").glob("*.jsonl"))}
    rl = [*seeds["dapo_math_17k"], *seeds["deepscaler_40k"]]
    gsm = ["gsm8k_test"]
    report = {
        "paraphrases of gsm8k_test": _count(paraphrases, gsm),
        "gsm8k_train": _count(seeds["gsm8k_train"], gsm),
        "MGSM, ten languages": _count(mgsm, gsm),
        **_by(mgsm, "lang", gsm, "MGSM, {}"),
        **_by(plus, "perturbation", gsm, "GSM-Plus, {}"),
        **_by(overlaps, "label", sorted({row["benchmark"] for row in overlaps}), "kept overlaps, label {}"),
        "DAPO and DeepScaleR against AIME 2026": _count(rl, ["aime26"]),
    }
    every = [row for rows in seeds.values() for row in rows]
    return {"sets": report, "all_seeds": _all(every, data, index)}


def render(found: dict[str, Any]) -> list[str]:
    """The table of docs/decontamination.md."""
    seeds = found["all_seeds"]
    return [
        "Rewritten problems and what must stay, by kind of change. In sample: the thresholds of `numbers` were chosen while "
        "looking at these texts.",
        table(
            ["texts", "rows", "found", "dropped", "dropped, share"],
            [
                (
                    name,
                    f"{s['rows']:,}",
                    f"{s['found']:,}",
                    f"{s['dropped']:,}",
                    round(s["dropped"] / s["rows"], 4),
                )
                for name, s in found["sets"].items()
            ],
        ),
        f"All seeds ({seeds['rows']:,} rows) against all indexes: {seeds['dropped']:,} rows dropped, "
        f"{seeds['by_numbers']:,} of them by `numbers` alone; in {seeds['longer']:,} the text has over {LONGER} times the "
        "characters of every problem that it was dropped for.",
    ]


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.open(encoding="utf-8")]


def _hits(rows: list[dict[str, Any]], index: BenchmarkIndex) -> pl.DataFrame:
    texts = {key: [str(row.get(key) or "") for row in rows] for key in ("problem", "answer")}
    return find_hits(pl.DataFrame(texts), index, DecontaminationSection(), fields=["problem"])


def _count(rows: list[dict[str, Any]], against: list[str]) -> dict[str, int]:
    hits = _hits(rows, load_index(against))
    return {
        "rows": len(rows),
        "found": hits["row"].n_unique(),
        "dropped": hits.filter("drops")["row"].n_unique(),
    }


def _by(rows: list[dict[str, Any]], key: str, against: list[str], name: str) -> dict[str, dict[str, int]]:
    return {
        name.format(value): _count([row for row in rows if row[key] == value], against)
        for value in Counter(row[key] for row in rows)
    }


def _all(rows: list[dict[str, Any]], data: Path, index: BenchmarkIndex) -> dict[str, int]:
    drops = _hits(rows, index).filter("drops")
    sizes = {
        (path.stem, str(row.get("id", number + 1))): len(row["problem"])
        for path in (data / "benchmarks").glob("*.jsonl")
        for number, row in enumerate(read(path))
    }
    pairs = drops.select("row", "benchmark", "benchmark_id", "tier").rows()
    nearest: dict[int, float] = {}
    for row, benchmark, name, _ in pairs:
        times = len(rows[row]["problem"]) / sizes[benchmark, name]
        nearest[row] = min(times, nearest.get(row, times))
    others = {row for row, _, _, tier in pairs if tier != "numbers"}
    return {
        "rows": len(rows),
        "dropped": len(nearest),
        "by_numbers": len(set(nearest) - others),
        "longer": sum(times > LONGER for times in nearest.values()),
    }
