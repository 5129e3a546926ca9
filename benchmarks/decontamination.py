"""Decontamination: known overlaps, labelled pairs, rewritten problems, mutations, false positives; nothing that a busy machine changes.

python -m benchmarks.run decontamination [--data FOLDER] [--index FOLDER] [--parts A,B]
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.decontamination_merged import render as merged_table
from benchmarks.decontamination_rewritten import render as rewritten_table
from benchmarks.markdown import table
from benchmarks.result import SHARED, Result
from factory.text import compiled


@compiled.forced(True)
def measure(args: list[str]) -> dict[str, Any]:
    """All parts, or those asked for."""
    from benchmarks import decontamination_cases as cases
    from benchmarks.decontamination_merged import merged
    from benchmarks.decontamination_rewritten import rewritten
    from factory.decontamination.load import load_index

    parts = {
        "overlap": cases.overlap,
        "rewritten": rewritten,
        "merged": merged,
        "control": cases.control,
        "labelled": cases.labelled,
        "mutations": cases.mutations,
        "false_positives": cases.false_positives,
    }
    parser = argparse.ArgumentParser(prog="benchmarks.run decontamination")
    parser.add_argument("--data", type=Path, default=SHARED)
    parser.add_argument("--index", default="all", help="a folder of indexes, or all for the shipped ones")
    parser.add_argument("--parts", default=",".join(parts), help="some only: use it with --print")
    asked = parser.parse_args(args)
    if not asked.data.is_dir():
        sys.exit(f"{asked.data} is not there: this benchmark needs labelled pairs, seeds and traces")
    index = load_index([asked.index])
    report: dict[str, Any] = {"benchmarks": len(index.benchmarks)}
    return report | {name: parts[name](asked.data, index) for name in asked.parts.split(",")}


def render(result: Result) -> dict[str, str]:
    """The block of docs/decontamination.md."""
    report = result.figures
    overlap, control = report["overlap"], report["control"]
    parts = [
        f"{report['benchmarks']} indexes.",
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
