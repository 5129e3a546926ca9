"""One problem with everything that was made of it: its record, all responses, its preference pairs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import polars as pl

from factory.report.lineage import find_rows
from factory.report.tables import RunTables
from factory.run.layout import DATASETS

MOST_RESPONSES = 64
"""Responses on one page; more are counted, not shown."""

MOST_TEXT = 400_000
"""Characters of one text that are sent to the page."""

_RESPONSE = (
    "response_id",
    "problem_id",
    "sample_index",
    "sampler",
    "model",
    "served_model",
    "model_revision",
    "status",
    "finish_reason",
    "verdict",
    "method",
    "extracted",
    "answer",
    "gold_canonical",
    "extracted_canonical",
    "verdict_reason",
    "checker_version",
    "judged",
    "temperature",
    "top_p",
    "prompt_tokens",
    "completion_tokens",
    "reasoning_tokens",
    "usd",
    "error",
    "reasoning",
    "content",
    "request_key",
)


@dataclass(frozen=True, slots=True)
class Answer:
    """One response with its verdict, the sets it went into and the reasons for which it was dropped."""

    row: dict[str, Any]
    sets: tuple[str, ...]
    dropped: tuple[str, ...]
    student: bool


@dataclass(frozen=True, slots=True)
class Pair:
    """A preference pair, ready to be laid side by side; each side is (reasoning, answer part)."""

    row: dict[str, Any]
    chosen: tuple[str, str]
    rejected: tuple[str, str]


@dataclass(frozen=True, slots=True)
class ProblemPage:
    """What the page of a problem shows."""

    record: dict[str, Any]
    answers: list[Answer]
    hidden: int
    pairs: list[Pair]


def problem_page(tables: RunTables, problem_id: str) -> ProblemPage:
    """Collect a problem's record, responses and pairs from the run's tables; each may be missing."""
    at = tables.layout
    record = _record(tables, problem_id)
    sets = _sets(tables, problem_id)
    lost = _lost(tables, problem_id)
    answers = []
    for table, student in ((tables.first(at.verdicts, at.responses), False), (tables.at(at.rollouts), True)):
        if table.readable:
            rows = find_rows(table.parts, ("problem_id",), problem_id, _RESPONSE)
            if rows.height:
                for row in rows.sort("sample_index", maintain_order=True).iter_rows(named=True):
                    key = row["response_id"]
                    answers.append(
                        Answer(_cut(row), tuple(sets.get(key, ())), tuple(lost.get(key, ())), student)
                    )
    return ProblemPage(
        record, answers[:MOST_RESPONSES], max(len(answers) - MOST_RESPONSES, 0), _pairs(tables, problem_id)
    )


def dropped_row(tables: RunTables, row_id: str) -> dict[str, Any] | None:
    """The whole row of a dropped row that never became a problem."""
    for folder in tables.folders.values():
        found = find_rows(folder.dropped, ("row_id",), row_id, limit=1)
        if found.height:
            return found.row(0, named=True)
    return None


def _record(tables: RunTables, problem_id: str) -> dict[str, Any]:
    """The problem itself: from a problem table, else from a response, else from the row that was dropped."""
    at = tables.layout
    for path in (at.difficulty, at.clean_problems, at.unique_problems, at.problems, at.held_out):
        folder = tables.at(path)
        if folder.readable:
            found = find_rows(folder.parts, ("id",), problem_id, limit=1)
            if found.height:
                return _cut(found.row(0, named=True))
    for folder in tables.folders.values():
        if folder.readable and "problem" in folder.columns():
            wanted = [
                "problem",
                "answer",
                "answer_kind",
                "choices",
                "solution",
                "source",
                "licence",
                "domain",
                "level",
            ]
            found = find_rows(folder.parts, ("id", "problem_id"), problem_id, wanted, limit=1)
            if found.height:
                return _cut(found.row(0, named=True))
        found = find_rows(folder.dropped, ("row_id",), problem_id, ["row"], limit=1)
        if found.height and found["row"][0]:
            try:
                row = json.loads(found["row"][0])
            except ValueError:
                continue
            if isinstance(row, dict):
                return _cut(row)
    return {}


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
        return []
    rows = find_rows(table.parts, ("problem_id",), problem_id)
    return [
        Pair(
            {k: v for k, v in row.items() if k not in ("prompt", "chosen", "rejected")},
            _said(row["chosen"]),
            _said(row["rejected"]),
        )
        for row in rows.head(MOST_RESPONSES).iter_rows(named=True)
    ]


def _said(messages: Any) -> tuple[str, str]:
    """A training message taken apart at the think tags that were put in when the row was made."""
    if not isinstance(messages, list | pl.Series):
        return "", ""
    text = "\n\n".join(str(m.get("content") or "") for m in messages if isinstance(m, dict))
    thought, tag, rest = text.partition("</think>")
    if not tag:
        return "", text[:MOST_TEXT]
    return thought.strip().removeprefix("<think>").strip()[:MOST_TEXT], rest.strip()[:MOST_TEXT]


def _cut(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: f"{value[:MOST_TEXT]}\n… ({len(value) - MOST_TEXT:,} more characters in the table)"
        if isinstance(value, str) and len(value) > MOST_TEXT
        else value
        for name, value in row.items()
    }
