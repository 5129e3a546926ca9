"""A row of any layout as a problem, and as the responses that came with it."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from typing import Any

from factory.atomic import digest
from factory.config.problems import SourceSection
from factory.sampling.finish import status_of
from factory.sources.columns import ASKS, text_of
from factory.sources.layouts import TOOLS, Layout, Trace, chat_speakers
from factory.sources.normalise import problem_row
from factory.sources.problems import name_problem, problem_key
from factory.sources.row_paths import first_of, head, holds_nothing, in_parts, text_from, value_at
from factory.text.reasoning import split_response
from factory.verification.extraction import boxed

STEP = "import"
NO_GOLD = ("proof", "notfound", "nan", "none", "null", "n/a", "")
"""Words in a column of answers that mean that there is none (NuminaMath and others)."""


@dataclass(slots=True)
class Seen:
    """Problems and responses so far."""

    problems: dict[bytes, str] = field(default_factory=dict)
    """`problem_key` to the problem's id."""
    ids: dict[str, bytes] = field(default_factory=dict)
    samples: Counter[str] = field(default_factory=Counter)
    """Responses per problem."""
    models: Counter[str] = field(default_factory=Counter)

    def knows(self, problem: dict[str, Any]) -> bool:
        """Give the problem its id; True if an earlier row was the same problem (`problem_key`)."""
        key = problem_key(problem)
        if (known := self.problems.get(key)) is not None:
            problem["id"] = known
            return True
        name_problem(problem, self.ids)
        self.problems[key] = problem["id"]
        return False


def problem_of(
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
    read = _columns_read(layout)
    rest = {key: value for key, value in row.items() if key not in read and value is not None}
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


@cache
def _columns_read(layout: Layout) -> frozenset[str]:
    """Columns that have a place of their own, so that they are not metadata."""
    read = {head(path) for trace in layout.traces for path in _trace_paths(trace)} | set(layout.skip.split())
    for role in ("problem", "answer", "solution", "choices", "source"):
        read |= set(getattr(layout, role).split())
    return frozenset(read)


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


def responses_of(
    row: Mapping[str, Any],
    layout: Layout,
    source: SourceSection,
    name: str,
    problem: Mapping[str, Any],
    seen: Seen,
) -> Iterator[dict[str, Any]]:
    """Rows of RESPONSE, with what is known of each: model, set and revision; no sampling settings.

    Args:
        row: a row of the set.
        layout: where it holds what.
        source: what the user says of the set.
        name: what the set is called.
        problem: the row as a problem.
        seen: numbers the responses of a problem.
    """
    came = {"source_set": name, "source_revision": source.revision}
    own = {name: value for name, value in problem.items() if name != "id"}
    known = json.loads(own["metadata"] or "{}")
    for trace in layout.traces:
        for text, reasoning, finish, complete, verdict in _pieces(row, trace):
            parts = split_response(reasoning, text or "")
            end = "length" if complete is False else finish or "stop"
            number = seen.samples[problem["id"]]
            seen.samples[problem["id"]] += 1
            model = source.model or _model(row, trace)
            seen.models[model] += 1
            key = digest([STEP, problem["source"], problem["id"], reasoning, text])
            said = {**came, "source_verdict": verdict}
            metadata = known | {k: v for k, v in said.items() if v is not None}
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
                "metadata": json.dumps(metadata, ensure_ascii=False),
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
