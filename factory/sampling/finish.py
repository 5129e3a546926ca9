"""How a response ended: the status that follows from a server's `finish_reason`, and texts that only repeat themselves."""

from __future__ import annotations

from enum import StrEnum

from factory.text.reasoning import Parts
from schemas import ResponseStatus


class Finish(StrEnum):
    """Kinds of ends. Only `STOP` makes a response complete."""

    STOP = "stop"
    LENGTH = "length"
    FILTER = "filter"
    FAILURE = "failure"
    TOOL = "tool"
    UNKNOWN = "unknown"
    NONE = "none"
    """The server did not say."""


_WORDS = {
    Finish.STOP: "stop end_turn eos eos_token stop_sequence stop_token stop_str end complete completed finished finish "
    "done end_of_turn end_of_sequence endoftext success",
    Finish.LENGTH: "length max_tokens max_token max_output_tokens max_new_tokens max_completion_tokens max_length "
    "model_length token_limit output_limit context_length context_length_exceeded context_window_exceeded "
    "model_context_window_exceeded truncated incomplete limit",
    Finish.FILTER: "content_filter content_filtered filter filtered safety image_safety recitation refusal refused "
    "blocklist blocked prohibited_content spii sensitive moderation guardrail guardrail_intervened language "
    "policy_violation content_policy content_policy_violation",
    Finish.FAILURE: "error abort aborted cancel cancelled canceled timeout timed_out deadline_exceeded network_error "
    "server_error internal_error engine_overloaded overloaded insufficient_system_resource failed failure interrupted "
    "preempted disconnect disconnected malformed_function_call other rate_limit unavailable",
    Finish.TOOL: "tool_calls tool_call tool_use function_call function_calls pause_turn",
}
_KINDS = {word: kind for kind, words in _WORDS.items() for word in words.split()}


def kind_of(finish_reason: str | None) -> Finish:
    """What a finish reason means, in whatever spelling."""
    if not finish_reason:
        return Finish.NONE
    word = finish_reason.strip().lower().replace("-", "_").replace(" ", "_")
    return _KINDS.get(word.removeprefix("finish_reason_"), Finish.UNKNOWN)


def status_of(parts: Parts, finish_reason: str | None, *, refused: bool = False) -> ResponseStatus:
    """The status of a response, from its parts and what the server said.

    Whatever does not say that the answer was finished counts as truncated, however much text there is.
    """
    kind = kind_of(finish_reason)
    if refused or kind == Finish.FILTER:
        return ResponseStatus.REFUSED
    if kind != Finish.STOP:
        if parts.open and (parts.reasoning or not parts.content):
            return ResponseStatus.CUT_IN_REASONING if parts.reasoning else ResponseStatus.EMPTY
        if parts.content:
            return ResponseStatus.CUT_IN_ANSWER
        return ResponseStatus.CUT_IN_REASONING if parts.reasoning else ResponseStatus.EMPTY
    if not parts.content:
        return ResponseStatus.EMPTY
    return ResponseStatus.COMPLETE if parts.reasoning else ResponseStatus.NO_REASONING


WINDOW = 6_000
"""Characters that are looked at."""
EVERY = 2_000
"""Characters between two looks."""
LEAST = 4_000
"""Repeated characters before a text counts as looping: honest work repeats a table row or a line of a sum."""
LONGEST_PERIOD = 1_500


class LoopDetector:
    """Watches a growing text; true as soon as its last `LEAST` characters are one piece repeated.

    Costs one search in a short window for every `EVERY` characters, so nothing that is felt on a stream.
    """

    def __init__(self) -> None:
        self._tail = ""
        self._new: list[str] = []
        self._unseen = 0

    def feed(self, text: str) -> bool:
        """Take more text; True when the end of what was taken so far is a loop."""
        self._new.append(text)
        self._unseen += len(text)
        if self._unseen < EVERY:
            return False
        self._tail = (self._tail + "".join(self._new))[-WINDOW:]
        self._new, self._unseen = [], 0
        return period(self._tail) is not None


def period(text: str, least: int = LEAST, longest: int = LONGEST_PERIOD) -> int | None:
    """Length of the piece that the last `least` characters of `text` repeat, or None.

    At least two whole repeats have to fit, and a text of nothing but spaces does not count as text.
    """
    end = text[-least:]
    if len(end) < least:
        return None
    # The last 64 characters have to come again one period earlier: candidates without trying every length.
    probe = end[-64:]
    position = end.rfind(probe, 0, len(end) - 1)
    while position != -1:
        length = len(end) - len(probe) - position
        if length > min(longest, least // 2):
            return None
        if end[length:] == end[:-length]:
            return length
        position = end.rfind(probe, 0, position + len(probe) - 1)
    return None
