"""Builds `report.html`: one self-contained page without a single script, so nothing in it can run.

Plots are SVG, colours follow the reader's light or dark setting, print is light. Every number is computed from the
run's tables and manifests when the report is built.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import resources
from pathlib import Path

import polars as pl
from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from factory.atomic import atomic_path
from factory.errors import first_line
from factory.progress import watch
from factory.report.blocks import Section
from factory.report.sections.examples import examples
from factory.report.sections.funnel import funnel
from factory.report.sections.gates import contamination, duplicates
from factory.report.sections.headline import headline
from factory.report.sections.responses import cost, lengths, verdicts
from factory.report.sections.sets import balance, pairs
from factory.report.sections.student import difficulty
from factory.report.sections.training import training
from factory.report.step_folders import RunTables, missing_folders, open_run

SECTIONS = (
    funnel,
    verdicts,
    lengths,
    difficulty,
    training,
    pairs,
    balance,
    contamination,
    duplicates,
    cost,
    examples,
)
"""The order in which a reader asks: what came out, is it right, does it train, is it clean, what did it cost."""


def build_report(run: Path, *, out: Path | None = None) -> Path:
    """Write the report of a run from whatever tables it has.

    Args:
        run: the run folder, finished or not.
        out: the file to write; `report.html` in the run folder by default.

    Returns:
        The file written.

    Raises:
        UsageError: `run` holds no tables, or the file cannot be written.
    """
    tables = open_run(run)
    sections: list[Section] = []
    faults = list(tables.faults)
    with watch("report", len(SECTIONS), "sections") as task:
        for section in SECTIONS:
            try:
                sections += filter(None, [section(tables)])
            except pl.exceptions.PolarsError as error:
                faults.append(f"section {section.__name__} cannot be computed: {first_line(error)}")
            task.advance()
    tables = replace(tables, faults=tuple(faults))
    path = out or tables.layout.report
    with atomic_path(path) as temporary:
        temporary.write_text(render(tables, sections), "utf-8", errors="replace")
    return path


def render(tables: RunTables, sections: list[Section]) -> str:
    """The page as HTML. All text is escaped; only SVG from `factory.report.svg` and our style sheet are markup."""
    environment = Environment(
        loader=FunctionLoader(_asset), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    missing = missing_folders(tables)
    return environment.get_template("report.html.j2").render(
        name=str(tables.recipe.get("name") or tables.run.resolve().name),
        description=str(tables.recipe.get("description") or ""),
        seed=tables.recipe.get("seed"),
        cards=headline(tables),
        sections=sections,
        faults=tables.faults,
        missing=missing if "recipe.yaml" in {p.name for p in tables.run.iterdir()} else [],
        versions=sorted(
            {
                str(f.manifest["factory_version"])
                for f in tables.folders.values()
                if "factory_version" in f.manifest
            }
        ),
        finished=max((str(f.manifest.get("finished_at", "")) for f in tables.folders.values()), default=""),
        style=Markup(_asset("report.css")),
    )


def _asset(name: str) -> str:
    return (resources.files("factory.report") / "assets" / name).read_text("utf-8")
