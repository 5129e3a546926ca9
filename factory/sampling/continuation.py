"""Going on with a cut answer: what had come is sent as the beginning of the assistant's turn.

vLLM and SGLang take it as `continue_final_message` (vLLM's chat completion parameters); DeepSeek's API as a message
with `prefix` at its beta endpoint (DeepSeek's guide to chat prefix completion). Elsewhere the model would start anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from factory.sampling.reasoning_parser import Parts, split_response, split_text
from factory.sampling.sampler import Completion, Message
from schemas import ResponseStatus

OPEN = "<think>\n"


class Continues(StrEnum):
    """How an endpoint is asked to go on with a turn."""

    NO = "no"
    FINAL_MESSAGE = "final_message"
    """vLLM and SGLang. Chat templates of reasoning models take a closed reasoning block out of the turn, so only an
    answer that was cut in its reasoning, or that has none, can be gone on with."""
    PREFIX = "prefix"
    """DeepSeek: reasoning in a field of its own, at `/beta`."""


def beginning(completion: Completion, how: Continues) -> Message | None:
    """The turn so far as a message; None when the endpoint cannot go on with it."""
    reasoning, content = completion.reasoning or "", completion.content or ""
    if completion.status == ResponseStatus.CUT_IN_REASONING:
        content = ""
    elif completion.status != ResponseStatus.CUT_IN_ANSWER or (reasoning and how != Continues.PREFIX):
        return None
    if how == Continues.NO or not (reasoning or content):
        return None
    return {"role": "assistant", "reasoning_content": reasoning, "content": content}


def begun(messages: Sequence[Message]) -> Message | None:
    """The turn that a request goes on with, if it does."""
    return messages[-1] if messages and messages[-1]["role"] == "assistant" else None


def on_the_wire(messages: Sequence[Message], how: Continues) -> dict[str, Any]:
    """Fields of the body for a request that may go on with a turn."""
    turn = begun(messages)
    if turn is None:
        return {"messages": list(messages)}
    if how == Continues.PREFIX:
        return {"messages": [*messages[:-1], {**turn, "prefix": True}]}
    text = OPEN + turn["reasoning_content"] if turn["reasoning_content"] else turn["content"]
    return {
        "messages": [*messages[:-1], {"role": "assistant", "content": text}],
        "add_generation_prompt": False,
        "continue_final_message": True,
    }


def beta(url: str) -> str:
    """DeepSeek's beta endpoint beside a base URL."""
    return url.removesuffix("/v1").removesuffix("/beta") + "/beta"


def join(turn: Mapping[str, str], reasoning_field: str, text: str, *, parsed: bool) -> Parts:
    """A turn's beginning and what followed, as one response. Nothing is put between the two.

    Args:
        turn: the message from `beginning`.
        reasoning_field: what followed in a reasoning field of its own.
        text: what followed as content.
        parsed: the server takes reasoning out by itself, so content without a tag is the answer.
    """
    if turn["content"]:
        # Some servers take whatever follows for reasoning until they see a closing tag; here it was closed before.
        content = turn["content"] + reasoning_field + text
        return Parts(turn["reasoning_content"] or None, content.strip(), False)
    if parsed or reasoning_field:
        return split_response(turn["reasoning_content"] + reasoning_field, text)
    return split_text(OPEN + turn["reasoning_content"] + text)
