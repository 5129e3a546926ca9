"""Step `problems`: read the sources, set problems aside for evaluation."""

from __future__ import annotations

import json
import math
import random
import re
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from factory.atomic import digest
from factory.config.problems import DRAWN, ProblemsSection, SourceSection
from factory.datasets.selection import seeded_order
from factory.errors import UsageError
from factory.functions.fields import fields_of
from factory.run.keys import deciding
from factory.run.parts import MANIFEST
from factory.run.step import Step, StepResult
from factory.run.step_writer import StepWriter
from factory.run.tables import dropped_rows
from factory.sources.files import ReadResult, join
from factory.sources.paths import expand, refuse_own_input
from factory.sources.problems import STEP, read_problems, source_digests, unique_ids
from factory.steps import imports
from factory.steps.layout_rows import STEP as IMPORT
from schemas import PROBLEM, RESPONSE
from schemas.outcome import counts

_PUNCTUATION = re.compile(r"[^\w+*/=<>^-]+")
HELD_OUT = "held_out"


@dataclass(frozen=True, slots=True)
class ProblemsRead:
    """Problems held out, problems kept by source, and responses that came with them (where any source holds some)."""

    held_out: int
    sources: dict[str, int]
    responses: int | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """A source: files with their layouts, or None where it is read as problems only."""

    source: SourceSection
    files: list[imports.File] | None

    @property
    def holds_responses(self) -> bool:
        """Whether responses come with the problems."""
        return any(layout.traces for *_, layout in self.files or ())


def open_sources(section: ProblemsSection) -> list[Opened]:
    """Look at every source.

    A mapping is read by its layout, and so is a bare path whose rows hold responses, or name the problem otherwise.

    Raises:
        UsageError: a source cannot be read, or nothing says where its problems are.
    """
    named = (section.problem_field, section.answer_field) != ("problem", "answer")
    found = []
    for given in section.sources:
        bare = isinstance(given, str)
        source = SourceSection.of(given)
        plain = source.path.startswith(DRAWN) or (bare and named)
        plain = plain or (bare and all(map(imports.is_plain, expand(source.path))))
        found.append(Opened(source, None if plain else imports.files_of(source)))
    return found


def run(
    section: ProblemsSection, out: Path, held_out: Path, responses: Path | None = None, *, seed: int
) -> StepResult[ProblemsRead]:
    """Read problems into `out`, and `section.held_out` of them, drawn by seed, into `held_out`.

    A problem that equals a held-out one up to case, spaces and punctuation (procedural: in family and parameters) is
    dropped as `same_as_held_out`, so that no later step sees an evaluation problem in other words.

    Args:
        section: the sources.
        out: folder for PROBLEM parts.
        held_out: folder for PROBLEM parts.
        responses: folder for RESPONSE parts, when responses that came with the problems are wanted, and there are any.
        seed: of every draw.

    Raises:
        UsageError: a source is wrong, or there are too few problems to hold any out.
    """
    for folder in (out, held_out):
        refuse_own_input(folder, section.specs)
    settings = deciding(section) | {"seed": seed}
    inputs = source_digests(section.specs)
    step, aside = (
        Step(name, folder, ProblemsRead, settings=settings, inputs=inputs, schema=PROBLEM, unit="problems")
        for name, folder in ((STEP, out), (HELD_OUT, held_out))
    )
    given = None
    if responses is not None:
        given = Step(
            IMPORT,
            responses,
            imports.Imported,
            settings=settings,
            inputs=inputs,
            schema=RESPONSE,
            unit="responses",
        )
    if (
        (done := step.finished())
        and (section.held_out == 0 or aside.finished())
        and (given is None or not done.summary.responses or given.finished())
    ):
        return done
    there = given is not None and (given.out / MANIFEST).exists()
    keep = partial(imports.keep_responses, given) if given else _pass_over
    read, came = _read(section, keep, seed, always=there)
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
        return ProblemsRead(drawn.height, sources, came)

    if section.held_out:
        aside.run(partial(make, drawn, [], section.held_out))
    return step.run(partial(make, kept, [read.dropped, same], read.rows_in - section.held_out))


Keep = Callable[[imports.Reading, Iterator[pl.DataFrame]], Any]
"""Takes responses as they are read."""


def _pass_over(reading: imports.Reading, responses: Iterator[pl.DataFrame]) -> None:
    deque(responses, maxlen=0)


def _read(
    section: ProblemsSection, keep: Keep, seed: int, *, always: bool = False
) -> tuple[ReadResult, int | None]:
    """All problems; responses go to `keep` as they are read, if there are any. How many those are, None for none."""
    opened = open_sources(section)
    plain = partial(
        read_problems,
        problem_field=section.problem_field,
        answer_field=section.answer_field,
        seed=seed,
    )
    strings = all(isinstance(each, str) for each in section.sources)
    if strings and not always and not any(each.files for each in opened):
        return plain(section.specs, limit=section.limit), None
    reading = imports.Reading()
    found: list[ReadResult] = []

    def responses() -> Iterator[pl.DataFrame]:
        for each in opened:
            left = None if section.limit is None else section.limit - sum(r.rows.height for r in found)
            if left is not None and left <= 0:
                break
            if each.files is None:
                limits = [n for n in (left, each.source.limit) if n is not None]
                own = [reading.take(plain(each.source.spec, limit=min(limits, default=None)))]
            else:
                own = []
                for block in reading.blocks(each.files):
                    own.append(block.problems)
                    yield block.responses
                    if left is not None and sum(result.rows.height for result in own) >= left:
                        break
            found.append(_weighed(join(own), each.source.weight, seed))

    if always or any(each.holds_responses for each in opened):
        keep(reading, responses())
    else:
        _pass_over(reading, responses())
    return unique_ids(join(found), section.limit), reading.seen.models.total() or None


@dataclass(frozen=True, slots=True)
class Look:
    """Problems of the sources, responses that came with them, and how many of those count as samples."""

    problems: int
    responses: int
    count: int
    layouts: dict[str, str]


def look(section: ProblemsSection, samples: int, *, need_reasoning: bool, seed: int) -> Look | None:
    """What a run would find in its sources on this machine; None when they hold no responses."""
    local = [each for each in section.sources if not SourceSection.of(each).path.startswith("hf://")]
    if not local:
        return None
    found: Counter[str] = Counter()
    layouts: dict[str, str] = {}

    def count(reading: imports.Reading, responses: Iterator[pl.DataFrame]) -> None:
        for rows in responses:
            found.update(rows.filter(counts(need_reasoning))["problem_id"])
        layouts.update(reading.layouts)

    read, responses = _read(section.model_copy(update={"sources": local}), count, seed)
    there = sum(min(found[name], samples) for name in read.rows["id"])
    return Look(read.rows.height, responses, there, layouts) if responses else None


LOOKED_AT = 1_000
"""Rows of a source whose fields are looked at."""


def first_fields(section: ProblemsSection) -> frozenset[str] | None:
    """Fields of the first problems of every source; None where one is not on this machine, or cannot be read."""
    found: set[str] = set()
    for each in section.sources:
        if SourceSection.of(each).path.startswith("hf://"):
            return None
        try:
            read, _ = _read(section.model_copy(update={"sources": [each], "limit": LOOKED_AT}), _pass_over, 0)
        except UsageError:
            return None
        for row in read.rows.iter_rows(named=True):
            found.update(name for name, value in fields_of(row).items() if value is not None)
    return frozenset(found)


def _weighed(read: ReadResult, weight: float, seed: int) -> ReadResult:
    """A share of a source's problems, drawn by seed."""
    if weight == 1:
        return read
    rank = seeded_order(read.rows["id"], seed).rank("ordinal")
    beyond = rank > math.ceil(weight * read.rows.height)
    lost = dropped_rows(
        read.rows.filter(beyond),
        step=STEP,
        reason="beyond_weight",
        detail=f"{weight:g} of the source is kept",
    )
    return ReadResult(read.rows.filter(~beyond), pl.concat([read.dropped, lost]), read.rows_in)


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
