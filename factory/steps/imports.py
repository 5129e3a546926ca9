"""Step `import`: what people already have, in any layout, as problems and the responses that came with them.

Responses keep the truth about themselves: model as the set says it, sampling settings unknown. Whether they are right
is for `verify` to say; a set's own verdict is kept in the metadata.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from factory.config.problems import HUB, SourceSection
from factory.errors import UsageError
from factory.progress import SILENT, note, watch
from factory.run.step import Step, StepResult
from factory.run.step_writer import StepWriter
from factory.run.tables import dropped_rows
from factory.sampling.rows import response_frame
from factory.sources.columns import text_of
from factory.sources.files import ReadResult, no_drops, read_blocks
from factory.sources.layouts import Layout, choose_layout
from factory.sources.normalise import PLACE
from factory.sources.paths import expand
from factory.sources.problems import problem_frame, source_digests
from factory.steps.layout_rows import STEP, Seen, problem_of, responses_of
from schemas import PROBLEM, RESPONSE

LOOK = 200
"""Rows from which a file's layout is told."""
File = tuple[SourceSection, Path, Layout]
"""A file of a source, and where its rows hold what."""


@dataclass(frozen=True, slots=True)
class Imported:
    """Layout of every file, rows per source, and problems without a gold answer."""

    layouts: dict[str, str]
    sources: dict[str, int]
    without_gold: int
    models: dict[str, int]


@dataclass(frozen=True, slots=True)
class Block:
    """Some rows of a file: the problems among them with what was dropped, and the responses."""

    problems: ReadResult
    responses: pl.DataFrame


class Reading:
    """Files of any layout, read block by block. What is remembered: a digest and an id per problem."""

    def __init__(self, *, quiet: bool = False) -> None:
        """Nothing is read yet; `quiet` says nothing of layouts and progress."""
        self.quiet = quiet
        self.seen = Seen()
        self.layouts: dict[str, str] = {}
        self.sources: Counter[str] = Counter()
        self.without_gold = 0

    @property
    def summary(self) -> Imported:
        """What was read so far."""
        sources, models = (dict(sorted(each.items())) for each in (self.sources, self.seen.models))
        return Imported(self.layouts, sources, self.without_gold, models)

    def blocks(self, files: Sequence[File]) -> Iterator[Block]:
        """Read files, in order."""
        taken: Counter[str] = Counter()
        with nullcontext(SILENT) if self.quiet else watch(STEP, None, "rows") as task:
            for source, path, layout in files:
                self.layouts[str(path)] = layout.shown
                if not self.quiet:
                    note(f"layout of {path.name}: {layout.shown}")
                for block in read_blocks(path, place=PLACE):
                    left = None if source.limit is None else source.limit - taken[source.spec]
                    result = _limited(block, left)
                    taken[source.spec] += result.rows_in
                    task.advance(result.rows_in)
                    yield self._block(result, source, path, layout)
                    if taken[source.spec] == source.limit:
                        break

    def take(self, read: ReadResult) -> ReadResult:
        """Problems that were read without responses, with ids that no other problem of the sources has."""
        rows = read.rows.to_dicts()
        again = [self.seen.knows(row) for row in rows]
        lost = [
            {"id": row["id"], "reason": "same_problem", "row": "{}"}
            for row, same in zip(rows, again, strict=True)
            if same
        ]
        kept = [row for row, same in zip(rows, again, strict=True) if not same]
        return ReadResult(problem_frame(kept), pl.concat([read.dropped, _lost(lost)]), read.rows_in)

    def _block(self, block: ReadResult, source: SourceSection, path: Path, layout: Layout) -> Block:
        problems: list[dict[str, Any]] = []
        responses: list[dict[str, Any]] = []
        lost: list[dict[str, str]] = []
        name = source.name or _title(source, path)
        for row in _exact(block.rows).iter_rows(named=True):
            place = row.pop(PLACE)
            problem, why = problem_of(row, layout, source, name)
            if problem is None:
                whole = json.dumps(row, default=str)
                lost.append({"id": text_of(row.get("id")) or place, "reason": why, "row": whole})
                continue
            if self.seen.knows(problem):
                lost.append({"id": problem["id"], "reason": "same_problem", "row": "{}"})
            else:
                problems.append(problem)
                self.sources[problem["source"]] += 1
                self.without_gold += problem["answer"] is None
            responses += responses_of(row, layout, source, name, problem, self.seen)
        dropped = pl.concat([block.dropped, _lost(lost)])
        return Block(ReadResult(problem_frame(problems), dropped, block.rows_in), response_frame(responses))


def run(sources: Sequence[SourceSection], problems: Path, responses: Path) -> list[StepResult[Imported]]:
    """Import sources.

    Args:
        sources: files, folders, globs or `hf://datasets/...`, each with what the user says of its layout.
        problems: folder for PROBLEM parts.
        responses: folder for RESPONSE parts; not made when no source holds a response.

    Returns:
        The results for problems and, where there are any, for responses.

    Raises:
        UsageError: a source cannot be read, or nothing says where its problems are.
    """
    settings = {"sources": [each.model_dump(mode="json", exclude_defaults=True) for each in sources]}
    inputs = source_digests([each.spec for each in sources])
    steps = [
        Step(STEP, out, Imported, settings=settings, inputs=inputs, schema=schema, unit=unit)
        for out, schema, unit in ((problems, PROBLEM, "problems"), (responses, RESPONSE, "responses"))
    ]
    done = [step.finished() for step in steps]
    if done[0] and (done[1] or not done[0].summary.models):
        return [each for each in done if each]
    for step in steps:
        step.check_out()
    files = [file for each in sources for file in files_of(each)]
    reading, made = Reading(), []

    def write(writer: StepWriter) -> Imported:
        def kept() -> Iterator[pl.DataFrame]:
            for block in reading.blocks(files):
                writer.read["rows"] += block.problems.rows_in
                writer.keep(block.problems.rows)
                writer.drop(block.problems.dropped)
                yield block.responses

        if any(layout.traces for *_, layout in files):
            made.append(keep_responses(steps[1], reading, kept()))
        else:
            deque(kept(), maxlen=0)
        return reading.summary

    return [steps[0].run(write, again=True), *made]


def keep_responses(
    step: Step[Imported], reading: Reading, responses: Iterator[pl.DataFrame]
) -> StepResult[Imported]:
    """Write responses as they are read."""

    def write(writer: StepWriter) -> Imported:
        for rows in responses:
            if rows.height:
                writer.read["responses"] += rows.height
                writer.keep(rows)
        return reading.summary

    return step.run(write, again=True)


def files_of(source: SourceSection) -> list[File]:
    """The files of a source with their layouts.

    Raises:
        UsageError: one cannot be read, or nothing says where its problems are.
    """
    files = []
    for path in expand(source.spec):
        rows, bad = _first_rows(path)
        if not rows:
            raise UsageError(
                f"{path} holds no row that can be read",
                do=f"the first is {bad[0]['row_id']}: {bad[0]['detail']}" if bad else "it is empty",
            )
        layout = choose_layout(rows, str(path), source.layout or "", source.fields)
        files.append((source, path, layout))
    return files


def is_plain(path: Path) -> bool:
    """Whether a file holds problems in a column of that name, and no responses; or nothing that can be read."""
    rows, _ = _first_rows(path)
    if not rows or "problem" not in rows[0]:
        return not rows
    try:
        return not choose_layout(rows, str(path)).traces
    except UsageError:  # the problem is a chat, or absent of the first rows
        return True


def _first_rows(path: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows from which a layout is told, and the lines among them that cannot be read."""
    first = next(read_blocks(path, 2**20), None)
    if first is None:
        return [], []
    return _exact(first.rows).head(LOOK).rows(named=True), first.dropped.rows(named=True)


def _title(source: SourceSection, path: Path) -> str:
    """What a source is called whose rows do not say: OWNER/NAME on the Hub, else the file's name."""
    if source.path.startswith(HUB):
        return "/".join(source.path.removeprefix(HUB).partition("?")[0].split("/")[:2])
    return path.name.partition(".")[0]


def _limited(block: ReadResult, left: int | None) -> ReadResult:
    if left is None or block.rows_in <= left:
        return block
    rows = block.rows.head(left)
    return ReadResult(rows, no_drops(), rows.height)


def _exact(rows: pl.DataFrame) -> pl.DataFrame:
    """32-bit floats by their shortest digits: 0.1 and not 0.10000000149."""
    return rows.with_columns(pl.col(pl.Float32).cast(pl.String).cast(pl.Float64))


def _lost(rows: list[dict[str, str]]) -> pl.DataFrame:
    frame = pl.DataFrame(rows, schema=dict.fromkeys(("id", "reason", "row"), pl.String))
    details = {
        "no_problem_text": "nothing where the problem should be",
        "several_turns": "a chat of several turns is no single problem",
        "tool_use": "a chat with tool calls is no plain reasoning",
        "other_mode": "a mode of the set that holds no plain reasoning",
        "same_problem": "an earlier row has the same text, gold and choices; this row's responses are kept under its id",
    }
    dropped = dropped_rows(
        frame, step=STEP, reason=pl.col("reason"), detail=pl.col("reason").replace_strict(details, default="")
    )
    return dropped.with_columns(row=frame["row"])
