"""Decontamination: known overlaps, labelled pairs, mutations, false positives, speed beside the usual rules.

python -m benchmarks.run decontamination [--data FOLDER] [--index FOLDER] [--parts A,B]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.decontamination_merged import render as merged_table
from benchmarks.decontamination_rewritten import render as rewritten_table
from benchmarks.markdown import table
from benchmarks.result import SHARED, Result


def measure(args: list[str]) -> dict[str, Any]:
    """All parts, or those asked for."""
    from benchmarks import decontamination_cases as cases
    from benchmarks import decontamination_speed as rates
    from benchmarks.decontamination_merged import merged
    from benchmarks.decontamination_rewritten import rewritten
    from factory.decontamination.index import BenchmarkIndex
    from factory.decontamination.load import load_index
    from factory.decontamination.matcher import Matcher

    parts = {
        "overlap": cases.overlap,
        "rewritten": rewritten,
        "merged": merged,
        "control": cases.control,
        "labelled": cases.labelled,
        "mutations": cases.mutations,
        "false_positives": cases.false_positives,
        "speed": rates.speed,
        "cpu": rates.cpu,
    }
    parser = argparse.ArgumentParser(prog="benchmarks.run decontamination")
    parser.add_argument("--data", type=Path, default=SHARED)
    parser.add_argument("--index", default="all", help="a folder of indexes, or all for the shipped ones")
    parser.add_argument("--parts", default=",".join(parts), help="some only: use it with --print")
    asked = parser.parse_args(args)
    if not asked.data.is_dir():
        sys.exit(f"{asked.data} is not there: this benchmark needs labelled pairs, seeds and traces")
    Matcher(BenchmarkIndex(()))  # compiled code is loaded, or compiled on a machine's first run
    began = time.perf_counter()
    index = load_index([asked.index])
    Matcher(index)
    seconds = round(time.perf_counter() - began, 2)
    report: dict[str, Any] = {"load_seconds": seconds, "benchmarks": len(index.benchmarks)}
    return report | {name: parts[name](asked.data, index) for name in asked.parts.split(",")}


def render(result: Result) -> dict[str, str]:
    """The block of docs/decontamination.md."""
    report = result.figures
    overlap, control, cpu = report["overlap"], report["control"], report["cpu"]
    names = list(cpu["problems"])
    parts = [
        f"{report['benchmarks']} indexes loaded in {report['load_seconds']} s.",
        f"Listed overlaps of seeds and benchmarks: {overlap['found']:,} of {overlap['pairs']:,} found.\n"
        f"Positive control (all rows are benchmark problems): {control['found']:,} of {control['rows']:,} found.",
        table(
            ["mutation", "texts", "found"],
            [(name, m["texts"], m["recall"]) for name, m in report["mutations"].items()],
        ),
        table(
            ["texts that are no benchmark problem", "texts", "dropped"],
            [(n.replace("_", " "), f["texts"], f["flagged"]) for n, f in report["false_positives"].items()],
        ),
        *rewritten_table(report["rewritten"]),
        *merged_table(report["merged"]),
        *_labelled(report["labelled"]),
        *_speed(report["speed"]),
        "MB per second of processor time, one thread each, on a busy machine:",
        table(["texts", *names], [(texts, *(v[n] for n in names)) for texts, v in cpu.items()]),
    ]
    return {"decontamination": "\n\n".join(parts), "factory/decontamination/measured.json": measured(report)}


def measured(report: dict[str, Any]) -> str:
    """What a certificate says of the rules: rows dropped of every labelled set and of every kind of mutation."""
    sets = {name: (found["rows"], found["dropped"]) for name, found in report["rewritten"]["sets"].items()}
    sets |= {
        f"mutation: {name}": (found["texts"], found["found"]) for name, found in report["mutations"].items()
    }
    sets |= {
        f"no benchmark problem: {name.replace('_', ' ')}": (found["texts"], found["flagged"])
        for name, found in report["false_positives"].items()
    }
    note = "Rows that the default settings drop of sets that were looked at while the rules were written (in sample)."
    return (
        json.dumps({"note": note, "sets": [(name, *found) for name, found in sets.items()]}, indent=1) + "\n"
    )


def _labelled(found: dict[str, Any]) -> list[str]:
    sets = found["training_sets"]
    rules = {name: v for name, v in found.items() if isinstance(v, dict) and "f1" in v}
    heads = [f"{name} ({s['rows']:,})" for name, s in sets.items()]
    return [
        f"{found['pairs']} labelled pairs of a MATH-500 problem and a training problem, {found['positive']} of them "
        "contaminated, and how many rows of whole training sets each rule flags:",
        table(
            ["rule", "precision", "recall", "F1", *heads],
            [
                (name, v["precision"], v["recall"], v["f1"], *(s[name] for s in sets.values()))
                for name, v in rules.items()
            ],
        ),
    ]


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
