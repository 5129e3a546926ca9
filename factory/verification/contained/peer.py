"""A conversation over two pipes in which either side may ask while it is being asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wire import Broken, NotData, read, write

MAX_TURNS = 100


class Peer:
    """One side. `ask` sends a question and answers the other side's questions until its own answer has come."""

    def __init__(self, source: int, sink: int, answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        self.source, self.sink, self.answer, self.turns = source, sink, answer, 0

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """The answer to a question.

        Raises:
            Broken: the other side has gone or does not keep to the form.
        """
        self.turns += 1
        if self.turns > MAX_TURNS:
            raise Broken("asked too deeply")
        try:
            write(self.sink, question)
            while "ask" in (frame := self.receive()):
                self.reply(frame)
            return frame
        finally:
            self.turns -= 1

    def receive(self) -> dict[str, Any]:
        """The next frame, whatever it is."""
        frame = read(self.source)
        if not isinstance(frame, dict):
            raise Broken("a frame that is no object")
        return frame

    def reply(self, frame: dict[str, Any]) -> None:
        """Answer a question of the other side."""
        write(self.sink, self.answer(frame))

    def serve(self) -> None:
        """Answer questions until the other side goes."""
        while True:
            self.reply(self.receive())


def raised(error: BaseException) -> dict[str, Any]:
    """An exception as an answer: the names of its classes, its text, and the module that was missing."""
    try:
        text = str(error)[:500]
    except Exception:
        text = ""
    names = [kind.__name__ for kind in type(error).__mro__ if kind is not object]
    return {
        "raised": names,
        "text": text,
        "missing": getattr(error, "name", None) if "ModuleNotFoundError" in names else None,
    }


__all__ = ["Broken", "NotData", "Peer", "raised"]
