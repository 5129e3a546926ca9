"""One large corpus of long chains through deduplication, decontamination and export on one machine, in bounded memory.

    python -m benchmarks.run large --gb 50 --work FOLDER

`--gb` counts the text before compression. Needs about as much disk. Every step runs in its own process, measured from
outside, and its input is removed when it is done. A stopped run resumes with the same command.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from benchmarks.markdown import table
from benchmarks.measure import disk_bytes, measured
from benchmarks.result import Result

if TYPE_CHECKING:
    from factory.config.recipe import Recipe
    from factory.run.layout import RunLayout

CHARACTERS, SAMPLES, TWINS = 64_000, 2, 0.05
"""Characters of a trace (16K to 25K tokens at 2.5 to 4 characters each), responses a problem, and planted repetitions."""
SET = "verdicts"


def measure(args: list[str]) -> dict[str, Any]:
    """All steps; those that `WORK/report.json` already has are not run again."""
    parser = argparse.ArgumentParser(prog="benchmarks.run large")
    parser.add_argument("--gb", type=float, default=50)
    parser.add_argument("--work", type=Path, required=True)
    asked = parser.parse_args(args)
    asked.work.mkdir(parents=True, exist_ok=True)
    kept = asked.work / "report.json"
    report: dict[str, Any] = {
        "gb": asked.gb, "characters": CHARACTERS, "cores": os.cpu_count(), "steps": {},
    }  # fmt: skip
    if kept.exists():
        report = json.loads(kept.read_text("utf-8"))
    from factory.run.layout import RunLayout
    from factory.run.parts import MANIFEST

    at, before = RunLayout(asked.work), None
    for step in STEPS:
        folder = written(step, at)
        if step not in report["steps"]:
            cost = measured([sys.executable, "-m", "benchmarks.large", step, str(asked.gb), str(asked.work)])
            manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
            rows = {name: manifest[name] for name in ("rows_in", "rows_out")}
            del cost["stdout"]
            report["steps"][step] = cost | rows | {"disk_gb": round(disk_bytes(folder) / 1e9, 2)}
            if step == "corpus":
                report["text_gb"] = round(_text_bytes(folder) / 1e9, 2)
            kept.write_text(json.dumps(report, indent=1), "utf-8")
            print(f"{step}: {report['steps'][step]}", file=sys.stderr, flush=True)
        if before is not None:
            shutil.rmtree(before, ignore_errors=True)
        before = folder
    return report


def _text_bytes(folder: Path) -> int:
    # In 64 bits: polars adds lengths up in 32, which is over after 4 GB.
    sizes = pl.col("reasoning", "content", "problem").str.len_bytes().cast(pl.Int64).sum()
    return int(pl.scan_parquet(folder / "part-*.parquet").select(pl.sum_horizontal(sizes)).collect().item())


def _corpus(gb: float, at: RunLayout) -> None:
    """VERDICT rows, made batch by batch."""
    from benchmarks.corpus import responses, write_problems
    from factory.run.step_writer import StepWriter
    from schemas import VERDICT

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
    from factory.config.recipe import Recipe

    sources = {"sources": ["none.jsonl"]}
    return Recipe.model_validate(
        {"name": "large", "problems": sources, "generate": {"teacher": "procedural"}}
    )


def _dedup(_: float, at: RunLayout) -> None:
    from factory.steps import deduplicate as step

    section = _recipe().response_deduplication.rules
    step.run(at.verdicts, at.unique_verdicts, section, field="reasoning", step="dedup-responses")


def _decontaminate(_: float, at: RunLayout) -> None:
    from factory.steps import decontaminate as step

    name, fields = "decontaminate-responses", ["reasoning", "content"]
    step.run(at.unique_verdicts, at.clean_verdicts, _recipe().decontamination, fields=fields, step=name)


def _export(_: float, at: RunLayout) -> None:
    from factory.steps import export as step
    from schemas import VERDICT

    step.run(at.clean_verdicts, at.dataset(SET), VERDICT)


STEPS = {"corpus": _corpus, "dedup": _dedup, "decontaminate": _decontaminate, "export": _export}


def written(step: str, at: RunLayout) -> Path:
    """The folder that a step writes."""
    return {
        "corpus": at.verdicts,
        "dedup": at.unique_verdicts,
        "decontaminate": at.clean_verdicts,
        "export": at.dataset(SET),
    }[step]


def render(result: Result) -> dict[str, str]:
    """The block of docs/scaling.md."""
    report = result.figures
    heads = [
        "step", "rows in", "rows out", "processor s", "processor s per GB", "wall min", "peak MB",
        "peaks along the run, MB", "GB on disk",
    ]  # fmt: skip
    rows = [
        (
            step,
            cost["rows_in"],
            cost["rows_out"],
            f"{cost['cpu_seconds']:,.0f}",
            f"{cost['cpu_seconds'] / report['text_gb']:.1f}",
            f"{cost['seconds'] / 60:.1f}",
            cost["peak_mb"],
            " ".join(map(str, cost["peaks_mb"][::4])),
            cost["disk_gb"],
        )
        for step, cost in ((step, report["steps"][step]) for step in STEPS)
    ]
    intro = (
        f"{report['text_gb']} GB of text, {report['steps']['corpus']['rows_out']:,} responses of about "
        f"{report['characters']:,} characters, {report['cores']} cores. Memory is that of all processes together; "
        "shared pages count once."
    )
    return {"large": f"{intro}\n\n{table(heads, rows)}"}


if __name__ == "__main__":
    from factory.run.layout import RunLayout

    STEPS[sys.argv[1]](float(sys.argv[2]), RunLayout(Path(sys.argv[3])))
