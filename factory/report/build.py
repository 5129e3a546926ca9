"""Builds `report.html`: one self-contained page without a single script, so nothing in it can run.

Plots are SVG, colours follow the reader's light or dark setting, print is light. Every number is computed from the
run's tables and manifests when the report is built.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import polars as pl
from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from factory.atomic import atomic_path
from factory.errors import first_line
from factory.evaluation.ladder import read_ladder
from factory.numbers import dollars, percent
from factory.progress import watch
from factory.report.blocks import Section, show
from factory.report.sections.examples import examples
from factory.report.sections.funnel import funnel
from factory.report.sections.gates import contamination, duplicates
from factory.report.sections.responses import cost, lengths, verdicts
from factory.report.sections.sets import balance, pairs
from factory.report.sections.student import difficulty
from factory.report.sections.training import training
from factory.report.step_folders import RunTables, missing_folders, open_run
from factory.run.layout import DATASETS
from schemas import Verdict

SECTIONS = (
    funnel, verdicts, lengths, difficulty, training, pairs, balance, contamination, duplicates, cost,
    examples,
)  # fmt: skip
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
    """The report of a run as HTML."""
    missing = missing_folders(tables)
    manifests = [folder.manifest for folder in tables.folders.values()]
    return page(
        name=str(tables.recipe.get("name") or tables.run.resolve().name),
        description=str(tables.recipe.get("description") or ""),
        seed=tables.recipe.get("seed"),
        cards=headline(tables),
        sections=sections,
        faults=tables.faults,
        missing=missing if "recipe.yaml" in {p.name for p in tables.run.iterdir()} else [],
        versions=sorted({str(each["factory_version"]) for each in manifests if "factory_version" in each}),
        finished=max((str(each.get("finished_at", "")) for each in manifests), default=""),
    )


def page(**facts: Any) -> str:
    """A page as HTML. All text is escaped; only SVG from `factory.report.svg` and our style sheet are markup."""
    environment = Environment(
        loader=FunctionLoader(_asset), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("report.html.j2").render(**facts, style=Markup(_asset("report.css")))


def _asset(name: str) -> str:
    return (resources.files("factory.report") / "assets" / name).read_text("utf-8")


def headline(run: RunTables) -> list[tuple[str, str, str]]:
    """Cards of (figure, what it is, remark), only of what the run already has."""
    at = run.layout
    cards: list[tuple[str, str, str]] = []
    read, clean = run.at(at.problems), run.at(at.clean_problems)
    if clean.readable:
        cards.append(
            (show(clean.rows(["id"]).height if clean.faults else clean.manifest.get("rows_out", 0)), "clean problems",
             f"of {show(read.manifest.get('rows_in', 0))} read" if read.readable else "")
        )  # fmt: skip
    responses = run.at(at.responses)
    if responses.readable:
        frame = responses.rows(["usd", "completion_tokens"])
        tokens = frame["completion_tokens"].sum() or 0
        cards.append((show(frame.height), "teacher responses", f"{show(int(tokens))} completion tokens"))
        priced = frame["usd"].drop_nulls().cast(pl.Float64)
        unpriced = frame.height - priced.len()
        remark = f"{show(unpriced)} responses have no price" if unpriced else "by the dated price list"
        spent = dollars(float(priced.sum())) if priced.len() else "not priced"
        cards.append((spent, "spent on the teacher", remark))
        if reused := responses.totals.get("reused"):
            usd = responses.totals.get("usd_spared")
            saved = f"{show(responses.totals['spared'])} requests spared"
            remark = f"{saved}, about {dollars(usd)}" if usd else saved
            cards.append((show(reused), "responses that came with the problems", remark))
    verdicts = run.at(at.verdicts)
    if verdicts.readable:
        frame = verdicts.rows(["verdict"])
        correct = int((frame["verdict"] == Verdict.CORRECT.value).sum())
        cards.append((show(correct), "verified correct", percent(correct, frame.height) + " of responses"))
    for name in DATASETS:
        dataset = run.at(at.dataset(name))
        if dataset.readable:
            cards.append((show(dataset.rows(["problem_id"]).height), f"{name} rows", "finished training set"))
    scores, _ = read_ladder(run.run)
    for benchmark in dict.fromkeys(score.benchmark for score in scores):
        found = [score for score in scores if score.benchmark == benchmark]
        first, last = found[0], found[-1]
        remark = f"pass@1 after {last.stage}"
        remark += f", {first.value:.1%} at {first.stage}" if first is not last else ""
        cards.append((f"{last.value:.1%}", benchmark, remark))
    return cards
