"""Cases of the decontamination benchmark: known overlaps, labelled pairs, mutations, texts that are no problem.

The usual rules, written from their descriptions: open-r1 flags a text that shares any word 8-gram with a benchmark
problem, s1 any word 13-gram.
"""

from __future__ import annotations

import json
import random
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.decontamination_speed import words
from benchmarks.mutations import MUTATIONS
from factory.config.decontamination import DecontaminationSection
from factory.decontamination.find import find_hits
from factory.decontamination.index import BenchmarkIndex
from factory.sampling.procedural import Habits, write_trace
from factory.sources.families import FAMILIES
from factory.sources.procedural import draw_problems

SETTINGS = DecontaminationSection()
BOILERPLATE = (
    "Let $N$ be the number of {0}. The probability that {1} can be written as $\\frac{{m}}{{n}}$, where $m$ and $n$ "
    "are relatively prime positive integers. Find $m+n$."
)


def rows_of(path: Path) -> pl.DataFrame:
    rows = [json.loads(line) for line in path.open(encoding="utf-8")]
    return pl.DataFrame({key: [str(row.get(key) or "") for row in rows] for key in ("id", "problem")})


def only(index: BenchmarkIndex, *names: str) -> BenchmarkIndex:
    return BenchmarkIndex(tuple(b for b in index.benchmarks if b.name in names))


def found(texts: list[str], index: BenchmarkIndex) -> pl.DataFrame:
    """All hits with the default settings."""
    return find_hits(pl.DataFrame({"problem": texts}), index, SETTINGS, fields=["problem"])


def flagged(texts: list[str], index: BenchmarkIndex) -> pl.DataFrame:
    """The hits that drop a row."""
    return found(texts, index).filter("drops")


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
        pairs = {(row, name) for row, name in zip(hits["row"], hits["benchmark"], strict=True)}
        rows = set(hits["row"])
        here = {i: truth[k] for i, t in enumerate(seed["problem"]) if (k := bare(t)) in truth}
        result["rows"] += len(here)
        result["rows_found"] += len(rows & set(here))
        for i, names in here.items():
            result["pairs"] += len(names)
            result["found"] += sum((i, name) in pairs for name in names)
            result["missed"] += [[path.stem, seed["id"][i], name] for name in names if (i, name) not in pairs]
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
    count = flagged(rows["problem"].to_list(), index)["row"].n_unique()
    return {"rows": rows.height, "found": count, "recall": count / rows.height}


def labelled(data: Path, index: BenchmarkIndex) -> dict[str, Any]:
    """F1 on annotated pairs of a MATH-500 problem and a training problem: is this training problem contaminated?

    Ours twice: what is dropped by default, and what is found at all, the tiers that are only reported included. The
    annotators call a problem with other numbers contaminated, so the second is what the labels ask for. Beside them,
    how many rows of three training sets are dropped and reported: a rule that flags everything has a high F1, too.
    """
    pairs = [
        json.loads(x) for x in (data / "decontamination" / "math500_train_pairs.jsonl").open(encoding="utf-8")
    ]
    pairs = [p for p in pairs if p["label"] is not None]
    math500 = only(index, "math500")
    hits = found([p["train_problem"] for p in pairs], math500)
    rows = {"dropped": set(hits.filter("drops")["row"]), "found": set(hits["row"])}
    labels = [p["label"] for p in pairs]
    result: dict[str, Any] = {"pairs": len(pairs), "positive": sum(labels)}
    result["factory_dropped"] = scores(labels, [i in rows["dropped"] for i in range(len(pairs))])
    result["flag_everything"] = scores(labels, [True] * len(pairs))
    result["factory_found"] = scores(labels, [i in rows["found"] for i in range(len(pairs))])
    for n, name in ((8, "open_r1_8gram"), (13, "s1_13gram")):
        said = [bool(words(p["benchmark_problem"], n) & words(p["train_problem"], n)) for p in pairs]
        result[name] = scores(labels, said)
    problems = rows_of(data / "benchmarks" / "math500.jsonl")["problem"]
    tables = {n: {g for text in problems for g in words(text, n)} for n in (8, 13)}
    result["training_sets"] = {}
    for name in ("gsm8k_train", "math_train", "dapo_math_17k"):
        texts = rows_of(data / "seeds" / f"{name}.jsonl")["problem"].to_list()
        hits = found(texts, math500)
        result["training_sets"][name] = {
            "rows": len(texts),
            "flag_everything": len(texts),
            "factory_dropped": hits.filter("drops")["row"].n_unique(),
            "factory_found": hits["row"].n_unique(),
            "open_r1_8gram": sum(not words(text, 8).isdisjoint(tables[8]) for text in texts),
            "s1_13gram": sum(not words(text, 13).isdisjoint(tables[13]) for text in texts),
        }
    return result


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
            again = set(hits.select("row", "benchmark_id").rows())
            missed = [changed[k][0] for k in range(len(changed)) if (k, changed[k][0]) not in again]
            total = result.setdefault(kind, {"texts": 0, "found": 0, "by_benchmark": {}, "missed": []})
            total["texts"] += len(changed)
            total["found"] += len(changed) - len(missed)
            total["by_benchmark"][name] = round(1 - len(missed) / len(changed), 4)
            total["missed"] += missed[:20]
    for total in result.values():
        total["recall"] = round(total["found"] / total["texts"], 4)
    return result


@lru_cache(maxsize=1)
def procedural_traces(count: int = 2000) -> list[tuple[str, str]]:
    """Problems made by the procedural families and long chains of thought for them: none is a benchmark's."""
    rng, made = random.Random(0), []
    for row in draw_problems(f"procedural:all?count={count}&seed=5&repeats=0"):
        metadata = json.loads(row["metadata"])
        trace = write_trace(FAMILIES[metadata["family"]], metadata["params"], rng, Habits())
        made.append((row["problem"], trace.reasoning))
    return made


def false_positives(data: Path, index: BenchmarkIndex) -> dict[str, Any]:
    """Texts that are no benchmark problem: made problems, AIME phrasing, older AIME problems, GSM8K train."""
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
    written = [trace for _, trace in procedural_traces()]
    cases = {
        "procedural_problems": ([problem for problem, _ in procedural_traces()], index),
        "procedural_traces": (written, index),
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
