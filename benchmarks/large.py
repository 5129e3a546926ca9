"""One large corpus of long chains through deduplication, decontamination and export on one machine, in bounded memory.

Run: python -m benchmarks.large --gb 50 --work FOLDER --out benchmarks/results/large.json
     python -m benchmarks.large --docs docs/scaling.md --out benchmarks/results/large.json

`--gb` counts the text before compression. Needs about as much disk. Every step runs in a process of its own that is
measured from outside, its input is removed when it is done, and the report is written after each: a run that was
stopped goes on at the step it was in, by the same command.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.corpus import responses, write_problems
from benchmarks.docs_table import renew
from benchmarks.measure import disk_bytes, measured
from factory.atomic import read_json, write_json
from factory.config import Recipe
from factory.run.layout import RunLayout
from factory.run.parts import MANIFEST
from factory.run.writer import StepWriter
from schemas import VERDICT

CHARACTERS, SAMPLES, TWINS = 64_000, 2, 0.05
"""Characters of a trace (16K to 25K tokens at 2.5 to 4 characters each), responses a problem, and planted repetitions."""
SET = "verdicts"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gb", type=float, default=50)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--docs", type=Path, help="only write the table of a finished report into this page")
    parser.add_argument("--one", choices=list(STEPS), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.docs:
        renew(asked.docs, "large", table(read_json(asked.out)))
    elif asked.work is None:
        parser.error("--work FOLDER is needed")
    elif asked.one:
        STEPS[asked.one][0](asked.gb, RunLayout(asked.work))
    else:
        asked.work.mkdir(parents=True, exist_ok=True)
        run(asked.gb, asked.work, asked.out)


def run(gb: float, work: Path, out: Path) -> None:
    """All steps that are not in the report yet."""
    report: dict[str, Any] = (
        read_json(out) if out.exists() else {"gb": gb, "cores": os.cpu_count(), "steps": {}}
    )
    at, before = RunLayout(work), None
    for step, (_, folder) in STEPS.items():
        if step not in report["steps"]:
            command = [sys.executable, "-m", "benchmarks.large", "--one", step, "--gb", str(gb)]
            cost = measured([*command, "--work", str(work), "--out", str(out)])
            manifest = read_json(folder(at) / MANIFEST)
            rows = {name: manifest[name] for name in ("rows_in", "rows_out")}
            del cost["stdout"]
            report["steps"][step] = cost | rows | {"disk_gb": round(disk_bytes(folder(at)) / 1e9, 2)}
            if step == "corpus":
                report["text_gb"] = round(_text_bytes(folder(at)) / 1e9, 2)
            write_json(out, report)
            print(f"{step}: {report['steps'][step]}", file=sys.stderr, flush=True)
        if before is not None:
            shutil.rmtree(before, ignore_errors=True)
        before = folder(at)


def _text_bytes(folder: Path) -> int:
    # In 64 bits: polars adds lengths up in 32, which is over after 4 GB.
    sizes = pl.col("reasoning", "content", "problem").str.len_bytes().cast(pl.Int64).sum()
    return int(pl.scan_parquet(folder / "part-*.parquet").select(pl.sum_horizontal(sizes)).collect().item())


def _corpus(gb: float, at: RunLayout) -> None:
    """VERDICT rows, made batch by batch."""
    count = int(gb * 1e9 / CHARACTERS / SAMPLES)
    write_problems(at.problems, count)
    rows = 0
    right = pl.col("content") == pl.lit("So the answer is \\boxed{") + pl.col("answer") + pl.lit("}.")
    with StepWriter(
        at.verdicts, "verify", VERDICT, settings={"characters": CHARACTERS, "count": count}
    ) as writer:
        for path in sorted(at.problems.glob("part-*.parquet")):
            for batch in responses(pl.read_parquet(path), SAMPLES, CHARACTERS, rows, TWINS):
                verdict = pl.when(right).then(pl.lit("correct")).otherwise(pl.lit("incorrect"))
                writer.keep(batch.with_columns(verdict=verdict, checker_version=pl.lit("generated")))
                rows += batch.height
        writer.finish(rows_in=rows)


def _recipe() -> Recipe:
    """The defaults of every section."""
    sources = {"sources": ["none.jsonl"]}
    return Recipe.model_validate(
        {"name": "large", "problems": sources, "generate": {"teacher": "procedural"}}
    )


def _dedup(_: float, at: RunLayout) -> None:
    from factory.steps import deduplicate as step

    section = _recipe().response_deduplication
    step.run(at.verdicts, at.unique_verdicts, section, field="reasoning", step="dedup-responses")


def _decontaminate(_: float, at: RunLayout) -> None:
    from factory.steps import decontaminate as step

    name, fields = "decontaminate-responses", ["reasoning", "content"]
    step.run(at.unique_verdicts, at.clean_verdicts, _recipe().decontamination, fields=fields, step=name)


def _export(_: float, at: RunLayout) -> None:
    from factory.steps import export as step

    step.run(at.clean_verdicts, at.dataset(SET), VERDICT)


STEPS: dict[str, tuple[Callable[[float, RunLayout], None], Callable[[RunLayout], Path]]] = {
    "corpus": (_corpus, lambda at: at.verdicts),
    "dedup": (_dedup, lambda at: at.unique_verdicts),
    "decontaminate": (_decontaminate, lambda at: at.clean_verdicts),
    "export": (_export, lambda at: at.dataset(SET)),
}
"""A step's call and the folder that it writes, in order."""


def table(report: dict[str, Any]) -> str:
    """The report as Markdown."""
    lines = [
        f"{report['text_gb']} GB of text, {report['steps']['corpus']['rows_out']:,} responses of about {CHARACTERS:,} "
        f"characters, {report['cores']} cores. Memory is that of all processes together; shared pages count once.",
        "",
        "| step | rows in | rows out | processor s | processor s a GB | wall min | peak MB | peaks along the run, MB | GB on disk |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for step in (own for own in STEPS if own in report["steps"]):
        cost = report["steps"][step]
        along = " ".join(map(str, cost["peaks_mb"][::4]))
        lines.append(
            f"| {step} | {cost['rows_in']:,} | {cost['rows_out']:,} | {cost['cpu_seconds']:,.0f} | "
            f"{cost['cpu_seconds'] / report['text_gb']:.1f} | {cost['seconds'] / 60:.1f} | {cost['peak_mb']:,} | "
            f"{along} | {cost['disk_gb']} |"
        )
    return "\n".join([*lines, *([report["note"]] if "note" in report else [])])


if __name__ == "__main__":
    main()
