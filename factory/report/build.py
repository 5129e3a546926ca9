"""Builds `report.html`: one self-contained page without a single script, so nothing in it can run.

Plots are SVG, colours follow the reader's light or dark setting, print is light. Every number is computed from the
run's tables and manifests when the report is built.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from factory.atomic import atomic_path
from factory.errors import first_line
from factory.progress import watch
from factory.redaction import printable
from factory.report.blocks import Section, shorten
from factory.report.findings import alarms, cards, findings, made
from factory.report.sections.against import against_findings, against_section
from factory.report.sections.diversity import diversity
from factory.report.sections.gates import gates
from factory.report.sections.lengths import lengths
from factory.report.sections.rows import samples, set_rows
from factory.report.sections.sets import sets
from factory.report.sections.steps import steps
from factory.report.sections.student import difficulty
from factory.report.sections.training import training
from factory.report.sections.yields import funnel, yields
from factory.report.step_folders import RunTables, missing_folders, open_run
from factory.run.layout import PLAN, Kind

Part = Callable[[RunTables], Any]

SECTIONS = (
    set_rows, funnel, yields, difficulty, lengths, diversity, sets, training, gates, samples, steps,
)  # fmt: skip
"""The order in which a reader asks: what came out, how much of it, is it right, does it train, is it clean, how was it made."""


def build_report(run: Path, *, out: Path | None = None, against: Path | None = None) -> Path:
    """Write the report of a run from whatever tables it has.

    Args:
        run: the run folder, finished or not.
        out: the file to write; `report.html` in the run folder, or in `__side/` of a single verb's output, by default.
        against: another run that this one is set beside.

    Returns:
        The file written.

    Raises:
        UsageError: `run` or `against` holds no tables, or the file cannot be written.
    """
    tables = _in_plan(open_run(run))
    first: dict[str, Part] = {each.__name__: each for each in (made, findings, alarms, cards)}
    todo: dict[str, Part] = {each.__name__: each for each in SECTIONS}
    if against is not None:
        other = _in_plan(open_run(against))
        first["findings"] = lambda run: [*findings(run), *against_findings(run, other)]
        todo = {"set_rows": set_rows, "against": lambda run: against_section(run, other), **todo}
    faults = list(tables.faults)
    done: dict[str, Any] = {}
    with watch("report", len(first | todo), "sections") as task:
        for name, part in (first | todo).items():
            try:
                done[name] = part(tables)
            except Exception as error:  # whatever one part meets in a table, the others stand
                faults.append(f"section {name.replace('_', ' ')} cannot be made: {_cause(error)}")
            task.advance()
    tables = replace(tables, faults=tuple(faults))
    text = render(
        tables, [done[name] for name in todo if done.get(name)], {n: done[n] for n in first if n in done}
    )
    path = out or tables.layout.report
    if out is None:
        path.parent.mkdir(exist_ok=True)
    with atomic_path(path) as temporary:
        temporary.write_text(text, "utf-8", errors="replace")
    return path


def _cause(error: Exception) -> str:
    return f"{type(error).__name__}: {printable(shorten(first_line(error), 300))}"


def _in_plan(tables: RunTables) -> RunTables:
    """The output of a single verb as the step of a run that it is, so that every section finds it."""
    alone = next(iter(tables.folders.values()), None)
    if alone is None or len(tables.folders) > 1 or alone.path != tables.run:
        return tables
    step = alone.manifest.get("step")
    place = next((place for place in PLAN if place.step == step and place.kind != Kind.EXPORT), None)
    return (
        tables
        if place is None
        else replace(tables, folders={place.folder: replace(alone, name=place.folder)})
    )


def render(tables: RunTables, sections: list[Section], first: dict[str, Any]) -> str:
    """The report of a run as HTML; `first` is what stands above the sections."""
    missing = missing_folders(tables)
    manifests = [folder.manifest for folder in tables.folders.values()]
    return page(
        name=str(tables.recipe.get("name") or tables.run.resolve().name),
        description=str(tables.recipe.get("description") or ""),
        seed=tables.recipe.get("seed"),
        sections=sections,
        faults=tables.faults,
        missing=missing if "recipe.yaml" in {p.name for p in tables.run.iterdir()} else [],
        versions=sorted({str(each["factory_version"]) for each in manifests if "factory_version" in each}),
        finished=max((str(each.get("finished_at", "")) for each in manifests), default=""),
        **first,
    )


def page(**facts: Any) -> str:
    """A page as HTML. All text is escaped.

    Markup are only SVG from `factory.report.svg`, MathML from `factory.report.tex`, cells from `factory.report.blocks` and
    our style sheet.
    """
    environment = Environment(
        loader=FunctionLoader(_asset), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    none = {
        "made": "",
        "findings": [],
        "alarms": [],
        "cards": [],
        "faults": [],
        "missing": [],
        "finished": "",
    }
    return environment.get_template("report.html.j2").render(
        **none | facts, style=Markup(_asset("report.css"))
    )


def _asset(name: str) -> str:
    return (resources.files("factory.report") / "assets" / name).read_text("utf-8")
