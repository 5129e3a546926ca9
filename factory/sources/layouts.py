"""Where published sets and people's files hold the problem, its answer and the responses: one small table per layout.

Paths are those of `factory.sources.row_paths`. Of several, separated by spaces, the first that holds something counts; texts
of paths with a `+` between are joined.

Columns are those of the sets' pages on the Hub, as of 2026-11.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from factory.config.base import did_you_mean
from factory.errors import UsageError
from factory.sources.row_paths import head, holds_nothing, looked_into, sum_at, text_from

USER = "role=user|human"
MODEL = "role=assistant|gpt|model"
ASKED = "from=human|user"
SAID = "from=gpt|assistant|model|chatgpt|bot"


@dataclass(frozen=True, slots=True)
class Trace:
    """Where a response is: as one text with its reasoning inside, or as two. Paths with `[*]` hold one per response."""

    text: str = ""
    reasoning: str = ""
    model: str = ""
    """A path, or a name after `=`."""
    finish: str = ""
    """Finish reasons, as a server says them."""
    complete: str = ""
    """True where the response was not cut off."""
    verdict: str = ""
    """Whether the set itself counts the response as right; kept in the metadata, and believed by nobody."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a row holds what."""

    name: str
    needs: str
    """Paths that tell the layout: each holds something in one of the first rows."""
    problem: str
    answer: str = ""
    solution: str = ""
    choices: str = ""
    id: str = ""
    source: str = ""
    level: str = "level"
    traces: tuple[Trace, ...] = ()
    only: tuple[str, tuple[str, ...]] | None = None
    """A path and the values that are taken; rows with others are dropped."""
    skip: str = ""
    """Columns that are left out of the metadata because they repeat what is read."""

    @property
    def shown(self) -> str:
        """The layout in one line, for the user."""
        parts = [p for p in (self.problem, self.answer, self.choices) if p]
        traces = [" + ".join(p for p in (t.reasoning, t.text) if p) for t in self.traces]
        arrow = f" -> responses from {', '.join(traces)}" if traces else " -> problems"
        return f"{self.name} ({', '.join(parts)}){arrow}"


_ANSWER = (
    "answer expected_answer ground_truth final_answer gold reward_model.ground_truth reference_answer "
    "target correct_answer correct answer_idx"
)
_PROBLEM = "problem question prompt query instruction input text original_question"
_CHOICES = "choices options"
_ID = "id uuid problem_id question_id task_id extra_info.index unique_id"
_CHAT = Layout(
    "messages",
    f"messages[{USER}].content",
    f"problem question messages[{USER}].content",
    _ANSWER,
    "solution",
    id=_ID,
    source="source dataset",
    skip="messages",
    traces=(Trace(text=f"messages[{MODEL}].content", reasoning=f"messages[{MODEL}].reasoning_content"),),
)
LAYOUTS = (
    Layout(
        "cot-factory",
        "response_id problem_id problem content",
        "problem",
        "answer",
        "solution",
        "choices",
        id="problem_id",
        source="source",
        traces=(Trace(text="content", reasoning="reasoning", model="model", finish="finish_reason"),),
    ),
    Layout(
        "openr1",
        "problem generations[*]",
        "problem",
        "answer",
        "solution",
        id="uuid",
        source="source",
        skip="messages correctness_count",
        traces=(
            Trace(
                text="generations[*]",
                model="=deepseek-r1",
                finish="finish_reasons[*]",
                complete="is_reasoning_complete[*]",
                verdict="correctness_math_verify[*]",
            ),
        ),
    ),
    Layout(
        "openthoughts-metadata",
        "problem deepseek_reasoning deepseek_solution",
        "problem",
        "answer",
        "ground_truth_solution",
        source="source",
        traces=(Trace(text="deepseek_solution", reasoning="deepseek_reasoning", model="=deepseek-r1"),),
    ),
    Layout(
        "s1k-1.1",
        "question deepseek_thinking_trajectory deepseek_attempt",
        "question",
        "answer",
        "solution",
        source="source_type",
        traces=(
            Trace("deepseek_attempt", "deepseek_thinking_trajectory", "=deepseek-r1"),
            Trace("gemini_attempt", "gemini_thinking_trajectory", "=gemini-2.0-flash-thinking"),
        ),
    ),
    Layout(
        "s1k",
        "question thinking_trajectories[*] attempt",
        "question",
        "answer",
        "solution",
        source="source_type",
        traces=(Trace("attempt", "thinking_trajectories[0]", "=gemini-2.0-flash-thinking"),),
    ),
    Layout(
        "am-distilled",
        f"messages[{USER}].content messages[{MODEL}].info.answer_content",
        f"messages[{USER}].content",
        f"messages[{USER}].info.reference_answer messages[{MODEL}].info.reference_answer",
        source=f"messages[{USER}].info.source",
        skip="messages",
        traces=(
            Trace(
                text=f"messages[{MODEL}].info.answer_content",
                reasoning=f"messages[{MODEL}].info.think_content",
                model="=deepseek-r1",
            ),
        ),
    ),
    Layout(
        "open-math-reasoning",
        "problem generated_solution expected_answer",
        "problem",
        "expected_answer",
        source="problem_source",
        traces=(Trace("generated_solution", model="generation_model"),),
        only=("inference_mode", ("cot", "")),
    ),
    Layout(
        "verl",
        "prompt[role=user].content reward_model.ground_truth",
        "extra_info.question prompt[role=user].content",
        "reward_model.ground_truth extra_info.answer",
        id="extra_info.id",
        source="data_source",
        skip="prompt",
    ),
    Layout(
        "sharegpt",
        f"conversations[{ASKED}].value",
        f"problem question conversations[{ASKED}].value",
        _ANSWER,
        id=_ID,
        source="source",
        skip="conversations",
        traces=(Trace(text=f"conversations[{SAID}].value"),),
    ),
    _CHAT,
    replace(
        _CHAT,
        name="conversations",
        needs=f"conversations[{USER}].content",
        problem=f"problem question conversations[{USER}].content",
        skip="conversations",
        traces=(Trace(text=f"conversations[{MODEL}].content"),),
    ),
    Layout(
        "prompt-completion",
        "prompt completion",
        f"prompt[{USER}].content prompt",
        _ANSWER,
        id=_ID,
        source="source",
        traces=(
            Trace(
                text=f"completion[{MODEL}].content completion",
                reasoning=f"completion[{MODEL}].reasoning_content",
            ),
        ),
    ),
    Layout("alpaca", "instruction output", "instruction+input", "answer", traces=(Trace("output"),)),
    Layout("metamath", "query response original_question", "query", "answer", traces=(Trace("response"),)),
    Layout(
        "columns",
        "",
        f"{_PROBLEM} prompt[{USER}].content",
        _ANSWER,
        "solution canonical_solution rationale",
        _CHOICES,
        id=_ID,
        source="source data_source",
        traces=(
            Trace(
                text="content response responses[*] generation generations[*] completion prediction output "
                "generated_solution",
                reasoning="reasoning reasoning_content thinking think",
                model="model generation_model",
            ),
        ),
    ),
)
"""In the order in which they are looked for; the last takes what has the usual columns."""
TOOLS = ("tool", "function", "function_call", "observation", "ipython")
"""Speakers that are programs (OpenAI, Llama 3, LLaMA-Factory)."""
ROLES = ("problem", "answer", "solution", "choices", "id", "source", "level")
TRACE_ROLES = {"response": "text", "reasoning": "reasoning", "model": "model", "finish": "finish"}


def choose_layout(
    rows: Sequence[Mapping[str, Any]], where: str, name: str = "", fields: Mapping[str, str] | None = None
) -> Layout:
    """The layout of a file, from its first rows.

    Args:
        rows: the first rows.
        where: the file, for errors.
        name: the layout that the user named.
        fields: what the user said of single fields: a role (`problem`, `answer`, `response`, ...) to a path.

    Raises:
        UsageError: nothing says where the problem is, or the user's names are not those of layouts, roles or columns.
    """
    names = [layout.name for layout in LAYOUTS]
    if name and name not in names:
        raise UsageError(
            f"no layout {name}", do=did_you_mean(name, names) or f"choose one of {', '.join(names)}"
        )
    found = next(
        layout
        for layout in LAYOUTS
        if layout.name == name or (not name and all(_anywhere(rows, path) for path in layout.needs.split()))
    )
    layout = _with_fields(found, rows, fields or {}, where)
    if not any(text_from(sum_at(row, path)) for row in rows for path in layout.problem.split()):
        names = list(dict.fromkeys(str(key) for row in rows for key in row))
        empty = next((head(path) for path in layout.problem.split() if head(path) in names), None)
        columns = ", ".join(name[:40] for name in names[:20]) + (", ..." if len(names) > 20 else "")
        what = (
            f"{empty} holds no text in the first {len(rows):,} rows"
            if empty
            else "no column holds the problem"
        )
        raise UsageError(
            f"{where}: {what} (columns: {columns or 'none'})",
            do="say where it is: --fields problem=COLUMN, such as problem=messages[0].content",
        )
    return _narrowed(layout, rows)


def chat_speakers(row: Mapping[str, Any], layout: Layout) -> list[Any]:
    """Who speaks in the row's chat, in order; nobody where there is none."""
    column = next((head(path) for path in layout.problem.split() if "[" in path), "")
    chat = looked_into(row.get(column))
    if not isinstance(chat, list):
        return []
    return [each.get("role") or each.get("from") for each in chat if isinstance(each, Mapping)]


def _with_fields(
    layout: Layout, rows: Sequence[Mapping[str, Any]], fields: Mapping[str, str], where: str
) -> Layout:
    for role, path in fields.items():
        if role not in (*ROLES, *TRACE_ROLES):
            roles = [*ROLES, *TRACE_ROLES]
            raise UsageError(
                f"no field {role} to set", do=did_you_mean(role, roles) or f"choose one of {', '.join(roles)}"
            )
        if role != "model" and not _anywhere(rows, path):
            columns = list(dict.fromkeys(str(key) for row in rows for key in row))
            near = did_you_mean(head(path), columns)
            raise UsageError(
                f"{where}: nothing at {path} (for {role}) in the first {len(rows):,} rows",
                do=near or f"columns: {', '.join(columns)}",
            )
    if not fields:
        return layout
    own: dict[str, Any] = {role: path for role, path in fields.items() if role in ROLES}
    trace = {TRACE_ROLES[role]: path for role, path in fields.items() if role in TRACE_ROLES}
    if "model" in trace and not _anywhere(rows, trace["model"]):
        trace["model"] = f"={trace['model']}"
    traces = layout.traces
    if trace:
        base = Trace() if "text" in trace or not traces else traces[0]
        traces = (replace(base, **trace),)
    return replace(layout, **own, traces=traces)


def _narrowed(layout: Layout, rows: Sequence[Mapping[str, Any]]) -> Layout:
    """The layout with the paths that hold something, for those that are looked for by the usual names."""
    own: dict[str, Any] = {role: _there(rows, getattr(layout, role)) for role in ROLES}
    traces = []
    for trace in layout.traces:
        text, reasoning = _there(rows, trace.text), _there(rows, trace.reasoning)
        if text or reasoning:
            traces.append(replace(trace, text=text, reasoning=reasoning))
    return replace(layout, **own, traces=tuple(traces))


def _there(rows: Sequence[Mapping[str, Any]], paths: str) -> str:
    """The first path that holds something, and others into the same column."""
    found = [path for path in paths.split() if _anywhere(rows, path)]
    return " ".join(path for path in found if head(path) == head(found[0]))


def _anywhere(rows: Iterable[Mapping[str, Any]], path: str) -> bool:
    return any(not holds_nothing(sum_at(row, path)) for row in rows)
