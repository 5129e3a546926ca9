"""What step `generate` asks: problems with what is still missing of each, and the messages of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from factory.config.generate import GenerateSection
from factory.errors import UsageError
from factory.run.parts import iter_parts, scan_parts
from factory.run.step_writer import StepWriter
from factory.sampling.problems import iter_problems
from factory.sampling.prompt import wanted_by
from factory.sampling.rows import FIRST, MISSING
from factory.steps.own_prompt import with_messages
from factory.steps.reuse import Reuse, read_reuse

Rows = Callable[[], Iterator[dict[str, Any]]]
"""A function that gives problems from the start."""


@dataclass(frozen=True, slots=True)
class Problems:
    """Problems to answer: a function that gives them from the start, how many they are, their columns and types."""

    rows: Rows
    count: int
    schema: pl.Schema
    dropped: pl.DataFrame | None = None
    """Rows of the input that could not be used, in DROPPED form."""
    reuse: Reuse | None = None
    """Responses that are there already."""
    asked: pl.Schema | None = None
    """Columns and types of the rows, where a prompt's messages are among them."""

    def requests(self, samples: int) -> int:
        """How many responses are asked for."""
        return self.reuse.missing(self.count, samples) if self.reuse else self.count * samples

    @property
    def asked_schema(self) -> pl.Schema:
        """Columns and types of the rows that are asked."""
        if self.asked is not None:
            return self.asked
        owed = {FIRST: pl.Int64(), MISSING: pl.Int64()} if self.reuse else {}
        return pl.Schema({**self.schema, **owed})


def read_folder(folder: Path) -> Problems:
    """The problems of a step's folder."""
    frame = scan_parts(folder)
    count = int(frame.select(pl.len()).collect().item())
    return Problems(lambda: _iterate(folder), count, frame.collect_schema())


def _iterate(problems: Path) -> Iterator[dict[str, Any]]:
    for batch in iter_parts(problems, rows=1_000):
        yield from batch.iter_rows(named=True)


def with_reuse(
    problems: Problems, section: GenerateSection, writer: StepWriter, *, need_reasoning: bool = False
) -> Problems:
    """The problems with what is still missing of each; as they are where nothing is reused.

    Raises:
        UsageError: `accept` counts responses that are requested, and some are there already.
    """
    if not section.reuse:
        return problems
    if section.accept is not None:
        raise UsageError(
            "generate.accept counts responses that are requested, but the sources hold responses",
            do="set generate.samples instead, or give the sources without their responses",
        )
    rows = pl.DataFrame(list(problems.rows()), schema=problems.schema, orient="row")
    reuse = read_reuse(section.reuse, rows, writer.out, writer.scratch, need_reasoning=need_reasoning)
    owed = partial(reuse.owed, samples=section.samples)
    return replace(problems, rows=lambda: owed(problems.rows()), reuse=reuse)


def asked(problems: Problems, section: GenerateSection) -> Problems:
    """The problems with the messages that a function writes, or checked against the fields that a prompt asks for.

    Raises:
        UsageError: see `with_messages`.
    """
    plain = (
        isinstance(section.prompt, str) and wanted_by(section.prompt) == {"problem"} and not section.prompts
    )
    if plain:
        return problems
    rows = with_messages(
        pl.DataFrame(list(problems.rows()), schema=problems.asked_schema, orient="row"), section
    )
    return replace(problems, rows=lambda: iter_problems(rows), asked=rows.schema)
