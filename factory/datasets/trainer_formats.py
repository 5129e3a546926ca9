"""Row formats of other trainers: what a row of each training set becomes.

Every format is a pure mapping from a row of `schemas.training` to a row that the trainer's own loader reads. Columns and
rewards were read in the releases that docs/export.md names; `tests/publishing/loaders` runs those loaders.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from factory.config.base import did_you_mean
from factory.datasets.trainer_row import (
    NAMES,
    Reasoning,
    Row,
    boxed,
    code_pairs,
    dialogue,
    gold,
    is_cut,
    llama_factory_pair,
    named,
    nemo_gym_prompt,
    openai_pair,
    skyrl_prompt,
    swift_pair,
    verl_prompt,
    whole_pair,
)
from factory.errors import UsageError
from schemas import AnswerKind, Column, TableSchema

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


def refusal(row: Row, shape: Shape, reasoning: Reasoning) -> str | None:
    """Why a row cannot be exported, or None: a text is missing, or no reward could grade the answer."""
    for name in (each for each in ("prompt", "completion", "chosen", "rejected") if each in row):
        texts = [message["content"] for message in row[name] or ()]
        if not texts or None in texts:
            return f"no_{name}"
        if reasoning == "none" and name != "prompt" and is_cut(row[name][-1]):
            return "cut_before_its_answer"
    if shape.grades is None:
        return None
    kind = row["answer_kind"]
    if kind not in shape.grades:
        return f"no_reward_for_{kind}"
    if kind == AnswerKind.CODE.value:
        return None if code_pairs(row) else "tests_not_in_pairs"
    return None if row["answer"] else "no_gold"


def find_format(name: str) -> Format:
    """The format of this name.

    Raises:
        UsageError: there is none; says which are there.
    """
    if name not in FORMATS:
        near = did_you_mean(name, FORMATS)
        raise UsageError(f"no trainer {name}", do=near or f"choose one of {', '.join(FORMATS)}")
    return FORMATS[name]


TEXT = pa.string()
MESSAGES = pa.list_(MESSAGE)
NAMED = dict.fromkeys(NAMES, TEXT)
DIALOGUE = Shape({"messages": MESSAGES, **NAMED}, dialogue)
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
                lambda row: {"prompt": row["prompt"], "solution": boxed(row), **named(row)},
                BOXED,
            ),
        },
        ("tags", "field", "none"),
    ),
    "llama-factory": Format(
        {
            "completion": DIALOGUE,
            "preference": Shape(
                {"messages": MESSAGES, "chosen": MESSAGE, "rejected": MESSAGE, **NAMED}, llama_factory_pair
            ),
        },
        why_not={"rl_prompt": "it has no reinforcement learning with rewards from answers"},
    ),
    "axolotl": Format(
        {
            "completion": DIALOGUE,
            "preference": Shape(
                {"messages": MESSAGES, "chosen": MESSAGE, "rejected": MESSAGE, **NAMED}, llama_factory_pair
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
                verl_prompt,
                TESTED,
            ),
        },
        ("tags", "field", "none"),
        why_not={"preference": "it has no trainer for pairs"},
    ),
    "open-instruct": Format(
        {
            "completion": DIALOGUE,
            "preference": Shape({"chosen": MESSAGES, "rejected": MESSAGES, **NAMED}, whole_pair),
            "rl_prompt": Shape(
                {"messages": MESSAGES, "ground_truth": TEXT, "dataset": TEXT, **NAMED},
                lambda row: {
                    "messages": row["prompt"],
                    "ground_truth": gold(row),
                    "dataset": "math",
                    **named(row),
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
                    "label": gold(row),
                    "datasource": row["source"],
                    **named(row),
                },
                WORDS,
            ),
        },
        ("tags", "field", "none"),
    ),
    "ms-swift": Format(
        {
            "completion": DIALOGUE,
            "preference": Shape({"messages": MESSAGES, "rejected_messages": MESSAGES, **NAMED}, swift_pair),
            "rl_prompt": Shape(
                {"messages": MESSAGES, "solution": TEXT, **NAMED},
                lambda row: {"messages": row["prompt"], "solution": boxed(row), **named(row)},
                BOXED,
            ),
        }
    ),
    "prime-rl": Format(
        {
            "completion": PARTS,
            "rl_prompt": Shape(
                {"prompt": MESSAGES, "answer": TEXT, **NAMED},
                lambda row: {"prompt": row["prompt"], "answer": gold(row), **named(row)},
                WORDS,
            ),
        },
        ("tags", "field", "none"),
        lines=True,
        why_not={"preference": "it has no trainer for pairs"},
    ),
    "nemo-gym": Format(
        {"rl_prompt": Shape({}, nemo_gym_prompt, (*BOXED, AnswerKind.CODE.value))},
        lines=True,
        why_not=dict.fromkeys(("completion", "preference"), "it holds tasks for rollouts, no training rows"),
    ),
    "skyrl": Format(
        {
            "completion": DIALOGUE,
            "rl_prompt": Shape(
                {"prompt": MESSAGES, "env_class": TEXT, "reward_spec": pa.struct(RULE), **NAMED},
                skyrl_prompt,
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
                lambda row: {"prompt": row["prompt"], "label": gold(row), "metadata": named(row)},
                WORDS,
            ),
        },
        lines=True,
        why_not={"preference": "it has no trainer for pairs"},
    ),
    "openai": Format(
        {
            "completion": Shape({}, lambda row: {"messages": row["prompt"] + row["completion"]}),
            "preference": Shape({}, openai_pair),
            "rl_prompt": Shape(
                {}, lambda row: {"messages": row["prompt"], "reference_answer": gold(row)}, WORDS
            ),
        },
        lines=True,
    ),
}
"""Every format, by the name that `factory export --for` takes."""
