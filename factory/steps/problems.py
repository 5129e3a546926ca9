"""Step `problems`: read the sources, set problems aside for evaluation."""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from factory.atomic import digest
from factory.config.problems import ProblemsSection
from factory.errors import UsageError
from factory.run.keys import deciding
from factory.run.parts import input_digest
from factory.run.step import Step, StepResult, StepWriter
from factory.run.tables import dropped_rows
from factory.sources.gym import is_skipped
from factory.sources.paths import expand, refuse_own_input
from factory.sources.problems import STEP, read_problems
from schemas import PROBLEM

_PUNCTUATION = re.compile(r"[^\w+*/=<>^-]+")
DRAWN = ("procedural:", "reasoning_gym:", "hf://")
HELD_OUT = "held_out"


@dataclass(frozen=True, slots=True)
class ProblemsRead:
    """Problems held out, and problems kept by source."""

    held_out: int
    sources: dict[str, int]


def run(section: ProblemsSection, out: Path, held_out: Path, *, seed: int) -> StepResult[ProblemsRead]:
    """Read problems into `out`, and `section.held_out` of them, drawn by seed, into `held_out`.

    A problem that equals a held-out one up to case, spaces and punctuation (procedural: in family and parameters) is
    dropped as `same_as_held_out`, so that no later step sees an evaluation problem in other words.

    Raises:
        UsageError: a source is wrong, or there are too few problems to hold any out.
    """
    refuse_own_input(out, section.sources)
    refuse_own_input(held_out, section.sources)
    settings = deciding(section) | {"seed": seed}
    inputs = source_digests(section.sources)
    step, aside = (
        Step(name, folder, ProblemsRead, settings=settings, inputs=inputs, schema=PROBLEM, unit="problems")
        for name, folder in ((STEP, out), (HELD_OUT, held_out))
    )
    if (done := step.finished()) and (section.held_out == 0 or aside.finished()):
        return done
    read = read_problems(
        section.sources,
        problem_field=section.problem_field,
        answer_field=section.answer_field,
        limit=section.limit,
        seed=seed,
    )
    if section.held_out and section.held_out >= read.rows.height:
        raise UsageError(
            f"problems.held_out is {section.held_out}, but the sources hold only {read.rows.height} problems"
        )
    kept, drawn, same = hold_out(read.rows, section.held_out, seed)

    def make(rows: pl.DataFrame, dropped: list[pl.DataFrame], count: int, writer: StepWriter) -> ProblemsRead:
        writer.read["sources"] += count
        writer.keep(rows)
        for each in dropped:
            writer.drop(each)
        sources = dict(rows["source"].value_counts().sort("source").iter_rows())
        return ProblemsRead(drawn.height, sources)

    if section.held_out:
        aside.run(partial(make, drawn, [], section.held_out))
    return step.run(partial(make, kept, [read.dropped, same], read.rows_in - section.held_out))


def hold_out(rows: pl.DataFrame, count: int, seed: int) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Split into kept, held out, and dropped (in DROPPED form) because they equal a held-out problem."""
    place = random.Random(f"held_out|{seed}").sample(range(rows.height), count)
    aside = rows[sorted(place)]
    rest = rows[sorted(set(range(rows.height)) - set(place))]
    evaluated = {essence(row) for row in aside.iter_rows(named=True)}
    same = pl.Series([essence(row) in evaluated for row in rest.iter_rows(named=True)], dtype=pl.Boolean)
    dropped = dropped_rows(
        rest.filter(same),
        step=STEP,
        reason="same_as_held_out",
        detail="equals a held-out problem up to wording that does not matter",
    )
    return rest.filter(~same), aside, dropped


def essence(row: dict[str, Any]) -> str:
    """What a problem is when case, spaces and punctuation are left out; family and parameters of a procedural one."""
    metadata = json.loads(row["metadata"]) if row["metadata"] else {}
    if "family" in metadata and "params" in metadata:
        return digest([metadata["family"], metadata["params"]])
    return _PUNCTUATION.sub(" ", row["problem"].casefold()).strip()


def source_digests(sources: list[str]) -> dict[str, Path | str]:
    """A digest per source: of the bytes for files, of the spec for drawn and remote ones."""
    digests: dict[str, Path | str] = {}
    for source in sources:
        if source.startswith(DRAWN):
            digests[source] = digest([source, "skipped"] if is_skipped(source) else source)
        else:
            digests[source] = digest([(path.name, input_digest(path)) for path in expand(source)])
    return digests
