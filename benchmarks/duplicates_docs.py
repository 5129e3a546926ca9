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
        f"One run on {report['cores']} cores (load {report['load_before']} before, {report['load_after']} after). The "
        "factory and rensa took turns, several rounds, and the median counts; the others ran once. Every contender in a process of its own, from Parquet to clusters, after a small corpus that loads what "
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
    lines = [f"{report['benchmarks']} indexes loaded in {report['load_seconds']} s."]
    if "overlap" in report:
        o = report["overlap"]
        lines += ["", f"Listed overlaps of seeds and benchmarks: {o['found']:,} of {o['pairs']:,} found."]
    if "control" in report:
        c = report["control"]
        lines += [
            f"Positive control (all rows are benchmark problems): {c['found']:,} of {c['rows']:,} found."
        ]
    if "mutations" in report:
        lines += ["", "| mutation | texts | found |", "|---|---|---|"]
        lines += [f"| {name} | {m['texts']:,} | {m['recall']} |" for name, m in report["mutations"].items()]
    if "false_positives" in report:
        lines += ["", "| texts that are no benchmark problem | texts | dropped |", "|---|---|---|"]
        lines += [
            f"| {name.replace('_', ' ')} | {f['texts']:,} | {f['flagged']} |"
            for name, f in report["false_positives"].items()
        ]
    if "labelled" in report:
        lines += ["", *_labelled(report["labelled"])]
    if "speed" in report:
        lines += ["", *_speed(report["speed"])]
    if "cpu" in report:
        names = list(report["cpu"]["problems"])
        lines += [
            "",
            "MB for each second of processor time, one thread each, on a busy machine:",
            "",
            f"| texts | {' | '.join(names)} |",
            "|---|" + "---|" * len(names),
        ]
        lines += [f"| {n} | {' | '.join(str(v[k]) for k in names)} |" for n, v in report["cpu"].items()]
    return "\n".join(lines)


def _labelled(found: dict[str, Any]) -> list[str]:
    rules = [name for name, v in found.items() if isinstance(v, dict) and "f1" in v]
    sets = found["training_sets"]
    heads = " | ".join(f"{name} ({s['rows']:,})" for name, s in sets.items())
    lines = [
        f"{found['pairs']} labelled pairs of a MATH-500 problem and a training problem, {found['positive']} of them "
        "contaminated, and how many rows of whole training sets each rule flags:",
        "",
        f"| rule | precision | recall | F1 | {heads} |",
        "|---|---|---|---|" + "---|" * len(sets),
    ]
    for name in rules:
        v = found[name]
        flagged = " | ".join(f"{s[name]:,}" for s in sets.values())
        lines.append(f"| {name} | {v['precision']} | {v['recall']} | {v['f1']} | {flagged} |")
    return lines


def _speed(found: dict[str, Any]) -> list[str]:
    lines = [
        f"{found['cores']} cores with other work (load {found['load_before']} before, {found['load_after']} after), "
        f"median of {found['rounds']} rounds in turns. `five`: MATH-500, AIME 24 and 25, GPQA-Diamond, GSM8K test; "
        "open-r1's rule is a Python process against the same five.",
        "",
        "| texts | contender | MB/s | times open-r1 as published | times its rule in one pass | flagged |",
        "|---|---|---|---|---|---|",
    ]
    for name in ("problems", "traces"):
        s = found[name]
        for who, rate in s["mb_per_s"].items():
            times = f"{s['times_published'][who]} | {s['times_one_pass'][who]}"
            flagged = f"{s['flagged'][who]:,} of {s['flagged_of'][who]:,}"
            lines.append(f"| {name}, {s['mb']} MB | {who} | {rate} | {times} | {flagged} |")
    return lines


if __name__ == "__main__":
    main()
