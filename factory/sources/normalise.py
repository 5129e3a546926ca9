"""From rows as they come to the columns of `schemas.PROBLEM`."""

from __future__ import annotations

import ast
import json
import re
from typing import Any

import polars as pl

from factory.run.tables import dropped_rows
from factory.sources.columns import ASKS, text_of
from schemas import PROBLEM, AnswerKind, Level

PLACE = "_place"
"""Column with each row's `FILE:LINE`; never leaves the room."""
STEP = "problems"
_LABEL = re.compile(r"^\(?([A-Z])[).:]\s*")


def problem_rows(
    rows: pl.DataFrame, problem_field: str, answer_field: str, source: str
) -> tuple[list[dict[str, Any]], pl.DataFrame]:
    """PROBLEM rows (without made-up ids), and the rows that hold no problem text, in DROPPED form.

    Columns that PROBLEM does not know, and values that it does not allow (a level `5`), go to `metadata`.
    """
    kept, empty = [], []
    for number, row in enumerate(rows.iter_rows(named=True), start=1):
        place = row.pop(PLACE, None) or f"{source}:{number}"
        text = _asked(row.pop(problem_field))
        if text is None or not text.strip():
            empty.append({"id": text_of(row.get("id")) or place, "row": json.dumps(row, default=str)})
            continue
        kept.append(problem_row(row, text, answer_field, source))
    return kept, _without_text(empty, problem_field)


def _asked(value: Any) -> str | None:
    """A problem's text; of chat messages what the user says. Other lists and objects are no text: nobody is asked JSON."""
    read = literal(value) if isinstance(value, str) and value.lstrip().startswith(("{", "[{")) else value
    if not isinstance(read, (list, dict)):
        return text_of(value)
    chat = [each for each in read if isinstance(each, dict)]
    said = [m.get("content") or m.get("value") for m in chat if (m.get("role") or m.get("from")) in ASKS]
    return "\n".join(text for text in said if isinstance(text, str)) or None


def problem_row(row: dict[str, Any], text: str, answer_field: str, source: str) -> dict[str, Any]:
    """A row of PROBLEM from a row whose columns have PROBLEM's names; the row is emptied of what was taken."""
    answer = _text_or_none(row.pop(answer_field, None))
    level = row.pop("level", None)
    kind = row.pop("answer_kind", None)
    choices = row.pop("choices", None)
    licence = row.pop("licence", None) or row.pop("license", None)
    extra = _metadata(row.pop("metadata", None))
    problem = {
        "id": _text_or_none(row.pop("id", None)),
        "problem": text,
        "answer": answer,
        "answer_kind": kind if kind in list(AnswerKind) else None,
        "answer_source": row.pop("answer_source", None) or ("given" if answer is not None else None),
        "choices": read_choices(choices),
        "solution": _text_or_none(row.pop("solution", None)),
        "source": _text_or_none(row.pop("source", None)) or source,
        "licence": _text_or_none(licence),
        "domain": _text_or_none(row.pop("domain", None)),
        "level": level if level in list(Level) else None,
    }
    for name, value, taken in (
        ("level", level, problem["level"]),
        ("answer_kind", kind, problem["answer_kind"]),
        ("choices", choices, problem["choices"]),
    ):
        if value is not None and taken is None:
            extra[name] = value
    extra |= {name: value for name, value in row.items() if value is not None and name not in PROBLEM.names}
    return problem | {"metadata": json.dumps(extra, ensure_ascii=False, default=str) if extra else None}


def read_choices(value: Any) -> list[str] | None:
    """Option texts in order, from a list, an object `{"A": ...}`, or either as JSON or Python text; labels are cut off."""
    if isinstance(value, str):
        value = literal(value)
    if isinstance(value, dict):
        value = [value[key] for key in sorted(value)]
    if not isinstance(value, list) or not value:
        return None
    texts = [text_of(item) or "" for item in value]
    labels = [match.group(1) if (match := _LABEL.match(text)) else None for text in texts]
    if labels == [chr(ord("A") + i) for i in range(len(texts))]:
        texts = [_LABEL.sub("", text, count=1) for text in texts]
    return texts


def literal(text: str) -> Any:
    """What a text is as JSON or as a Python literal, None where it is neither."""
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return None


def _metadata(value: Any) -> dict[str, Any]:
    read = literal(value) if isinstance(value, str) else value
    if isinstance(read, dict):
        return dict(read)
    return {} if value is None else {"metadata": value}


def _text_or_none(value: Any) -> str | None:
    text = text_of(value)
    return text if text is not None and text.strip() else None


def _without_text(rows: list[dict[str, Any]], problem_field: str) -> pl.DataFrame:
    frame = pl.DataFrame(rows, schema={"id": pl.String, "row": pl.String})
    dropped = dropped_rows(
        frame, step=STEP, reason="no_problem_text", detail=f"column {problem_field} is empty"
    )
    return dropped.with_columns(problem_id=pl.lit(None, dtype=pl.String), row=frame["row"])
