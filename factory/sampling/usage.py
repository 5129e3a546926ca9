"""How many tokens a reply cost: what the server said, held against what was counted. The larger is booked.

A word that stands between spaces is at least one token for every tokenizer of today's models, so words are a lower bound;
where nothing was said, streamed pieces and characters make an estimate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

LARGEST = 10_000_000
"""More tokens than any model reads or writes in one response: whoever says more is not believed."""
BYTES_PER_TOKEN = 16
"""No text has longer tokens on average."""


def count(value: Any) -> int | None:
    """A number of tokens as servers write it (22, 22.0, "22"); None for whatever cannot be one."""
    if isinstance(value, str) and value.strip().isdigit() and len(value) < 20:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LARGEST:
        return None
    return int(value)


@dataclass(slots=True)
class Counted:
    """A text as it arrives."""

    words: int = 0
    characters: int = 0
    size: int = 0
    pieces: int = 0
    _inside: bool = False

    def add(self, text: str) -> None:
        """Count more text; a word may go on from the text before."""
        if not text:
            return
        goes_on = self._inside and not text[0].isspace()
        self.words += len(text.split()) - goes_on
        self._inside = not text[-1].isspace()
        self.characters += len(text)
        self.size += len(text.encode("utf-8", "replace"))

    @property
    def least(self) -> int:
        """Tokens that the text holds for certain."""
        return max(self.words, self.size // BYTES_PER_TOKEN)

    @property
    def likely(self) -> int:
        """Tokens that the text probably holds: its pieces, or a quarter of its characters when pieces hold several."""
        return max(self.least, self.pieces if self.characters < 12 * self.pieces else self.characters // 4)


def prompt_tokens(messages: Iterable[Mapping[str, str]]) -> Counted:
    """Count a prompt; the words around each message (roles, marks of the template) are left out."""
    counted = Counted()
    for message in messages:
        for name, text in message.items():
            if name != "role":
                counted.add(text + " ")
    return counted


@dataclass(slots=True)
class Usage:
    """What a reply's `usage` objects said, in the order in which they came."""

    said: list[Mapping[str, Any]] = field(default_factory=list)

    def add(self, usage: Any) -> None:
        """Take one `usage` object; what is no object is ignored."""
        if isinstance(usage, Mapping):
            self.said.append(usage)

    def number(self, name: str, pieces: int = 0) -> int | None:
        """The largest number said; where each streamed piece said its own, their sum."""
        numbers = [n for n in (count(each.get(name)) for each in self.said) if n is not None]
        if not numbers:
            return None
        most = max(numbers)
        return sum(numbers) if pieces and len(numbers) >= 3 and most < pieces <= sum(numbers) else most

    def reasoning(self) -> int | None:
        """Reasoning tokens among the completion's."""
        for usage in reversed(self.said):
            details = usage.get("completion_tokens_details")
            found = (
                details.get("reasoning_tokens")
                if isinstance(details, Mapping)
                else usage.get("reasoning_tokens")
            )
            if (number := count(found)) is not None:
                return number
        return None

    def strange(self) -> bool:
        """Whether a number was said that cannot be one."""
        names = ("prompt_tokens", "completion_tokens")
        return any(
            each.get(name) is not None and count(each[name]) is None for each in self.said for name in names
        )


def booked(said: int | None, counted: Counted) -> int | None:
    """Tokens to book: the larger of what was said and what is certain; an estimate when nothing was said."""
    if not said:
        return counted.likely or said
    return max(said, counted.least)
