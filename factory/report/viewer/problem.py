"""One problem with everything that was made of it: its record, all responses, its preference pairs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from factory.errors import UsageError
from factory.report.lineage import ID_COLUMNS, Life, find_rows, trace
from factory.report.step_folders import RunTables, StepFolder
from factory.report.viewer.answered import Answered
from factory.report.viewer.difference import Difference, compare
from factory.run.layout import DATASETS, PLAN

MOST_RESPONSES = 64
"""Responses on one page; more are counted, not shown."""

MOST_PAIRS = 16
"""Preference pairs on one page."""

MOST_TEXT = 2_000_000
"""Characters of one text that are sent to the page."""

MOST_PAGE = 4_000_000
"""Characters of all responses of a page; the one that was asked for comes first, and what is cut says so."""

SHORTENED = 2_000
"""Characters that are sent of a text for which a page has no more room."""

_PROBLEM = ("problem", "answer", "answer_kind", "choices", "solution", "source", "licence", "domain", "level")
_TEXTS = ("problem", "answer", "solution", "reasoning", "content", "extracted")
_RESPONSE = (
    "response_id", "problem_id", "sample_index", "sampler", "model", "served_model", "model_revision",
    "status", "finish_reason", "verdict", "method", "extracted", "answer", "gold_canonical",
    "extracted_canonical", "verdict_reason", "checker_version", "judged", "temperature", "top_p",
    "prompt_tokens", "completion_tokens", "reasoning_tokens", "usd", "error", "reasoning", "content",
    "request_key",
)  # fmt: skip


class Row(dict[str, Any]):
    """A row of a table whose optional columns may be absent: an absent one is None."""

    def __missing__(self, name: str) -> None:
        return None


@dataclass(frozen=True, slots=True)
class Answer:
    """One response with its verdict, the sets it went into and the reasons for which it was dropped."""

    row: Row
    sets: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    student: bool = False
    stored: bool = False
    """`stored`: in the response store only, so far."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A preference pair, ready to be laid side by side; each side is (reasoning, answer part)."""

    row: Row
    chosen: tuple[str, str]
    rejected: tuple[str, str]
    difference: Difference


@dataclass(frozen=True, slots=True)
class ProblemPage:
    """What the page of a problem shows."""

    record: Row
    answers: list[Answer]
    hidden: int
    pairs: list[Pair]

    def verdicts(self) -> list[tuple[str, int]]:
        """How many of the responses got each verdict, the commonest first."""
        return Counter(str(each.row["verdict"]) for each in self.answers if each.row["verdict"]).most_common()


def known_of(tables: RunTables, row_id: str, answered: Answered | None = None) -> dict[str, Any]:
    """What is known of an id: its life, its problem with everything made of it, or the row that was dropped.

    `answered` are the responses that no table holds yet.
    """
    stored = answered.problem_of(row_id) if answered else None
    try:
        life = trace(tables, row_id)
    except UsageError:
        if stored is None:
            raise
        life = Life(row_id, "problem" if row_id == stored else "response", stored, ())
    problem = problem_page(tables, life.problem_id, life.id, answered) if life.problem_id else None
    made = problem is not None and bool(problem.answers or problem.pairs)
    told = made or (problem is not None and bool(problem.record))
    dropped = None if told else dropped_row(tables, life.id)
    record = None if made or dropped else any_row(tables, life.id)
    if told and record is not None and record["completion"] is None:
        record = None  # the problem's own row, which the page shows
    return {"life": life, "problem": problem, "dropped": dropped, "record": record}


def problem_page(
    tables: RunTables, problem_id: str, asked: str = "", answered: Answered | None = None
) -> ProblemPage:
    """Collect a problem's record, responses and pairs from the run's tables and store; each may be missing.

    `asked` is the response that was asked for: it is shown in full, and among the first `MOST_RESPONSES`.
    """
    sets, lost = _sets(tables, problem_id), _lost(tables, problem_id)
    answers = []
    for table, student in _response_tables(tables):
        rows = find_rows(table.parts, ("problem_id", "id"), problem_id, _RESPONSE)
        if "sample_index" in rows.columns:
            rows = rows.sort("sample_index", maintain_order=True)
        for row in map(_cut, rows.iter_rows(named=True)):
            key = row["response_id"]
            answers.append(Answer(row, tuple(sets.get(key, ())), tuple(lost.get(key, ())), student))
    there, record = {answer.row["response_id"] for answer in answers}, _record(tables, problem_id)
    for row in map(_cut, answered.rows(problem_id) if answered else ()):
        if row["response_id"] not in there:
            answers.append(Answer(row, stored=True))
            record = record or Row(problem=answered.prompt(row) if answered else "")
    hidden = max(len(answers) - MOST_RESPONSES, 0)
    if hidden:
        answers.sort(key=lambda each: each.row["response_id"] != asked)
    answers = answers[:MOST_RESPONSES]
    _shorten([each.row for each in sorted(answers, key=lambda each: each.row["response_id"] != asked)])
    return ProblemPage(record, answers, hidden, _pairs(tables, problem_id))


def _shorten(rows: Sequence[Row]) -> None:
    """Cut texts, so that all together fit a page; the first rows are served first."""
    room = MOST_PAGE
    for row in rows:
        for name in ("content", "reasoning"):
            text = row[name] or ""
            if len(text) > max(room, SHORTENED):
                row[name] = (
                    f"{text[:SHORTENED]}\n… ({len(text) - SHORTENED:,} more characters: open this response by its id)"
                )
            room -= len(row[name] or "")


def _response_tables(tables: RunTables) -> Iterator[tuple[StepFolder, bool]]:
    """The tables with responses, and whether they are a student's: a run's own, else whatever a verb wrote."""
    at = tables.layout
    own = tables.first(at.verdicts, at.responses, at.labelled, at.clean_verdicts, at.unique_verdicts)
    if own.readable:
        yield own, False
    if tables.at(at.rollouts).readable:
        yield tables.at(at.rollouts), True
    if not own.readable and not tables.at(at.rollouts).readable:
        yield from ((table, False) for table in tables.folders.values() if "content" in table.columns())


def any_row(tables: RunTables, row_id: str) -> Row | None:
    """The first row of any table that bears an id, with all its columns."""
    for folder in tables.folders.values():
        found = find_rows(folder.parts if folder.readable else (), ID_COLUMNS, row_id, limit=1)
        if found.height:
            return Row(found.row(0, named=True))
    return None


def dropped_row(tables: RunTables, row_id: str) -> Row | None:
    """The whole row of a dropped row that never became a problem."""
    for folder in tables.folders.values():
        found = find_rows(folder.dropped, ("row_id",), row_id, limit=1)
        if found.height:
            return Row(found.row(0, named=True))
    return None


def _record(tables: RunTables, problem_id: str) -> Row:
    """The problem itself: from a problem table, else from a response, else from the row that was dropped."""
    for place in reversed(PLAN):
        folder = tables.at(tables.run / place.folder)
        if place.unit == "problems" and folder.readable:
            found = find_rows(folder.parts, ("id",), problem_id, limit=1)
            if found.height:
                return _cut(found.row(0, named=True))
    for folder in tables.folders.values():
        if "problem" in folder.columns():
            found = find_rows(folder.parts, ("id", "problem_id"), problem_id, _PROBLEM, limit=1)
            if found.height:
                return _cut(found.row(0, named=True))
        if "prompt" in folder.columns():
            found = find_rows(folder.parts, ("problem_id",), problem_id, ("prompt", *_PROBLEM), limit=1)
            if found.height:
                row = found.row(0, named=True)
                return _cut(row | {"problem": _said(row.pop("prompt"))[1]})
        found = find_rows(folder.dropped, ("row_id",), problem_id, ["row"], limit=1)
        if found.height and found["row"][0]:
            try:
                row = json.loads(found["row"][0])
            except ValueError:
                continue
            if isinstance(row, dict):
                return _cut(row)
    return Row()


def _sets(tables: RunTables, problem_id: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in DATASETS:
        folder = tables.at(tables.layout.dataset(name))
        if not folder.readable:
            continue
        columns = ["response_id", "chosen_response_id", "rejected_response_id"]
        rows = find_rows(folder.parts, ("problem_id",), problem_id, columns)
        for row in rows.iter_rows(named=True) if rows.width else ():
            for column, value in row.items():
                word = {
                    "chosen_response_id": f"{name}: chosen",
                    "rejected_response_id": f"{name}: rejected",
                }.get(column, name)
                if value:
                    found.setdefault(value, []).append(word)
    return found


def _lost(tables: RunTables, problem_id: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for folder in tables.folders.values():
        rows = find_rows(folder.dropped, ("problem_id",), problem_id, ["row_id", "reason"])
        for row in rows.iter_rows(named=True) if rows.width else ():
            found.setdefault(row["row_id"], []).append(f"{folder.name}: {row['reason']}")
    return found


def _pairs(tables: RunTables, problem_id: str) -> list[Pair]:
    at = tables.layout
    table = tables.first(at.dataset("preference"), at.selected("preference"))
    if not table.readable:
        table = next((t for t in tables.folders.values() if {"chosen", "rejected"} <= {*t.columns()}), table)
    rows = find_rows(table.parts if table.readable else (), ("problem_id",), problem_id)
    return [_pair(row) for row in rows.head(MOST_PAIRS).iter_rows(named=True)]


def _pair(row: dict[str, Any]) -> Pair:
    texts = ("prompt", "chosen", "rejected")
    chosen, rejected = _said(row.get("chosen")), _said(row.get("rejected"))
    facts = Row({name: value for name, value in row.items() if name not in texts})
    both = ["\n\n".join(part for part in side if part) for side in (chosen, rejected)]
    return Pair(facts, chosen, rejected, compare(*both))


def _said(messages: Any) -> tuple[str, str]:
    """A training message taken apart at the think tags that were put in when the row was made."""
    if not isinstance(messages, list | pl.Series):
        return "", ""
    text = "\n\n".join(str(m.get("content") or "") for m in messages if isinstance(m, dict))
    thought, tag, rest = text.partition("</think>")
    if not tag:
        return "", text[:MOST_TEXT]
    return thought.strip().removeprefix("<think>").strip()[:MOST_TEXT], rest.strip()[:MOST_TEXT]


def _cut(row: dict[str, Any]) -> Row:
    """The row, its texts as text whatever the table holds, cut to what a page can hold."""
    texts = {name: cut_text(as_text(row[name])) for name in _TEXTS if row.get(name) is not None}
    choices = row.get("choices")
    return Row(
        row | texts | {"choices": [as_text(item) for item in choices] if isinstance(choices, list) else None}
    )


def as_text(value: Any) -> str:
    """A value as a reader wants it: text as it is, messages one below the other, anything else as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(m, dict) and "content" in m for m in value):
        return "\n\n".join(f"[{m.get('role')}]\n{m['content'] or ''}" for m in value)
    if isinstance(value, list | dict):
        return json.dumps(value, indent=2, ensure_ascii=False, default=str)
    return str(value)


def cut_text(text: str) -> str:
    """A text's first `MOST_TEXT` characters, with the number of those left out."""
    if len(text) <= MOST_TEXT:
        return text
    return f"{text[:MOST_TEXT]}\n… ({len(text) - MOST_TEXT:,} more characters in the table)"
