"""Prompts as a recipe writes them: one text, several messages, a file of messages, or a function of the user's own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, BeforeValidator

from factory.config.functions import REFERENCE
from factory.config.template import PROBLEM, names_in

ROLES = ("system", "user", "assistant")
FILE = re.compile(r"[^{}\n]+\.ya?ml")


Given = str | list[dict[str, str]]
"""A text, or messages with `role` and `content`."""


def is_function(prompt: Given) -> bool:
    """Whether a prompt names a function."""
    return isinstance(prompt, str) and PROBLEM not in names_in(prompt) and bool(REFERENCE.fullmatch(prompt))


def texts_of(prompt: Given) -> list[str]:
    """The texts in which fields have their places."""
    return [prompt] if isinstance(prompt, str) else [each["content"] for each in prompt]


def _read(value: Any) -> Any:
    """Messages out of a file, and `user: text` as the message that it is short for."""
    if isinstance(value, str) and FILE.fullmatch(value):
        try:
            value = yaml.safe_load(Path(value).read_text("utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            said = error.strerror if isinstance(error, OSError) else "it is not valid YAML"
            raise ValueError(f"cannot read the prompt {value}: {said}") from error
        if not isinstance(value, list | dict):
            raise ValueError("a prompt's file holds messages, such as - user: '{problem}'")
    if isinstance(value, dict) and value and value.keys() <= {"system", "user"}:
        value = [{role: value[role]} for role in ROLES if role in value]
    return [_message(each) for each in value] if isinstance(value, list) else value


def _message(given: Any) -> dict[str, str]:
    if isinstance(given, dict) and len(given) == 1 and {*given} <= {*ROLES}:
        given = dict(zip(("role", "content"), *given.items(), strict=True))
    if (
        not isinstance(given, dict)
        or {*given} != {"role", "content"}
        or not isinstance(given["content"], str)
    ):
        raise ValueError("a message is written as - user: text, or with role and content")
    if given["role"] not in ROLES:
        raise ValueError(f"no role {given['role']}: choose {', '.join(ROLES)}")
    return given


def _fits(prompt: Given) -> Given:
    texts = texts_of(prompt)
    if not any(PROBLEM in names_in(text) for text in texts):
        raise ValueError(
            "there is no {problem} in it: put it where the problem's text goes, or name a function, FILE.py:FUNCTION"
        )
    if isinstance(prompt, list):
        check_messages([each["role"] for each in prompt])
    return prompt


def check_messages(roles: list[str]) -> None:
    """Refuse an order of messages that no server takes.

    Raises:
        ValueError: a system message that is not the first, or a last one that is not the user's.
    """
    if "system" in roles[1:]:
        raise ValueError("the system message comes first")
    if roles[-1] != "user":
        raise ValueError(f"the last message is the user's, not the {roles[-1]}'s")


def _fits_or_function(prompt: Given) -> Given:
    return prompt if is_function(prompt) else _fits(prompt)


Messages = Annotated[Given, BeforeValidator(_read), AfterValidator(_fits)]
"""A text or a list of messages; `{problem}` and the other fields of a row are replaced."""
Prompt = Annotated[Given, BeforeValidator(_read), AfterValidator(_fits_or_function)]
"""The same, or `FILE.py:FUNCTION`."""
