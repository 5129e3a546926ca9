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
        f"One run on {report['cores']} cores with other work (load {report['load_before']} before, {report['load_after']} "
        "after). Every contender in a process of its own, from Parquet to clusters, after a small corpus that loads what "
        "there is to load. `factory_to_disk` writes kept and dropped rows, too; rensa and datasketch are loops of one "
        "thread, as their READMEs show them; text-dedup and datatrove have as many workers as there are cores."
    ]
    if "speed" in report:
        lines += [
            "",
            "| corpus | contender | seconds | CPU seconds | rows dropped | times our time | times ours on one thread |",
            "|---|---|---|---|---|---|---|",
        ]
        for corpus, found in report["speed"].items():
            for name, value in found.items():
                if isinstance(value, dict) and "seconds" in value:
                    times = (
                        found[f"times_faster_{one}"].get(name, "")
                        for one in ("factory", "factory_one_thread")
                    )
                    shown = f"{value['seconds']} | {value.get('cpu_seconds', '')} | {value['dropped']:,}"
                    lines.append(f"| {corpus} | {name} | {shown} | {' | '.join(map(str, times))} |")
                elif isinstance(value, str) or (isinstance(value, dict) and "failed" in value):
                    lines.append(
                        f"| {corpus} | {name} | {value if isinstance(value, str) else value['failed']} | | | | |"
                    )
    if "quality" in report:
        lines += [
            "",
            "| corpus | threshold | true pairs | recall | precision | self-audit: recall | of pairs |",
            "|---|---|---|---|---|---|---|",
        ]
        for corpus, found in report["quality"].items():
            for threshold, q in found.items():
                row = f"{q['true_pairs']:,} | {q['recall']} | {q['precision']}"
                lines.append(
                    f"| {corpus} | {threshold} | {row} | {q['self_audit_recall']} | {q['self_audit_pairs']} |"
                )
    if "curve" in report:
        lines += [
            "",
            "In memory (`factory`), KB are beyond the text; out of core (`factory_to_disk`) they are all there is.",
            "",
            "| documents | contender | seconds | us a document | KB a document |",
            "|---|---|---|---|---|",
        ]
        for p in report["curve"]:
            row = f"{p['seconds']} | {p['us_a_document']} | {p['kb_a_document']}"
            lines.append(f"| {p['documents']:,} | {p['contender']} | {row} |")
        slopes = ", ".join(f"{name} {value}" for name, value in report["slope"].items())
        lines += ["", f"Log-log slope of seconds over documents (1 is linear): {slopes}."]
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
