"""Figures of deduplication and decontamination into their pages.

Run: python -m benchmarks.duplicates_docs. Reads `benchmarks/results/{dedup,decontamination}.json`, which are what
`python -m benchmarks.dedup` and `python -m benchmarks.decontamination` print.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.docs_table import renew

RESULTS = Path(__file__).parent / "results"
DOCS = Path(__file__).parents[1] / "docs"


def main() -> None:
    for name, page, write in (
        ("dedup", "deduplication.md", dedup_text),
        ("decontamination", "decontamination.md", decontamination_text),
    ):
        path = RESULTS / f"{name}.json"
        if path.exists():
            renew(DOCS / page, name, write(json.loads(path.read_text("utf-8"))))


def dedup_text(report: dict[str, Any]) -> str:
    lines = [
        "Every contender in a process of its own, from Parquet to clusters, one after another on a machine with other work."
    ]
    if "speed" in report:
        lines += [
            "",
            "| corpus | contender | seconds | rows dropped | times our time |",
            "|---|---|---|---|---|",
        ]
        for corpus, found in report["speed"].items():
            for name, value in found.items():
                if isinstance(value, dict) and "seconds" in value:
                    times = found["times_faster_than"].get(name, "")
                    lines.append(
                        f"| {corpus} | {name} | {value['seconds']} | {value['dropped']:,} | {times} |"
                    )
    if "quality" in report:
        lines += ["", "| corpus | threshold | true pairs | recall | precision |", "|---|---|---|---|---|"]
        for corpus, found in report["quality"].items():
            for threshold, q in found.items():
                row = f"{q['true_pairs']:,} | {q['recall']} | {q['precision']}"
                lines.append(f"| {corpus} | {threshold} | {row} |")
    if "curve" in report:
        lines += ["", "| documents | us a document | KB a document beyond the text |", "|---|---|---|"]
        for p in report["curve"]:
            row = f"{p['us_a_document']} | {p['kb_a_document_beyond_text']}"
            lines.append(f"| {p['documents']:,} | {row} |")
    return "\n".join(lines)


def decontamination_text(report: dict[str, Any]) -> str:
    lines = [
        f"{report['benchmarks']} indexes loaded in {report['load_seconds']} s, on a machine with other work."
    ]
    if "labelled" in report:
        found = report["labelled"]
        lines += [
            "",
            f"{found['pairs']} labelled pairs of a MATH-500 problem and a training problem, {found['positive']} of "
            "them contaminated. `factory` is the default, `factory_with_templates` counts the reported templates too.",
            "",
            "| rule | precision | recall | F1 |",
            "|---|---|---|---|",
        ]
        lines += [
            f"| {name} | {v['precision']} | {v['recall']} | {v['f1']} |"
            for name, v in found.items()
            if isinstance(v, dict)
        ]
    if "speed" in report:
        found = report["speed"]
        lines += ["", f"{found['rows']:,} problems, {found['mb']} MB:", "", "| rule | MB/s |", "|---|---|"]
        lines.append(f"| open-r1's, five benchmarks, one process | {found['open_r1']['mb_per_s']} |")
        for name, v in found["factory"].items():
            lines.append(f"| ours, {name.replace('_', ' ')} | {v['mb_per_s']} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
