"""Step `problems`: read the sources, set problems aside for evaluation."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import polars as pl

from factory.atomic import digest
from factory.config.problems import ProblemsSection
from factory.errors import UsageError
from factory.run.parts import finished, input_digest
from factory.run.writer import StepWriter, dropped_rows, step_key
from factory.sources.paths import expand, refuse_own_input
from factory.sources.problems import STEP, read_problems
from schemas import PROBLEM

_PUNCTUATION = re.compile(r"[^\w+*/=<>^-]+")
DRAWN = ("procedural:", "reasoning_gym:", "hf://")


def run(section: ProblemsSection, out: Path, held_out: Path, *, seed: int) -> dict[str, Any]:
    """Read problems into `out`, and `section.held_out` of them, drawn by seed, into `held_out`.

    A problem that equals a held-out one up to case, spaces and punctuation (procedural: in family and parameters) is
    dropped as `same_as_held_out`, so that no later step sees an evaluation problem in another dress.

    Returns:
        The manifest of `out`.

    Raises:
        UsageError: a source is wrong, or there are too few problems to hold any out.
    """
    refuse_own_input(out, section.sources)
    refuse_own_input(held_out, section.sources)
    settings = section.model_dump(mode="json") | {"seed": seed}
    inputs = source_digests(section.sources)
    key = step_key(STEP, settings, inputs)
    done = finished(out, key)
    if done is not None and (section.held_out == 0 or finished(held_out, _held_key(settings, inputs))):
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
    kept, aside, same = hold_out(read.rows, section.held_out, seed)
    if section.held_out:
        with StepWriter(held_out, "held_out", PROBLEM, settings=settings, inputs=inputs) as writer:
            writer.keep(aside)
            writer.finish(rows_in=aside.height, unit="problems")
    with StepWriter(out, STEP, PROBLEM, settings=settings, inputs=inputs) as writer:
        writer.keep(kept)
        writer.drop(read.dropped)
        writer.drop(same)
        rows_in = kept.height + read.dropped.height + same.height
        totals = {
            "held_out": aside.height,
            "sources": dict(kept["source"].value_counts().sort("source").iter_rows()),
        }
        return writer.finish(rows_in=rows_in, unit="problems", totals=totals)


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


def source_digests(sources: list[str]) -> dict[str, str]:
    """A digest a source: of the bytes for files, of the spec for drawn and remote ones."""
    digests = {}
    for source in sources:
        if source.startswith(DRAWN):
            digests[source] = digest(source)
        else:
            digests[source] = digest([(path.name, input_digest(path)) for path in expand(source)])
    return digests


def _held_key(settings: dict[str, Any], inputs: dict[str, str]) -> str:
    return step_key("held_out", settings, inputs)
