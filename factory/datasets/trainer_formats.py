"""Row formats of other trainers: what a row of each training set becomes.

Every format is a pure mapping from a row of `schemas.training` to a row that the trainer's own loader reads. Columns and
rewards were read in the releases that docs/export.md names; `tests/datasets/trainers` runs those loaders.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa

from factory.config.base import did_you_mean
from factory.errors import UsageError
from factory.verification.code_tests import read_suite
from schemas import AnswerKind, Column, TableSchema

Reasoning = Literal["tags", "field", "none"]
"""Where the trace goes: between think tags in the text, in a field `reasoning_content`, or nowhere."""
Row = dict[str, Any]

VERSION = 1
"""Rises when a format writes other rows."""
MESSAGE = pa.struct({"role": pa.string(), "content": pa.string()})
THINKING_MESSAGE = pa.struct({"role": pa.string(), "content": pa.string(), "reasoning_content": pa.string()})
BOXED = (AnswerKind.MATH.value, AnswerKind.CHOICE.value)
WORDS = (*BOXED, AnswerKind.TEXT.value)
TESTED = (*WORDS, AnswerKind.CODE.value)


@dataclass(frozen=True, slots=True)
class Shape:
    """One set in a trainer's format: its columns, and what a row becomes.

    `grades` are the answer kinds of an rl set that the trainer's reward can tell right from wrong; None for sets
    without a reward.
    """

    columns: Mapping[str, pa.DataType]
    row: Callable[[Row], Row]
    grades: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Format:
    """A trainer's formats, by the table that a set's rows are of: completion, preference, rl_prompt."""

    shapes: Mapping[str, Shape]
    reasoning: tuple[Reasoning, ...] = ("tags", "none")
    """What its chat templates take; the first is the default."""
    lines: bool = False
    """JSON Lines instead of Parquet."""
    why_not: Mapping[str, str] = field(default_factory=dict)
    """Tables that it has no format for, each with the reason."""

    def schema(self, name: str, table: str, reasoning: Reasoning) -> TableSchema:
        """The columns of a set in this format."""
        message = THINKING_MESSAGE if reasoning == "field" else MESSAGE
        columns = self.shapes[table].columns.items()
        return TableSchema(
            f"{name} {table}",
            VERSION,
            tuple(
                Column(key, _with(kind, message), f"As {name} reads it.", required=True)
                for key, kind in columns
            ),
        )


def _with(kind: pa.DataType, message: pa.DataType) -> pa.DataType:
    """The type with messages of this kind in place of `MESSAGE`."""
    if kind == MESSAGE:
        return message
    if pa.types.is_list(kind):
        return pa.list_(_with(kind.value_type, message))
    return kind


def split_reasoning(text: str) -> tuple[str | None, str]:
    """Take apart what `render_completion` put together: (reasoning or None, answer); nothing follows a cut trace."""
    if not text.startswith("<think>\n"):
        return None, text
    reasoning, _, answer = text.removeprefix("<think>\n").partition("\n</think>\n\n")
    return reasoning, answer


def is_cut(message: Row) -> bool:
    """True for a reply that ended while it reasoned."""
    text = message["content"]
    return bool(text.startswith("<think>\n") and "\n</think>\n\n" not in text)


def place_reasoning(message: Row, reasoning: Reasoning) -> Row:
    """An assistant's message with its trace where it is wanted.

    A cut trace stays in the text: a template closes what it finds in `reasoning_content`.
    """
    if reasoning == "tags" or (reasoning == "field" and is_cut(message)):
        return message
    trace, answer = split_reasoning(message["content"])
    found = {"role": message["role"], "content": answer}
    return found | ({"reasoning_content": trace} if reasoning == "field" else {})


def prepare(row: Row, reasoning: Reasoning, system: str | None) -> Row:
    """A row of one of our sets with the trace and the system message as they are wanted.

    Args:
        row: a row of COMPLETION, PREFERENCE or RL_PROMPT.
        reasoning: see `Reasoning`.
        system: the system message; empty for none, None for the one that is there.
    """
    prompt = row["prompt"]
    if system is not None:
        prompt = [m for m in prompt if m["role"] != "system"]
        prompt = [*([{"role": "system", "content": system}] if system else []), *prompt]
    replies = {
        name: [place_reasoning(m, reasoning) for m in row[name]]
        for name in ("completion", "chosen", "rejected")
        if name in row
    }
    return row | {"prompt": prompt} | replies


def refusal(row: Row, shape: Shape, reasoning: Reasoning) -> str | None:
    """Why a row cannot be exported, or None: nothing is left of a reply, or no reward could grade the answer."""
    replies = (row[name][-1] for name in ("completion", "chosen", "rejected") if name in row)
    if reasoning == "none" and any(is_cut(message) for message in replies):
        return "cut_before_its_answer"
    if shape.grades is None:
        return None
    kind = row["answer_kind"]
    if kind not in shape.grades:
        return f"no_reward_for_{kind}"
    if kind == AnswerKind.CODE.value:
        return None if code_pairs(row) else "tests_not_in_pairs"
    return None if row["answer"] else "no_gold"


def code_pairs(row: Row) -> dict[str, Any] | None:
    """The unit tests of a code problem as `inputs` and `outputs` (and `fn_name`), or None when they are programs."""
    try:
        suite = read_suite(json.loads(row.get("metadata") or "{}"))
    except ValueError:
        return None
    if suite is None or not suite.scripts:
        return None
    return {"inputs": [given for given, _ in suite.scripts], "outputs": [want for _, want in suite.scripts]}


def find_format(name: str) -> Format:
    """The format of this name.

    Raises:
        UsageError: there is none; says which are there.
    """
    if name not in FORMATS:
        near = did_you_mean(name, FORMATS)
        raise UsageError(f"no trainer {name}", do=near or f"choose one of {', '.join(FORMATS)}")
    return FORMATS[name]


def _is_code(row: Row) -> bool:
    return bool(row["answer_kind"] == AnswerKind.CODE.value)


def _gold(row: Row) -> str:
    """The gold as text: tests as JSON, everything else as it is."""
    return json.dumps(code_pairs(row)) if _is_code(row) else str(row["answer"])


def _boxed(row: Row) -> str:
    return f"\\boxed{{{row['answer']}}}"


def _named(row: Row) -> Row:
    return {name: row.get(name) or "" for name in NAMES}


def _dialogue(row: Row) -> Row:
    return {"messages": row["prompt"] + row["completion"], **_named(row)}


def _question(row: Row) -> str:
    return str(row["prompt"][-1]["content"])


def _llama_factory_pair(row: Row) -> Row:
    return {
        "messages": row["prompt"],
        "chosen": row["chosen"][0],
        "rejected": row["rejected"][0],
        **_named(row),
    }


def _whole_pair(row: Row) -> Row:
    both = {name: row["prompt"] + row[name] for name in ("chosen", "rejected")}
    return {**both, **_named(row)}


def _swift_pair(row: Row) -> Row:
    return {
        "messages": row["prompt"] + row["chosen"],
        "rejected_messages": row["prompt"] + row["rejected"],
        **_named(row),
    }


def _verl_prompt(row: Row) -> Row:
    about = {"index": row["problem_id"], "source": row["source"], "licence": row.get("licence") or ""}
    return {
        "data_source": "apps" if _is_code(row) else "lighteval/MATH",
        "prompt": row["prompt"],
        "ability": "code" if _is_code(row) else "math",
        "reward_model": {"style": "rule", "ground_truth": _gold(row)},
        "extra_info": about,
    }


def _skyrl_prompt(row: Row) -> Row:
    return {
        "prompt": row["prompt"],
        "env_class": "boxed",
        "reward_spec": {"method": "rule", "ground_truth": _gold(row)},
        **_named(row),
    }


def _nemo_gym_prompt(row: Row) -> Row:
    agent = {"math": "math_with_judge", "choice": "mcqa", "code": "code_gen"}[row["answer_kind"]]
    graded: Row = {"expected_answer": row["answer"] or "", "question": _question(row)}
    if row["answer_kind"] == AnswerKind.CHOICE.value:
        options = [{chr(65 + i): text} for i, text in enumerate(row.get("choices") or ())]
        graded |= {"options": options, "grading_mode": "strict_single_letter_boxed"}
    if _is_code(row):
        graded = {"verifier_metadata": {"unit_tests": code_pairs(row)}}
    return {
        "responses_create_params": {"input": row["prompt"]},
        **graded,
        "agent_ref": {"type": "responses_api_agents", "name": f"{agent}_simple_agent"},
        **_named(row),
    }


def _openai_pair(row: Row) -> Row:
    return {
        "input": {"messages": row["prompt"]},
        "preferred_output": row["chosen"],
        "non_preferred_output": row["rejected"],
    }


TEXT = pa.string()
MESSAGES = pa.list_(MESSAGE)
NAMES = ("problem_id", "source", "licence")
"""What every row carries where the trainer leaves further columns alone."""
NAMED = dict.fromkeys(NAMES, TEXT)
DIALOGUE = Shape({"messages": MESSAGES, **NAMED}, _dialogue)
PARTS = Shape({"prompt": MESSAGES, "completion": MESSAGES, **NAMED}, lambda row: row)
PAIR = Shape({"prompt": MESSAGES, "chosen": MESSAGES, "rejected": MESSAGES, **NAMED}, lambda row: row)
RULE = {"method": TEXT, "ground_truth": TEXT}

FORMATS: dict[str, Format] = {
    "trl": Format(
        {
            "completion": PARTS,
            "preference": PAIR,
            "rl_prompt": Shape(
                {"prompt": MESSAGES, "solution": TEXT, **NAMED},
                lambda row: {"prompt": row["prompt"], "solution": _boxed(row), **_named(row)},
                BOXED,
            ),
        },
        ("tags", "field", "none"),
    ),
    "llama-factory": Format(
        {
            "completion": DIALOGUE,
            "preference": Shape(
                {"messages": MESSAGES, "chosen": MESSAGE, "rejected": MESSAGE, **NAMED}, _llama_factory_pair
            ),
        },
        why_not={"rl_prompt": "it has no reinforcement learning with rewards from answers"},
    ),
    "axolotl": Format(
        {
            "completion": DIALOGUE,
            "preference": Shape(
                {"messages": MESSAGES, "chosen": MESSAGE, "rejected": MESSAGE, **NAMED}, _llama_factory_pair
            ),
        },
        ("field", "tags", "none"),
        why_not={"rl_prompt": "it wants a transform and a reward of your own (rows for them: --for trl)"},
    ),
    "verl": Format(
        {
            "completion": DIALOGUE,
            "rl_prompt": Shape(
                {
                    "data_source": TEXT,
                    "prompt": MESSAGES,
                    "ability": TEXT,
                    "reward_model": pa.struct({"style": TEXT, "ground_truth": TEXT}),
                    "extra_info": pa.struct({"index": TEXT, "source": TEXT, "licence": TEXT}),
                },
                _verl_prompt,
                TESTED,
            ),
        },
        ("tags", "field", "none"),
        why_not={"preference": "it has no trainer for pairs"},
    ),
    "open-instruct": Format(
        {
            "completion": DIALOGUE,
            "preference": Shape({"chosen": MESSAGES, "rejected": MESSAGES, **NAMED}, _whole_pair),
            "rl_prompt": Shape(
                {"messages": MESSAGES, "ground_truth": TEXT, "dataset": TEXT, **NAMED},
                lambda row: {
                    "messages": row["prompt"],
                    "ground_truth": _gold(row),
                    "dataset": "math",
                    **_named(row),
                },
                WORDS,
            ),
        }
    ),
    "openrlhf": Format(
        {
            "completion": PARTS,
            "preference": PAIR,
            "rl_prompt": Shape(
                {"prompt": MESSAGES, "label": TEXT, "datasource": TEXT, **NAMED},
                lambda row: {
                    "prompt": row["prompt"],
                    "label": _gold(row),
                    "datasource": row["source"],
                    **_named(row),
                },
                WORDS,
            ),
        },
        ("tags", "field", "none"),
    ),
    "ms-swift": Format(
        {
            "completion": DIALOGUE,
            "preference": Shape({"messages": MESSAGES, "rejected_messages": MESSAGES, **NAMED}, _swift_pair),
            "rl_prompt": Shape(
                {"messages": MESSAGES, "solution": TEXT, **NAMED},
                lambda row: {"messages": row["prompt"], "solution": _boxed(row), **_named(row)},
                BOXED,
            ),
        }
    ),
    "prime-rl": Format(
        {
            "completion": PARTS,
            "rl_prompt": Shape(
                {"prompt": MESSAGES, "answer": TEXT, **NAMED},
                lambda row: {"prompt": row["prompt"], "answer": _gold(row), **_named(row)},
                WORDS,
            ),
        },
        ("tags", "field", "none"),
        lines=True,
        why_not={"preference": "it has no trainer for pairs"},
    ),
    "nemo-gym": Format(
        {"rl_prompt": Shape({}, _nemo_gym_prompt, (*BOXED, AnswerKind.CODE.value))},
        lines=True,
        why_not=dict.fromkeys(("completion", "preference"), "it holds tasks for rollouts, no training rows"),
    ),
    "skyrl": Format(
        {
            "completion": DIALOGUE,
            "rl_prompt": Shape(
                {"prompt": MESSAGES, "env_class": TEXT, "reward_spec": pa.struct(RULE), **NAMED},
                _skyrl_prompt,
                WORDS,
            ),
        },
        ("tags", "field", "none"),
        why_not={"preference": "it has no trainer for pairs"},
    ),
    "slime": Format(
        {
            "completion": DIALOGUE,
            "rl_prompt": Shape(
                {},
                lambda row: {"prompt": row["prompt"], "label": _gold(row), "metadata": _named(row)},
                WORDS,
            ),
        },
        lines=True,
        why_not={"preference": "it has no trainer for pairs"},
    ),
    "openai": Format(
        {
            "completion": Shape({}, lambda row: {"messages": row["prompt"] + row["completion"]}),
            "preference": Shape({}, _openai_pair),
            "rl_prompt": Shape(
                {}, lambda row: {"messages": row["prompt"], "reference_answer": _gold(row)}, WORDS
            ),
        },
        lines=True,
    ),
}
"""Every format, by the name that `factory export --for` takes."""
