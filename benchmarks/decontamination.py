"""Decontamination measured: known overlaps, labelled pairs, mutations, false positives, speed beside the usual rules.

Run: python -m benchmarks.decontamination [--data ../shared/data] [--index FOLDER]. Prints JSON.
The usual rules, written from their descriptions: open-r1 flags a text that shares any word 8-gram with a benchmark
problem, s1 any word 13-gram.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.mutations import MUTATIONS
from factory.decontamination.find import find_hits, scan
from factory.decontamination.hits import Tier
from factory.decontamination.index import BenchmarkIndex
from factory.decontamination.load import load_index
from factory.decontamination.matcher import Matcher
from factory.recipe.decontamination import DecontaminationSection

SETTINGS = DecontaminationSection()
SPEED_SET = ("math500", "aime24", "aime25", "gpqa_diamond", "gsm8k_test")
BOILERPLATE = (
    "Let $N$ be the number of {0}. The probability that {1} can be written as $\\frac{{m}}{{n}}$, where $m$ and $n$ "
    "are relatively prime positive integers. Find $m+n$."
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--index", default="all", help="a folder of indexes, or all for the shipped ones")
    parser.add_argument("--parts", default="load,overlap,control,labelled,mutations,false_positives,speed")
    asked = parser.parse_args()
    if not asked.data.is_dir():
        sys.exit(f"{asked.data} is not there: this benchmark needs the data described in its README")
    began = time.perf_counter()
    index = load_index([asked.index])
    Matcher(index, SETTINGS.coverage)
    report: dict[str, Any] = {
        "load_seconds": round(time.perf_counter() - began, 2),
        "benchmarks": len(index.benchmarks),
    }
    parts: dict[str, Callable[[Path, BenchmarkIndex], Any]] = {
        "overlap": overlap,
        "control": control,
        "labelled": labelled,
        "mutations": mutations,
        "false_positives": false_positives,
        "speed": speed,
    }
    for name in asked.parts.split(","):
        if name in parts:
            report[name] = parts[name](asked.data, index)
    print(json.dumps(report, indent=2))


def rows_of(path: Path) -> pl.DataFrame:
    rows = [json.loads(line) for line in path.open(encoding="utf-8")]
    return pl.DataFrame({key: [str(row.get(key) or "") for row in rows] for key in ("id", "problem")})


def only(index: BenchmarkIndex, *names: str) -> BenchmarkIndex:
    return BenchmarkIndex(tuple(b for b in index.benchmarks if b.name in names))


def flagged(texts: list[str], index: BenchmarkIndex, *, templates: bool = False) -> pl.DataFrame:
    hits = find_hits(pl.DataFrame({"problem": texts}), index, SETTINGS, fields=["problem"])
    return hits if templates else hits.filter(pl.col("tier") != Tier.TEMPLATE)


def bare(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.lower())


def overlap(data: Path, index: BenchmarkIndex) -> dict[str, Any]:
    """Every row of a seed that equals a benchmark problem in letters and digits, of 20 and more, must be found."""
    truth: dict[str, set[str]] = {}
    for path in sorted((data / "benchmarks").glob("*.jsonl")):
        for text in rows_of(path)["problem"]:
            if len(key := bare(text)) >= 20:
                truth.setdefault(key, set()).add(path.stem)
    listed = json.loads((data / "decontamination" / "overlap_seeds_x_benchmarks.json").read_text())
    result: dict[str, Any] = {"pairs": 0, "found": 0, "rows": 0, "rows_found": 0, "missed": []}
    for path in sorted((data / "seeds").glob("*.jsonl")):
        seed = rows_of(path)
        hits = flagged(seed["problem"].to_list(), index)
        found = {(row, name) for row, name in zip(hits["row"], hits["benchmark"], strict=True)}
        rows = set(hits["row"])
        here = {i: truth[k] for i, t in enumerate(seed["problem"]) if (k := bare(t)) in truth}
        result["rows"] += len(here)
        result["rows_found"] += len(rows & set(here))
        for i, names in here.items():
            result["pairs"] += len(names)
            result["found"] += sum((i, name) in found for name in names)
            result["missed"] += [[path.stem, seed["id"][i], name] for name in names if (i, name) not in found]
        stated = listed.get(path.stem, [0])[0]
        result.setdefault("by_seed", {})[path.stem] = {
            "listed": stated,
            "equal": len(here),
            "found": len(rows & set(here)),
            "dropped": len(rows),
            "rows": seed.height,
        }
    return result


def control(data: Path, index: BenchmarkIndex) -> dict[str, Any]:
    rows = rows_of(data / "decontamination" / "positive_control_llm_adapters_math_data.jsonl")
    found = flagged(rows["problem"].to_list(), index)["row"].n_unique()
    return {"rows": rows.height, "found": found, "recall": found / rows.height}


def labelled(data: Path, index: BenchmarkIndex) -> dict[str, Any]:
    """F1 on annotated pairs of a MATH-500 problem and a training problem: is this training problem contaminated?"""
    pairs = [
        json.loads(x) for x in (data / "decontamination" / "math500_train_pairs.jsonl").open(encoding="utf-8")
    ]
    pairs = [p for p in pairs if p["label"] is not None]
    hits = flagged([p["train_problem"] for p in pairs], only(index, "math500"), templates=True)
    ids = {p["math500_id"]: None for p in pairs}
    number = {name: int(re.sub(r"\D", "", name.split("_")[-1])) for name in ids}
    strict = {
        (r, b) for r, b in hits.filter(pl.col("tier") != Tier.TEMPLATE).select("row", "benchmark_id").rows()
    }
    loose = set(hits.select("row", "benchmark_id").rows())
    rules: dict[str, list[bool]] = {
        "factory": [any(r == i for r, _ in strict) for i in range(len(pairs))],
        "factory_with_templates": [any(r == i for r, _ in loose) for i in range(len(pairs))],
    }
    for n, name in ((8, "open_r1_8gram"), (13, "s1_13gram")):
        rules[name] = [bool(words(p["benchmark_problem"], n) & words(p["train_problem"], n)) for p in pairs]
    return {"pairs": len(pairs), "positive": sum(p["label"] for p in pairs), "known": len(number)} | {
        name: scores([p["label"] for p in pairs], said) for name, said in rules.items()
    }


def words(text: str, n: int) -> set[str]:
    parts = text.lower().split()
    return {" ".join(parts[i : i + n]) for i in range(len(parts) - n + 1)}


def scores(labels: list[int], said: list[bool]) -> dict[str, float]:
    hit = sum(bool(a) and b for a, b in zip(labels, said, strict=True))
    precision, recall = hit / max(sum(said), 1), hit / max(sum(labels), 1)
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    return {"precision": round(precision, 3), "recall": round(recall, 3), "f1": round(f1, 3)}


def mutations(data: Path, index: BenchmarkIndex, limit: int = 1500) -> dict[str, Any]:
    """Share of mutated benchmark problems that are found again, by mutation and by benchmark."""
    result: dict[str, Any] = {}
    for name in (
        "math500",
        "aime24",
        "aime25",
        "gsm8k_test",
        "gpqa_diamond",
        "mmlu_stem",
        "olympiadbench_oe_to_maths_en",
        "omni_math_num_500",
        "amc23",
        "minerva_math",
    ):
        rows = rows_of(data / "benchmarks" / f"{name}.jsonl").head(limit)
        for kind, change in MUTATIONS.items():
            rng = random.Random(f"{name} {kind}")
            changed = [
                (i, t)
                for i, text in zip(rows["id"], rows["problem"], strict=True)
                if (t := change(text, rng)) and t != text
            ]
            if not changed:
                continue
            hits = flagged([t for _, t in changed], only(index, name))
            found = set(hits.select("row", "benchmark_id").rows())
            missed = [changed[k][0] for k in range(len(changed)) if (k, changed[k][0]) not in found]
            total = result.setdefault(kind, {"texts": 0, "found": 0, "by_benchmark": {}, "missed": []})
            total["texts"] += len(changed)
            total["found"] += len(changed) - len(missed)
            total["by_benchmark"][name] = round(1 - len(missed) / len(changed), 4)
            total["missed"] += missed[:20]
    for total in result.values():
        total["recall"] = round(total["found"] / total["texts"], 4)
    return result


def false_positives(data: Path, index: BenchmarkIndex) -> dict[str, Any]:
    """Texts that are no benchmark problem: AIME phrasing, older AIME problems, GSM8K train."""
    rng = random.Random(0)
    things = [
        "ordered pairs",
        "lattice paths",
        "subsets",
        "permutations",
        "triangles",
        "colorings",
        "integers",
    ]
    made = [
        BOILERPLATE.format(
            f"{rng.choice(things)} of size {rng.randint(3, 99)} with sum {rng.randint(100, 999)}",
            f"{rng.randint(2, 30)} {rng.choice(things)} chosen at random among {rng.randint(30, 900)} are equal",
        )
        for _ in range(5000)
    ]
    aime = only(index, "aime24", "aime25", "aime26")
    known = {
        bare(t)
        for n in ("aime24", "aime25", "aime26")
        for t in rows_of(data / "benchmarks" / f"{n}.jsonl")["problem"]
    }
    older = [
        t
        for t in rows_of(data / "seeds" / "deepscaler_aime_1983_2023.jsonl")["problem"]
        if bare(t) not in known
    ]
    gsm = rows_of(data / "seeds" / "gsm8k_train.jsonl")["problem"].to_list()
    cases = {
        "boilerplate": (made, index),
        "older_aime": (older, aime),
        "gsm8k_train": (gsm, only(index, "gsm8k_test")),
    }
    result = {}
    for name, (texts, against) in cases.items():
        hits = flagged(texts, against)
        count = hits["row"].n_unique()
        result[name] = {
            "texts": len(texts),
            "flagged": count,
            "rate": count / len(texts),
            "examples": hits.head(20).select("row", "benchmark_id", "tier", "score").rows(),
        }
    return result


def speed(data: Path, index: BenchmarkIndex) -> dict[str, Any]:
    """All seeds against five benchmarks: our scan and open-r1's rule, each over the same texts in memory."""
    texts = pl.concat([rows_of(path) for path in sorted((data / "seeds").glob("*.jsonl"))])["problem"]
    size = int(texts.str.len_bytes().sum())
    problems = [t for n in SPEED_SET for t in rows_of(data / "benchmarks" / f"{n}.jsonl")["problem"]]
    began = time.perf_counter()
    table = {gram for text in problems for gram in words(text, 8)}
    sample = texts.to_list()[::4]
    usual = sum(not words(text, 8).isdisjoint(table) for text in sample)
    seconds = time.perf_counter() - began
    rate = sum(len(t.encode()) for t in sample) / seconds / 1e6
    ours = {}
    for name, against in (("same_five", only(index, *SPEED_SET)), ("all", index)):
        matcher = Matcher(against, SETTINGS.coverage)
        began = time.perf_counter()
        found = {
            first + hit.row
            for first, _, hits in scan(texts, matcher)
            for hit in hits
            if hit.tier is not Tier.TEMPLATE
        }
        taken = time.perf_counter() - began
        ours[name] = {
            "mb_per_s": round(size / taken / 1e6, 1),
            "flagged": len(found),
            "times_open_r1": round(size / taken / 1e6 / rate, 2),
        }
    return {
        "rows": texts.len(),
        "mb": round(size / 1e6, 1),
        "open_r1": {"mb_per_s": round(rate, 2), "flagged_of_sample": usual, "sample": len(sample)},
        "factory": ours,
    }


if __name__ == "__main__":
    main()
