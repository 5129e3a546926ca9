"""Noticing, while it streams, that a model only repeats itself."""

from __future__ import annotations

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
