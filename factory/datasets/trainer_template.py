"""A student's chat template, tried before a set is exported for it: what a row says must be there, once."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from factory.datasets.render import render_completion
from factory.datasets.trainer_row import Reasoning, Row, prepare
from factory.errors import UsageError, first_line

MARK = "k7q3{}z9"
"""Stands for a text of a row: no template writes it of itself."""


def check_template(
    student: Path, prompts: Iterable[list[Row]], reasoning: Reasoning, system: str | None
) -> None:
    """Try the chat template on every sequence of roles among some prompts.

    Args:
        student: folder of a model or tokenizer.
        prompts: messages before the answer, of some rows.
        reasoning: where the trace goes.
        system: system message of every row; see `prepare`.

    Raises:
        UsageError: the tokenizer cannot be read, or its template refuses, drops or doubles a message or the trace; says
            which `--reasoning` shows all.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(student, local_files_only=True)
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read the tokenizer of {student}: {first_line(error)}") from error
    shapes = sorted({tuple(message["role"] for message in prompt) for prompt in prompts})
    fault = _fault(tokenizer, shapes, reasoning, system)
    if fault is None:
        return
    other: Reasoning = "tags" if reasoning == "field" else "field"
    if reasoning != "none" and _fault(tokenizer, shapes, other, system) is None:
        do = f"use --reasoning {other}, which it shows"
    elif _fault(tokenizer, shapes, reasoning, "") is None:
        do = 'leave the system message out with --system ""'
    else:
        do = "train with another chat template"
    raise UsageError(f"the chat template of {student} {fault} with --reasoning {reasoning}", do=do)


def _fault(
    tokenizer: Any, shapes: Iterable[tuple[str, ...]], reasoning: Reasoning, system: str | None
) -> str | None:
    """What the template does to a message or the trace, or None."""
    reply = render_completion(MARK.format("trace"), MARK.format("answer"))
    for roles in shapes:
        prompt = [{"role": role, "content": MARK.format(f"{role}{at}")} for at, role in enumerate(roles)]
        whole = {"prompt": prompt, "completion": [{"role": "assistant", "content": reply}]}
        row = prepare(whole, reasoning, system and MARK.format("system"))
        try:
            text = tokenizer.apply_chat_template(row["prompt"] + row["completion"], tokenize=False)
        except Exception as error:  # a template raises what it likes
            return f"refuses {' and '.join(m['role'] for m in row['prompt'])}: {first_line(error)}"
        wanted = [(f"{m['role']} message", m["content"]) for m in row["prompt"]]
        wanted += [("trace", MARK.format("trace"))] if reasoning != "none" else []
        for name, mark in [*wanted, ("answer", MARK.format("answer"))]:
            if (count := text.count(mark)) != 1:
                return f"leaves out the {name}" if not count else f"shows the {name} {count} times"
    return None
