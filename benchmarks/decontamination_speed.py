"""Speed of decontamination beside open-r1's rule, over the same texts in memory, one after the other.

The rule is written here twice. As published it goes over all rows once for each benchmark: lower case, blanks
normalised, a list of all word 8-grams, each looked up. In one pass it does the least that its outcome needs: one table
of all benchmarks, one set a text. Both are one Python process, as published.

python -m benchmarks.run decontamination_speed [--data FOLDER]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.markdown import table
from benchmarks.result import SHARED, Result
from factory.config.decontamination import DecontaminationSection
from factory.decontamination.find import scan
from factory.decontamination.hits import Tier
from factory.decontamination.index import BenchmarkIndex
from factory.decontamination.load import load_index
from factory.decontamination.matcher import Matcher
from factory.text import compiled

SPEED_SET = ("math500", "aime24", "aime25", "gpqa_diamond", "gsm8k_test")
ROUNDS = 3
SHARE = 10
"""open-r1's rule goes over every tenth text: it is as fast on a part as on the whole."""
FIRST_REPORTED = list(Tier).index(Tier.TEMPLATE)


def measure(args: list[str]) -> dict[str, Any]:
    """Rates in turns, and per second of processor time."""
    parser = argparse.ArgumentParser(prog="benchmarks.run decontamination_speed")
    parser.add_argument("--data", type=Path, default=SHARED)
    data = parser.parse_args(args).data
    if not data.is_dir():
        sys.exit(f"{data} is not there: this benchmark needs seeds and traces")
    Matcher(BenchmarkIndex(()))  # compiled code is loaded, or compiled on a machine's first run
    began = time.perf_counter()
    index = load_index(["all"])
    Matcher(index)
    seconds = round(time.perf_counter() - began, 2)
    return {
        "load_seconds": seconds,
        "benchmarks": len(index.benchmarks),
        "speed": speed(data, index),
        "cpu": cpu(data, index),
    }


def render(result: Result) -> dict[str, str]:
    """The block of docs/decontamination.md."""
    found = result.figures
    cpu = found["cpu"]
    names = list(cpu["problems"])
    parts = [
        f"{found['benchmarks']} indexes loaded in {found['load_seconds']} s.",
        *_speed(found["speed"]),
        "MB per second of processor time, one thread each, on a busy machine:",
        table(["texts", *names], [(texts, *(v[n] for n in names)) for texts, v in cpu.items()]),
    ]
    return {"decontamination_speed": "\n\n".join(parts)}


@compiled.forced(True)
def speed(data: Path, index: BenchmarkIndex) -> dict[str, Any]:
    """MB/s, the median of `ROUNDS` rounds in which the contenders take turns."""
    five = BenchmarkIndex(tuple(b for b in index.benchmarks if b.name in SPEED_SET))
    problems = {n: _column(data / "benchmarks" / f"{n}.jsonl", "problem") for n in SPEED_SET}
    result: dict[str, Any] = {"cores": os.cpu_count(), "rounds": ROUNDS, "load_before": _load()}
    for name, texts, answers in _texts(data):
        result[name] = _contest(texts, answers, problems, {"five": five, "all": index})
    return result | {"load_after": _load()}


@compiled.forced(True)
def cpu(data: Path, index: BenchmarkIndex) -> dict[str, Any]:
    """MB for each second of processor time, every contender on one thread: what a busy machine can tell."""
    five = Matcher(BenchmarkIndex(tuple(b for b in index.benchmarks if b.name in SPEED_SET)))
    every = Matcher(index)
    problems = {n: _column(data / "benchmarks" / f"{n}.jsonl", "problem") for n in SPEED_SET}
    result: dict[str, Any] = {}
    for name, texts, answers in _texts(data):
        series, said = texts.gather_every(8), answers.gather_every(8)
        part = series.gather_every(4).to_list()
        for matcher in (five, every):
            ours(series[:20], said[:20], matcher, 1)  # kernels are loaded
        runs: dict[str, tuple[pl.Series, Callable[[], int]]] = {
            "open_r1_as_published": (pl.Series(part), lambda part=part: as_published(part, problems)),  # type: ignore[misc]
            "open_r1_one_pass": (pl.Series(part), lambda part=part: in_one_pass(part, problems)),  # type: ignore[misc]
            "factory_five": (series, lambda series=series, said=said: ours(series, said, five, 1)),  # type: ignore[misc]
            "factory_all": (series, lambda series=series, said=said: ours(series, said, every, 1)),  # type: ignore[misc]
        }
        result[name] = {}
        for who, (read, run) in runs.items():
            began = time.process_time()
            run()
            result[name][who] = round(_bytes(read) / (time.process_time() - began) / 1e6, 1)
    return result


def _contest(
    texts: pl.Series, answers: pl.Series, problems: dict[str, list[str]], indexes: dict[str, BenchmarkIndex]
) -> dict[str, Any]:
    part = texts.gather_every(SHARE)
    contenders: dict[str, Callable[[], tuple[int, int]]] = {
        "open_r1_as_published": lambda: (_bytes(part), as_published(part.to_list(), problems)),
        "open_r1_one_pass": lambda: (_bytes(part), in_one_pass(part.to_list(), problems)),
    }
    matchers = {name: Matcher(index) for name, index in indexes.items()}
    for name, matcher in matchers.items():
        for threads in (1, os.cpu_count() or 1):
            contenders[f"factory_{name}_{threads}_threads"] = lambda m=matcher, t=threads: (  # type: ignore[misc]
                _bytes(texts),
                ours(texts, answers, m, t),
            )
    for name, contender in contenders.items():
        if "factory" in name:
            contender()  # kernels are loaded
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    flagged = {}
    for _ in range(ROUNDS):
        for name, contender in contenders.items():
            began = time.perf_counter()
            size, flagged[name] = contender()
            rates[name].append(size / (time.perf_counter() - began) / 1e6)
    median = {name: round(statistics.median(values), 2) for name, values in rates.items()}
    return {
        "texts": len(texts),
        "mb": round(_bytes(texts) / 1e6, 1),
        "mb_per_s": median,
        "flagged": flagged,
        "flagged_of": {n: len(part) if "open_r1" in n else len(texts) for n in contenders},
        "times_published": {n: round(v / median["open_r1_as_published"], 2) for n, v in median.items()},
        "times_one_pass": {n: round(v / median["open_r1_one_pass"], 2) for n, v in median.items()},
    }


def as_published(texts: list[str], problems: dict[str, list[str]]) -> int:
    """open-r1's rule, benchmark by benchmark. Returns how many texts are flagged by any."""
    flagged: set[int] = set()
    for rows in problems.values():
        lookup: dict[str, set[int]] = {}
        for number, text in enumerate(rows):
            for gram in _grams(text):
                lookup.setdefault(gram, set()).add(number)
        for number, text in enumerate(texts):
            if any({gram in lookup for gram in _grams(text)}):
                flagged.add(number)
    return len(flagged)


def in_one_pass(texts: list[str], problems: dict[str, list[str]]) -> int:
    """The same decision with one table and one set a text."""
    table = {gram for rows in problems.values() for text in rows for gram in words(text, 8)}
    return sum(not words(text, 8).isdisjoint(table) for text in texts)


def ours(texts: pl.Series, answers: pl.Series, matcher: Matcher, threads: int) -> int:
    """How many texts are dropped with the default settings; `answers` are their golds."""
    dropped: set[int] = set()
    for first, _, hits in scan(texts, matcher, DecontaminationSection().coverage, threads, answers):
        dropped.update((first + hits.row[hits.tier < FIRST_REPORTED]).tolist())
    return len(dropped)


def words(text: str, n: int) -> set[str]:
    """Word n-grams of a text in lower case."""
    parts = text.lower().split()
    return {" ".join(parts[i : i + n]) for i in range(len(parts) - n + 1)}


def _grams(text: str) -> list[str]:
    parts = " ".join(text.lower().strip().split()).split()
    return [" ".join(parts[i : i + 8]) for i in range(len(parts) - 7)]


def _texts(data: Path) -> list[tuple[str, pl.Series, pl.Series]]:
    """Problems and traces, with their golds (traces have none: the column `answer` is what a step looks at)."""
    seeds = sorted((data / "seeds").glob("*.jsonl"))
    problems, golds = (
        pl.Series([t for path in seeds for t in _column(path, n)]) for n in ("problem", "answer")
    )
    traces = pl.Series(_traces(data))
    return [("problems", problems, golds), ("traces", traces, pl.repeat("", len(traces), eager=True))]


def _traces(data: Path) -> list[str]:
    """The longest text of every row of the traces."""
    found = []
    for path in sorted((data / "traces").glob("*.jsonl")):
        for line in path.open(encoding="utf-8"):
            found.append(max((v for v in json.loads(line).values() if isinstance(v, str)), key=len))
    return found


def _column(path: Path, name: str) -> list[str]:
    return [str(json.loads(line).get(name) or "") for line in path.open(encoding="utf-8")]


def _bytes(texts: pl.Series) -> int:
    return int(texts.str.len_bytes().sum())


def _load() -> float:
    return round(os.getloadavg()[0], 2)


def _speed(found: dict[str, Any]) -> list[str]:
    rows = [
        (
            f"{name}, {found[name]['mb']} MB",
            who,
            rate,
            found[name]["times_published"][who],
            found[name]["times_one_pass"][who],
            f"{found[name]['flagged'][who]:,} of {found[name]['flagged_of'][who]:,}",
        )
        for name in ("problems", "traces")
        for who, rate in found[name]["mb_per_s"].items()
    ]
    return [
        f"{found['cores']} cores with other work (load {found['load_before']} before, {found['load_after']} after), "
        f"median of {found['rounds']} rounds in turns. `five`: MATH-500, AIME 24 and 25, GPQA-Diamond, GSM8K test; "
        "open-r1's rule is a Python process against the same five.",
        table(
            [
                "texts",
                "contender",
                "MB/s",
                "times open-r1 as published",
                "times its rule in one pass",
                "flagged",
            ],
            rows,
        ),
    ]
