"""Rows in full: a typical one of every training set, random responses, and rows that every step dropped."""

from __future__ import annotations

import json
import random
from typing import Any

import polars as pl

from factory.report.blocks import Block, Fold, Row, Section, link, many, piece, shorten, show
from factory.report.step_folders import RunTables, StepFolder, ordered, scan_columns
from factory.report.words import reason_words, step_words
from factory.text.reasoning import split_text

SHOWN, MORE = 2, 8
"""Random responses at once, and behind a fold."""
REASONS = 3
"""Reasons of a step of which a dropped row is shown."""
_FACTS = ("verdict", "verdict_reason", "answer", "completion_tokens", "domain", "level", "source", "sampler")
_SET_FACTS = ("level", "source", "completion_tokens", "pass_rate", "chosen_tokens", "rejected_tokens")
_ROWS = {"preference": "pairs", "rl": "prompts"}
"""What the rows of a set are; elsewhere rows."""


def set_rows(run: RunTables) -> Section | None:
    """One real row of every training set; a pair side by side."""
    blocks = [
        block
        for name in ("midtrain", "sft", "rl", "preference")
        for block in _set_row(run.at(run.layout.dataset(name)), name)
    ]
    said = "datasets/, of median length (rl: of median pass rate)"
    return Section("sets-rows", "One row of each set", said, tuple(blocks)) if blocks else None


def _set_row(folder: StepFolder, name: str) -> list[Block]:
    by = {"preference": "chosen_tokens", "rl": "pass_rate"}.get(name, "completion_tokens")
    sizes = folder.typed(**{by: pl.Float64}).with_row_index("at")
    if not sizes.height:
        return []
    place = sizes.sort(by, "at", nulls_last=False)["at"][sizes.height // 2]
    row = scan_columns(folder.parts).slice(place, 1).collect().row(0, named=True)
    facts: list[tuple[str, str]] = [("id", link(row["problem_id"]))] if row.get("problem_id") else []
    facts += [(key.replace("_", " "), _fact(row[key])) for key in _SET_FACTS if row.get(key) is not None]
    pieces = piece("problem", message_text(row.get("prompt")))
    sides: tuple[Any, ...] = ()
    if name == "preference":
        sides = tuple((side, _parts(message_text(row.get(side)))) for side in ("chosen", "rejected"))
    else:
        pieces += _parts(message_text(row.get("completion")))
        if name == "rl":
            pieces += piece("gold answer", row.get("answer"), short=True)
    return [Row(f"{name}: one of {many(sizes.height, _ROWS.get(name, 'rows'))}", tuple(facts), pieces, sides)]


def message_text(messages: Any) -> str | None:
    """The text of the last message of a conversation, or the text itself."""
    if isinstance(messages, list) and messages and isinstance(messages[-1], dict):
        messages = messages[-1].get("content")
    return None if messages is None else str(messages)


def _parts(text: str | None) -> tuple[Any, ...]:
    if text is None:
        return ()
    parts = split_text(text)
    return piece("reasoning", parts.reasoning) + piece("answer", parts.content.strip(), short=True)


def samples(run: RunTables) -> Section | None:
    """Random responses of the teacher, more on request, and dropped rows of every step by reason."""
    table = run.best_verdicts if run.best_verdicts.readable else run.at(run.layout.responses)
    blocks: list[Block] = []
    height = table.rows(["response_id"]).height
    if height:
        places = random.Random(0).sample(range(height), min(height, SHOWN + MORE))
        scan = scan_columns(table.parts, ["response_id", "problem", "reasoning", "content", *_FACTS])
        found = [_response(scan.slice(place, 1).collect().row(0, named=True)) for place in places]
        blocks += found[:SHOWN]
        if found[SHOWN:]:
            blocks.append(
                Fold(f"{many(len(found[SHOWN:]), 'more responses')}, drawn at random", tuple(found[SHOWN:]))
            )
    dropped = [_dropped(folder.name, row) for folder in ordered(run) for row in _dropped_examples(folder)]
    if dropped:
        blocks.append(Fold("Dropped rows, one for each reason of every step", tuple(dropped)))
    names = f"{table.name}, __dropped/" if height else "__dropped/"
    return Section("samples", "Samples", names, tuple(blocks)) if blocks else None


def _response(row: dict[str, Any]) -> Row:
    facts: list[tuple[str, str]] = [("id", link(row["response_id"]))] if row["response_id"] else []
    facts += [(key.replace("_", " "), _fact(row[key])) for key in _FACTS if row[key] is not None]
    pieces = piece("problem", row["problem"]) + piece("reasoning", row["reasoning"])
    return Row(
        f"A response: {row['verdict'] or 'without a verdict'}",
        tuple(facts),
        pieces + piece("answer", row["content"], short=True),
    )


def _dropped_examples(folder: StepFolder) -> list[dict[str, Any]]:
    """One dropped row of each of the first three reasons; only their texts are read."""
    if not folder.dropped:
        return []
    reasons = folder.dropped_rows(["reason"]).with_row_index("at")
    places = reasons.unique("reason", keep="first", maintain_order=True)["at"].head(REASONS).to_list()
    columns = ["row_id", "reason", "detail", "evidence", "row"]
    scan = scan_columns(folder.dropped, columns)
    return [row for at in places for row in scan.slice(at, 1).collect().iter_rows(named=True)]


def _dropped(folder: str, row: dict[str, Any]) -> Row:
    """Its own texts where the row has some, else the row as it was."""
    inside = _json(row["row"])
    texts = tuple(
        each
        for name in ("problem", "reasoning", "content", "text", "chosen", "rejected")
        for each in piece(name, message_text(inside.get(name)))
    )
    evidence = "; ".join(
        f"{key.replace('_', ' ')}: {_fact(value)}"
        for key, value in _json(row["evidence"]).items()
        if value is not None
    )
    facts: list[tuple[str, str]] = [("row", link(row["row_id"]))] if row["row_id"] else []
    if row["detail"]:
        facts.append(("detail", _fact(row["detail"])))
    pieces = (texts or piece("the row", row["row"])) + piece("evidence", evidence or row["evidence"])
    return Row(f"{step_words(folder)}: {reason_words(str(row['reason']))}", tuple(facts), pieces)


def _json(text: Any) -> dict[str, Any]:
    try:
        value = json.loads(text) if text else {}
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _fact(value: Any) -> str:
    return shorten(
        show(json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, list | dict) else value),
        160,
    )
