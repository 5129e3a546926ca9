"""What is done about a truncated response. Never a retry with the same budget: it would be truncated again.

To continue a response, its text so far is sent as the beginning of the assistant's turn. vLLM and SGLang take it as
`continue_final_message` (vLLM's chat completion parameters); DeepSeek's API as a message with `prefix` at its beta endpoint
(DeepSeek's guide to chat prefix completion). Elsewhere the model would begin a new answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from factory.errors import UsageError
from factory.sampling.presets import PRESETS, Continues, Preset
from factory.sampling.rows import to_completion
from factory.sampling.sampler import Completion, Message, SampleRequest
from factory.sampling.store.journal import Stored
from factory.text.reasoning import Parts, split_response, split_text
from schemas import ResponseStatus

CUT = (ResponseStatus.CUT_IN_REASONING, ResponseStatus.CUT_IN_ANSWER)
DOUBLINGS = 2
"""A cut answer is asked for with twice the budget, then with four times; a chain that still does not end is kept cut."""
CONTINUATIONS = 3
"""Or it is gone on with up to three times, which also comes to four times the budget."""

Policy = Literal["keep", "continue", "larger"]


class Truncation:
    """The policy of one job.

    Raises:
        UsageError: the teacher cannot go on with a turn that was begun.
    """

    def __init__(self, policy: Policy, preset: Preset | None, *, batch: bool = False) -> None:
        self.how = preset.continues if preset and not batch else Continues.NO
        if policy == "continue" and self.how == Continues.NO:
            able = ", ".join(name for name, each in PRESETS.items() if each.continues != Continues.NO)
            raise UsageError(
                "truncation continue: this teacher cannot go on with a cut answer",
                do=f"use larger, or one of: {able}",
            )
        self.policy = policy
        self.most = preset.most_tokens if preset else None

    def follow_up(self, request: SampleRequest, completion: Completion) -> SampleRequest | None:
        """The request that follows upon an answer, or None when the answer stays as it is."""
        if completion.status not in CUT or self.policy == "keep":
            return None
        return self._continued(request, completion) if self.policy == "continue" else self._larger(request)

    def again(self, request: SampleRequest, stored: Stored) -> SampleRequest | None:
        """The same for a stored answer."""
        return self.follow_up(request, to_completion(stored))

    def _larger(self, request: SampleRequest) -> SampleRequest | None:
        tokens = request.params.max_tokens * 2
        if request.follow_ups >= DOUBLINGS or (self.most is not None and tokens > self.most):
            return None
        params = replace(request.params, max_tokens=tokens)
        return replace(request, params=params, follow_ups=request.follow_ups + 1)

    def _continued(self, request: SampleRequest, completion: Completion) -> SampleRequest | None:
        turn = beginning(completion, self.how)
        before = begun(request.messages)
        if turn is None or turn == before or request.follow_ups >= CONTINUATIONS:
            return None
        prompt = request.messages[:-1] if before else request.messages
        also: dict[str, Any] = {"follow_ups": request.follow_ups + 1, "parsed": completion.parsed}
        return replace(request, messages=(*prompt, turn), **also)


def joined(pieces: Sequence[Stored]) -> Stored:
    """One response from the pieces that were bought for it: the last one's text, and what all of them cost.

    The last one holds the whole text. Prompt tokens count every time that the prompt was sent; `max_tokens` is the sum
    of the pieces' budgets.
    """
    last = pieces[-1]
    if len(pieces) == 1:
        return last
    body = {
        **last.body,
        "max_tokens": sum(piece.body["max_tokens"] for piece in pieces),
        "reasoning_tokens": _sum([piece.body["reasoning_tokens"] for piece in pieces]),
    }
    usd = [piece.usd for piece in pieces if piece.usd is not None]
    return replace(
        last,
        body=body,
        prompt_tokens=_sum([piece.prompt_tokens for piece in pieces]),
        completion_tokens=_sum([piece.completion_tokens for piece in pieces]),
        usd=sum(usd) if usd else None,
    )


def _sum(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


OPEN = "<think>\n"


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
    head, mark, query = url.partition("?")
    return f"{head.rstrip('/').removesuffix('/v1').removesuffix('/beta')}/beta{mark}{query}"


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
