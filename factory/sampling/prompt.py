"""From a problem to the messages that are sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from factory.errors import UsageError
from factory.sampling.sampler import Message

SLOT = "{problem}"


def check_prompt(prompt: str) -> None:
    """Refuse a prompt without a place for the problem.

    Raises:
        UsageError: `{problem}` does not occur.
    """
    if SLOT not in prompt:
        raise UsageError(
            "the prompt has no {problem} in it", do="put {problem} where the problem's text goes"
        )


def build_messages(problem: Mapping[str, Any], prompt: str, system: str | None = None) -> tuple[Message, ...]:
    r"""The messages of one problem.

    `{problem}` is replaced by the text; `{{` and `}}` stand for single braces, and a lone `{}` is left as it is, so
    both `\boxed{{}}` and `\boxed{}` work. Options that the text does not show are listed below it.
    """
    text = str(problem["problem"])
    choices = [str(choice) for choice in problem.get("choices") or []]
    if choices and not all(choice in text for choice in choices):
        lines = [f"{chr(ord('A') + i)}. {choice}" for i, choice in enumerate(choices)]
        text = text + "\n\n" + "\n".join(lines)
    user = text.join(piece.replace("{{", "{").replace("}}", "}") for piece in prompt.split(SLOT))
    head: tuple[Message, ...] = ({"role": "system", "content": system},) if system else ()
    return (*head, {"role": "user", "content": user})
