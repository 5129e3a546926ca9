"""What every step costs at three sizes, and what that means for the paper's run.

    python -m benchmarks.run scale [--sizes 10000 100000 1000000] [--long 500 5000 45000] [--work FOLDER]

Each size is a corpus of that many responses (two per problem, traces of about 1,000 characters), so that growth with
rows shows; `--long` adds corpora of few responses with 40,000 characters each, which separates the cost of a byte from
the cost of a row. Every step runs in its own process and is measured from outside.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from benchmarks.measure import disk_bytes, measured
from benchmarks.result import Result, load

if TYPE_CHECKING:
    from factory.config.recipe import Recipe
    from factory.run.layout import RunLayout

SHORT, LONG = 1_000, 40_000
"""Characters of a trace."""
SAMPLES = 2


def measure(args: list[str]) -> dict[str, Any]:
    """Every step over every corpus."""
    parser = argparse.ArgumentParser(prog="benchmarks.run scale")
    parser.add_argument("--sizes", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--long", type=int, nargs="*", default=[500, 5_000, 45_000])
    parser.add_argument("--work", type=Path, default=None, help="where the corpora go; needs room")
    asked = parser.parse_args(args)
    sizes = [(rows, SHORT) for rows in asked.sizes] + [(rows, LONG) for rows in asked.long]
    return {
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 1),
        "corpora": [_corpus(rows, characters, asked.work) for rows, characters in sizes],
    }


def render(result: Result) -> dict[str, str]:
    """The blocks of docs/scaling.md; the memory of some steps comes from the large corpus."""
    from benchmarks import scale_projection as projection

    fitted = projection.with_flat_memory(projection.costs(result.figures), load("large").figures)
    return {
        "scale-units": projection.units_table(result.figures, fitted),
        "scale-paper": projection.paper_table(fitted),
        "scale-breaks": projection.breaks_first(fitted),
    }


def _corpus(rows: int, characters: int, work: Path | None) -> dict[str, Any]:
    """All steps over one corpus; its files are removed in the end."""
    from benchmarks.corpus import write_problems, write_responses
    from factory.run.layout import RunLayout

    folder = Path(tempfile.mkdtemp(dir=work))
    try:
        at = RunLayout(folder)
        write_problems(at.problems, rows // SAMPLES)
        write_responses(at.problems, at.responses, SAMPLES, characters)
        text = pl.scan_parquet(at.responses / "part-*.parquet").select(
            pl.col("reasoning").str.len_bytes().cast(pl.Int64).sum()
        )
        result: dict[str, Any] = {"responses": rows, "characters": characters}
        result["text_mb"] = round(text.collect().item() / 1e6, 1)
        result["steps"] = {step: _measure(step, folder) for step in STEPS}
        return result
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _measure(step: str, run: Path) -> dict[str, Any]:
    from factory.run.layout import RunLayout
    from factory.run.parts import MANIFEST

    busy = round(os.getloadavg()[0], 1)
    cost = measured([sys.executable, "-m", "benchmarks.scale", step, str(run)])
    out = STEPS[step][1](RunLayout(run))
    manifest = json.loads((out / MANIFEST).read_text("utf-8"))
    del cost["stdout"], cost["peaks_mb"]
    print(f"{step} of {manifest['rows_in']:,} rows: {cost}, load {busy}", file=sys.stderr, flush=True)
    return cost | {
        "rows_in": manifest["rows_in"],
        "rows_out": manifest["rows_out"],
        "disk_mb": round(disk_bytes(out) / 1e6, 1),
        "load_before": busy,
    }


def _recipe() -> Recipe:
    """The defaults of every section."""
    from factory.config.recipe import Recipe

    return Recipe.model_validate(
        {"name": "scale", "problems": {"sources": ["none.jsonl"]}, "generate": {"teacher": "procedural"}}
    )


def _dedup(recipe: Recipe, at: RunLayout) -> None:
    from factory.steps import deduplicate

    deduplicate.run(at.problems, at.unique_problems, recipe.deduplication.rules, field="problem")


def _decontaminate(recipe: Recipe, at: RunLayout) -> None:
    from factory.steps import decontaminate

    decontaminate.run(at.unique_problems, at.clean_problems, recipe.decontamination, fields=["problem"])


def _verify(recipe: Recipe, at: RunLayout) -> None:
    from factory.steps import verify

    verify.run(at.responses, at.verdicts, recipe.verify)


def _dedup_responses(recipe: Recipe, at: RunLayout) -> None:
    from factory.steps import deduplicate

    section = recipe.response_deduplication.rules
    deduplicate.run(at.verdicts, at.unique_verdicts, section, field="reasoning", step="dedup-responses")


def _decontaminate_responses(recipe: Recipe, at: RunLayout) -> None:
    from factory.steps import decontaminate

    fields, step = ["reasoning", "content"], "decontaminate-responses"
    decontaminate.run(at.unique_verdicts, at.clean_verdicts, recipe.decontamination, fields=fields, step=step)


def _label(recipe: Recipe, at: RunLayout) -> None:
    from factory.steps import label

    label.run(at.clean_verdicts, at.labelled, recipe.datasets)


def _select(recipe: Recipe, at: RunLayout) -> None:
    from factory.steps import select

    select.run(at.labelled, at.selected("midtrain"), recipe.datasets, dataset="midtrain", seed=0)


def _export(recipe: Recipe, at: RunLayout) -> None:
    from factory.steps import export
    from schemas import COMPLETION

    export.run(at.selected("midtrain"), at.dataset("midtrain"), COMPLETION)


STEPS: dict[str, tuple[Callable[[Recipe, RunLayout], None], Callable[[RunLayout], Path]]] = {
    "dedup": (_dedup, lambda at: at.unique_problems),
    "decontaminate": (_decontaminate, lambda at: at.clean_problems),
    "verify": (_verify, lambda at: at.verdicts),
    "dedup-responses": (_dedup_responses, lambda at: at.unique_verdicts),
    "decontaminate-responses": (_decontaminate_responses, lambda at: at.clean_verdicts),
    "label": (_label, lambda at: at.labelled),
    "midtrain-set": (_select, lambda at: at.selected("midtrain")),
    "export": (_export, lambda at: at.dataset("midtrain")),
}
"""A step's call and the folder that it writes, in the order of the pipeline."""


if __name__ == "__main__":
    from factory.run.layout import RunLayout

    STEPS[sys.argv[1]][0](_recipe(), RunLayout(Path(sys.argv[2])))
