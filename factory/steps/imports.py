"""Step `import`: what people already have, in any layout, as problems and the responses that came with them.

Responses keep the truth about themselves: model as the set says it, sampling settings unknown. Whether they are right
is for `verify` to say; a set's own verdict is kept in the metadata.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl

from factory.atomic import digest
from factory.config.problems import SourceSection
from factory.errors import UsageError
from factory.progress import note, watch
from factory.run.step import Step, StepResult, StepWriter
from factory.run.tables import dropped_rows
from factory.sampling.finish import status_of
from factory.sampling.rows import response_frame
from factory.sources.columns import ASKS, text_of
from factory.sources.files import ReadResult, no_drops, read_blocks
from factory.sources.layouts import TOOLS, Layout, Trace, chat_speakers, choose_layout
from factory.sources.normalise import PLACE, problem_row
from factory.sources.paths import expand
from factory.sources.problems import problem_frame, problem_id
from factory.sources.row_paths import first_of, head, holds_nothing, in_parts, text_from, value_at
from factory.steps.problems import source_digests
from factory.text.reasoning import split_response
from factory.verification.extraction import boxed
from schemas import PROBLEM, RESPONSE

STEP = "import"
LOOK = 200
"""Rows from which a file's layout is told."""
NO_GOLD = ("proof", "notfound", "nan", "none", "null", "n/a", "")
"""Words in a column of answers that mean that there is none (NuminaMath and others)."""


@dataclass(frozen=True, slots=True)
class Imported:
    """Layout of every file, rows per source, and problems without a gold answer."""

    layouts: dict[str, str]
    sources: dict[str, int]
    without_gold: int
    models: dict[str, int]


@dataclass(slots=True)
class _Book:
    """What has been seen so far."""

    problems: dict[bytes, str] = field(default_factory=dict)
    """Digest of text and gold to the problem's id."""
    ids: dict[str, bytes] = field(default_factory=dict)
    samples: Counter[str] = field(default_factory=Counter)
    layouts: dict[str, str] = field(default_factory=dict)
    models: Counter[str] = field(default_factory=Counter)
    frames: list[pl.DataFrame] = field(default_factory=list)
    dropped: list[pl.DataFrame] = field(default_factory=list)
    rows_in: int = 0


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
    inputs = source_digests([each.path for each in sources])
    steps = [
        Step(STEP, out, Imported, settings=settings, inputs=inputs, schema=schema, unit=unit)
        for out, schema, unit in ((problems, PROBLEM, "problems"), (responses, RESPONSE, "responses"))
    ]
    done = [step.finished() for step in steps]
    if done[0] and (done[1] or not done[0].summary.models):
        return [each for each in done if each]
    for step in steps:
        step.check_out()
    files = [(each, path, _layout(each, path)) for each in sources for path in expand(each.path)]
    book = _Book()
    for _, path, layout in files:
        book.layouts[str(path)] = layout.shown
        note(f"layout of {path.name}: {layout.shown}")
    made = []
    if any(layout.traces for *_, layout in files):
        made.append(steps[1].run(partial(_responses, files, book), again=True))
    else:
        for _ in _read(files, book):
            pass
    return [steps[0].run(partial(_problems, book), again=True), *made]


def _layout(source: SourceSection, path: Path) -> Layout:
    first = next(read_blocks(path, 2**20), None)
    rows = list(_exact(first.rows).head(LOOK).iter_rows(named=True)) if first is not None else []
    if not rows:
        bad = None if first is None else first.dropped.rows(named=True)
        raise UsageError(
            f"{path} holds no row that can be read",
            do=f"the first is {bad[0]['row_id']}: {bad[0]['detail']}" if bad else "it is empty",
        )
    return choose_layout(rows, str(path), source.layout or "", source.fields)


def _responses(
    files: Sequence[tuple[SourceSection, Path, Layout]], book: _Book, writer: StepWriter
) -> Imported:
    for rows in _read(files, book):
        if rows.height:
            writer.read["responses"] += rows.height
            writer.keep(rows)
    return _summary(book, Counter())


def _problems(book: _Book, writer: StepWriter) -> Imported:
    writer.read["rows"] += book.rows_in
    sources: Counter[str] = Counter()
    for rows in book.frames:
        writer.keep(rows)
        sources.update(dict(rows["source"].value_counts().iter_rows()))
    for rows in book.dropped:
        writer.drop(rows)
    return _summary(book, sources)


def _summary(book: _Book, sources: Counter[str]) -> Imported:
    without = sum(int(rows["answer"].null_count()) for rows in book.frames)
    return Imported(book.layouts, dict(sorted(sources.items())), without, dict(sorted(book.models.items())))


def _read(files: Sequence[tuple[SourceSection, Path, Layout]], book: _Book) -> Iterator[pl.DataFrame]:
    """Responses block by block; problems and what was dropped go into the book."""
    taken: Counter[str] = Counter()
    with watch(STEP, None, "rows") as task:
        for source, path, layout in files:
            for block in read_blocks(path, place=PLACE):
                result = _limited(block, None if source.limit is None else source.limit - taken[source.path])
                taken[source.path] += result.rows_in
                book.rows_in += result.rows_in
                task.advance(result.rows_in)
                yield _import_block(result, source, path, layout, book)
                if taken[source.path] == source.limit:
                    break


def _limited(block: ReadResult, left: int | None) -> ReadResult:
    if left is None or block.rows_in <= left:
        return block
    rows = block.rows.head(left)
    return ReadResult(rows, no_drops(), rows.height)


def _import_block(
    block: ReadResult, source: SourceSection, path: Path, layout: Layout, book: _Book
) -> pl.DataFrame:
    problems: list[dict[str, Any]] = []
    responses: list[dict[str, Any]] = []
    lost: list[dict[str, str]] = []
    name = source.name or path.name.partition(".")[0]
    for row in _exact(block.rows).iter_rows(named=True):
        place = row.pop(PLACE)
        problem, why = _problem(row, layout, source, name)
        if problem is None:
            lost.append(
                {"id": text_of(row.get("id")) or place, "reason": why, "row": json.dumps(row, default=str)}
            )
            continue
        if _known(problem, book):
            lost.append({"id": problem["id"], "reason": "same_problem", "row": "{}"})
        else:
            problems.append(problem)
        responses += _traces(row, layout, source, problem, book)
    book.frames.append(problem_frame(problems))
    book.dropped += [block.dropped, _lost(lost)]
    return response_frame(responses)


def _exact(rows: pl.DataFrame) -> pl.DataFrame:
    """32-bit floats by their shortest digits: 0.1 and not 0.10000000149."""
    return rows.with_columns(pl.col(pl.Float32).cast(pl.String).cast(pl.Float64))


def _problem(
    row: Mapping[str, Any], layout: Layout, source: SourceSection, name: str
) -> tuple[dict[str, Any] | None, str]:
    """A row of PROBLEM, or why there is none."""
    if layout.only and (text_of(value_at(row, layout.only[0])) or "") not in layout.only[1]:
        return None, "other_mode"
    speakers = chat_speakers(row, layout)
    if any(each in TOOLS for each in speakers):
        return None, "tool_use"
    if sum(each in ASKS for each in speakers) > 1:
        return None, "several_turns"
    text = text_from(first_of(row, layout.problem))
    if text is None or not text.strip():
        return None, "no_problem_text"
    solution = text_of(first_of(row, layout.solution))
    choices = first_of(row, layout.choices)
    answer, worked = _gold(first_of(row, layout.answer), solution)
    used = {head(path) for trace in layout.traces for path in _trace_paths(trace)} | set(layout.skip.split())
    used |= {
        path
        for role in ("problem", "answer", "solution", "choices", "source")
        for path in getattr(layout, role).split()
    }
    rest = {key: value for key, value in row.items() if key not in used and value is not None}
    rest |= {
        "id": first_of(row, layout.id),
        "answer": answer,
        "choices": choices,
        "solution": solution or worked,
        "level": first_of(row, layout.level),
        "source": source.name or text_of(first_of(row, layout.source)),
        "licence": source.licence or rest.get("licence") or rest.get("license"),
    }
    made = problem_row(rest, text, "answer", name)
    made["answer"] = _letter(first_of(row, layout.answer), made["answer"], made["choices"])
    return made, ""


def _gold(value: Any, solution: str | None) -> tuple[str | None, str | None]:
    """The gold answer, and the worked solution that it was the end of."""
    items = value if isinstance(value, list) else [value]
    texts = [
        text_of(item)
        for item in items
        if item is not None and not (isinstance(item, float) and math.isnan(item))
    ]
    answer = ", ".join(text.strip() for text in texts if text is not None) or None
    if answer is None or answer.lower() in NO_GOLD:
        found = boxed(solution) if solution else None
        return (found.text if found else None), None
    before, mark, after = answer.rpartition("####")
    return (after.strip() or None, before.strip() or None) if mark else (answer, None)


def _letter(raw: Any, answer: str | None, choices: list[str] | None) -> str | None:
    """The letter of a choice that is named by its place (MMLU) or by its text."""
    if not choices or answer is None:
        return answer
    if isinstance(raw, int) and not isinstance(raw, bool) and 0 <= raw < len(choices):
        return chr(ord("A") + raw)
    same = [place for place, text in enumerate(choices) if text.strip() == answer.strip()]
    return chr(ord("A") + same[0]) if len(same) == 1 and len(answer) > 1 else answer


def _known(problem: dict[str, Any], book: _Book) -> bool:
    """Give the problem its id; True if an earlier row was the same problem (text and gold)."""
    key = bytes.fromhex(digest([problem["problem"], problem["answer"]]))[:16]
    if (known := book.problems.get(key)) is not None:
        problem["id"] = known
        return True
    own = problem["id"]
    if own is None or book.ids.get(own, key) != key:
        own = problem_id(problem["source"], problem["problem"])
        if book.ids.get(own, key) != key:
            own = problem_id(problem["source"], f"{problem['problem']}\n{problem['answer']}")
    problem["id"] = book.problems[key] = own
    book.ids[own] = key
    return False


def _traces(
    row: Mapping[str, Any], layout: Layout, source: SourceSection, problem: Mapping[str, Any], book: _Book
) -> Iterator[dict[str, Any]]:
    own = {name: value for name, value in problem.items() if name != "id"}
    for trace in layout.traces:
        for text, reasoning, finish, complete, verdict in _pieces(row, trace):
            parts = split_response(reasoning, text or "")
            end = "length" if complete is False else finish or "stop"
            number = book.samples[problem["id"]]
            book.samples[problem["id"]] += 1
            model = source.model or _model(row, trace)
            book.models[model] += 1
            key = digest([STEP, problem["source"], problem["id"], reasoning, text])
            metadata = json.loads(own["metadata"] or "{}") | (
                {} if verdict is None else {"source_verdict": verdict}
            )
            yield own | {
                "response_id": f"r-{digest([key, number])[:32]}",
                "problem_id": problem["id"],
                "sample_index": number,
                "reasoning": parts.reasoning,
                "content": parts.content or None,
                "status": str(status_of(parts, end)),
                "finish_reason": finish,
                "sampler": STEP,
                "model": model,
                "request_key": key,
                "metadata": json.dumps(metadata, ensure_ascii=False) if metadata else None,
            }


def _pieces(row: Mapping[str, Any], trace: Trace) -> Iterator[tuple[Any, ...]]:
    """Text, reasoning, finish reason, completeness and the set's verdict of each response."""
    found = [
        first_of(row, paths)
        for paths in (trace.text, trace.reasoning, trace.finish, trace.complete, trace.verdict)
    ]
    found = [text_from(each) if in_parts(each) else each for each in found]
    count = max((len(each) for each in found[:2] if isinstance(each, list)), default=1)
    lists = [each if isinstance(each, list) else [each] * count for each in found]
    several = any(isinstance(each, list) for each in found[:2])
    for each in zip(*(chain(items, [None] * (count - len(items))) for items in lists), strict=True):
        text, reasoning, finish, complete, verdict = each
        if several or not holds_nothing(text) or not holds_nothing(reasoning):
            yield text_from(text), text_from(reasoning), text_of(finish), complete, verdict


def _model(row: Mapping[str, Any], trace: Trace) -> str:
    if trace.model.startswith("="):
        return trace.model[1:]
    return text_of(first_of(row, trace.model)) or "unknown"


def _trace_paths(trace: Trace) -> list[str]:
    return " ".join((trace.text, trace.reasoning, trace.finish, trace.complete, trace.verdict)).split()


def _lost(rows: list[dict[str, str]]) -> pl.DataFrame:
    frame = pl.DataFrame(rows, schema=dict.fromkeys(("id", "reason", "row"), pl.String))
    details = {
        "no_problem_text": "nothing where the problem should be",
        "several_turns": "a chat of several turns is no single problem",
        "tool_use": "a chat with tool calls is no plain reasoning",
        "other_mode": "a mode of the set that holds no plain reasoning",
        "same_problem": "an earlier row has the same text and gold; this row's responses are kept under its id",
    }
    dropped = dropped_rows(
        frame, step=STEP, reason=pl.col("reason"), detail=pl.col("reason").replace_strict(details, default="")
    )
    return dropped.with_columns(row=frame["row"])
