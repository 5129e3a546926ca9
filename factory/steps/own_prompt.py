"""Prompts that a function of the user's own writes: every problem's messages, made before anything is asked."""

from __future__ import annotations

from typing import Any

import polars as pl

from factory.config.generate import GenerateSection
from factory.config.prompt import ROLES, check_messages, is_function
from factory.datasets.render import MESSAGES_TYPE
from factory.errors import UsageError
from factory.functions.fields import fields_of
from factory.functions.own import OwnFunction
from factory.functions.source import function_settings
from factory.sampling.problems import check_asked, iter_problems
from factory.sampling.prompt import with_system
from factory.sampling.rows import MESSAGES
from factory.sampling.sampler import Message

RETURN = 'return the text to send, or a list of messages such as {"role": "user", "content": text}'


def prompt_settings(section: GenerateSection) -> dict[str, str]:
    """What a prompt that is a function adds to a step's key.

    Raises:
        UsageError: there is no such function.
    """
    return function_settings(prompt=str(section.prompt) if is_function(section.prompt) else None)


def with_messages(problems: pl.DataFrame, section: GenerateSection) -> pl.DataFrame:
    """The problems, with what each is asked in where a function decides that; nothing is spent for a prompt that cannot be made.

    Raises:
        UsageError: a problem lacks a field of the prompt, or the function fails; says at how many, and how at the first.
    """
    if not is_function(section.prompt):
        check_asked(iter_problems(problems), prompt=section.prompt, prompts=section.prompts)
        return problems
    rows = list(problems.iter_rows(named=True))
    fields = [fields_of(row) for row in rows]
    made: list[list[Message] | None] = []
    faults: list[tuple[str, str]] = []
    with OwnFunction(str(section.prompt)) as function:
        for row, outcome in zip(rows, function.call_many(fields), strict=True):
            messages = None if outcome.error else _messages(outcome.value, section.system)
            made.append(messages)
            if messages is None:
                faults.append((str(row["id"]), str(outcome.refused(function.name, RETURN).error)))
    if faults:
        name, why = faults[0]
        raise UsageError(
            f"{len(faults):,} of {len(rows):,} problems got no prompt, the first is {name}: {why}",
            do="nothing was spent; fix the function, and run the same command again",
        )
    return problems.with_columns(pl.Series(MESSAGES, made, dtype=MESSAGES_TYPE))


def _messages(value: Any, system: str | None) -> list[Message] | None:
    """What a function returned as messages; None for what is none."""
    if isinstance(value, str):
        value = [{"role": "user", "content": value}]
    if not isinstance(value, list) or not value:
        return None
    for each in value:
        if not isinstance(each, dict) or {*each} != {"role", "content"} or each["role"] not in ROLES:
            return None
        if not isinstance(each["content"], str) or not each["content"].strip():
            return None
    try:
        check_messages([each["role"] for each in value])
    except ValueError:
        return None
    return list(with_system(value, system))
