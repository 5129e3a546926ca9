"""The messages of a problem: a prompt's texts with the fields of its row in their places."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from factory.config.base import did_you_mean
from factory.config.prompt import Given, texts_of
from factory.config.template import PROBLEM, fill, names_in
from factory.errors import UsageError
from factory.functions.fields import fields_of
from factory.sampling.sampler import Message

CHOICES = "choices"


def build_messages(
    problem: Mapping[str, Any], prompt: Given, system: str | None = None
) -> tuple[Message, ...]:
    r"""The messages of one problem.

    See `factory.config.template` for what is a place in a text. Options that the problem does not show are listed below it,
    unless the prompt has a place for them.

    Raises:
        UsageError: a field that the prompt asks for is not there.
    """
    wanted = wanted_by(prompt)
    if wanted <= {PROBLEM}:
        fields: dict[str, str] = {}
    else:
        given = fields_of(problem)
        if gone := sorted(name for name in wanted if given.get(name) is None):
            raise UsageError(f"problem {problem.get('id')} has no {gone[0]}, which the prompt asks for")
        fields = {name: _text(name, given[name]) for name in wanted}
    asked = str(problem[PROBLEM])
    choices = [str(choice) for choice in problem.get(CHOICES) or []]
    if choices and CHOICES not in wanted and not all(choice in asked for choice in choices):
        asked = f"{asked}\n\n{_text(CHOICES, choices)}"
    fields[PROBLEM] = asked
    messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
    return with_system([{**each, "content": fill(each["content"], fields)} for each in messages], system)


def wanted_by(prompt: Given) -> set[str]:
    """The fields that a prompt has places for."""
    return {name for text in texts_of(prompt) for name in names_in(text)}


def with_system(messages: Sequence[Message], system: str | None) -> tuple[Message, ...]:
    """The messages with a system message in front, unless there is none, or they bring their own."""
    own = bool(messages) and messages[0]["role"] == "system"
    return (({"role": "system", "content": system},) if system and not own else ()) + tuple(messages)


def _text(name: str, value: Any) -> str:
    """A field as it stands in a prompt: options with their letters, other lists with commas, objects as JSON."""
    if name == CHOICES and isinstance(value, list):
        return "\n".join(f"{chr(ord('A') + place)}. {choice}" for place, choice in enumerate(value))
    if isinstance(value, list) and not any(isinstance(each, list | dict) for each in value):
        return ", ".join(_text("", each) for each in value)
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def check_fields(prompts: Iterable[Given], problems: Iterable[Mapping[str, Any]]) -> None:
    """Refuse a prompt that asks for a field which a problem lacks, before anything is asked.

    Raises:
        UsageError: names the field, how many problems lack it, and the first of them.
    """
    every = [wanted_by(prompt) for prompt in prompts]
    if not all(PROBLEM in names for names in every):
        raise UsageError(
            "the prompt has no {problem} in it", do="put {problem} where the problem's text goes"
        )
    wanted = set().union(*every) - {PROBLEM}
    if not wanted:
        return
    lacking: Counter[str] = Counter()
    first: dict[str, Any] = {}
    known: dict[str, None] = {}
    count = 0
    for problem in problems:
        count += 1
        fields = {name for name, value in fields_of(problem).items() if value is not None}
        known |= dict.fromkeys(fields)
        for name in wanted - fields:
            lacking[name] += 1
            first.setdefault(name, problem.get("id"))
    for name in sorted(lacking):
        if lacking[name] < count:
            raise UsageError(
                f"{lacking[name]:,} of {count:,} problems have no {name}, which the prompt asks for; the first is "
                f"{first[name]}",
                do="fill it in, leave them out, or write the prompt as a function",
            )
        near = did_you_mean(name, known)
        raise UsageError(
            f"the prompt asks for {{{name}}}, and the problems have no such field",
            do=f"{near or 'fields: ' + ', '.join(sorted(known))}; write {{{{{name}}}}} for braces that are text",
        )
