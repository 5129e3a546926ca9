"""The process of a program under test: it receives calls and inputs, and gives back what the program makes of them.

Nothing that comes out of here is believed: not a status, not a report, only data that is compared elsewhere.
"""

from __future__ import annotations

import contextlib
import io
import operator
import sys
import types
import typing
from collections.abc import Callable
from typing import Any

from isolate import LEETCODE
from wire import BINARY, UNARY, NotData, Peer, decode, encode, raised, write

MAX_PRINTED = 1 << 16


def run_script(source: str, sink: int) -> None:
    """Run a whole program that reads standard input and prints."""
    try:
        exec(_compiled(source), {"__name__": "__main__", "__builtins__": __builtins__})
        answer: dict[str, Any] = {"ended": True}
    except SystemExit:
        answer = {"ended": True}
    except BaseException as error:
        answer = raised(error)
    with contextlib.suppress(Exception):
        sys.stdout.flush()
    write(sink, answer)


def _compiled(source: str) -> types.CodeType:
    return compile(source, "program.py", "exec", dont_inherit=True)


class Program:
    """A loaded program, its objects that others hold handles of, and the operations on them."""

    def __init__(self, source: str, before: str) -> None:
        self.module = types.ModuleType("solution")
        self.names = self.module.__dict__
        self.kept: dict[int, Any] = {}
        self.peer: Peer | None = None
        sys.modules["solution"] = self.module
        self.names.update({name: getattr(typing, name) for name in typing.__all__})
        self.error: dict[str, Any] | None = None
        sys.stdin = io.StringIO()
        if "class Solution" in source:
            for name in LEETCODE:
                self.names[name] = module = sys.modules[name]
                public = getattr(module, "__all__", ()) or [n for n in dir(module) if not n.startswith("_")]
                self.names.update({n: getattr(module, n) for n in public if n != "pow"})
        with contextlib.suppress(BaseException):
            exec(_compiled(before), self.names)
        self.given = dict(self.names)
        try:
            exec(_compiled(source), self.names)
        except BaseException as error:
            self.error = raised(error)

    def describe(self, names: list[str]) -> dict[str, Any]:
        """What the program makes of some names: function, class, exception, value or nothing."""
        found: dict[str, Any] = {}
        for name in names:
            with contextlib.suppress(BaseException):
                thing = self.find(name)
                kind = "function" if callable(thing) else "value"
                if isinstance(thing, type):
                    kind = "class"
                    if issubclass(thing, BaseException):
                        kind = "exception " + " ".join(k.__name__ for k in thing.__mro__[1:-1])
                elif isinstance(thing, types.ModuleType):
                    kind = "module"
                found[name] = kind
        return {"names": found, "error": self.error}

    def find(self, name: str) -> Any:
        """What a name stands for: at the top level, or as a method of `class Solution`."""
        if name in self.names and self.names[name] is not self.given.get(name):
            return self.names[name]
        solution = self.names.get("Solution")
        if isinstance(solution, type) and hasattr(solution, name):
            return getattr(solution(), name)
        return self.names[name]

    def answer(self, frame: dict[str, Any]) -> dict[str, Any]:
        """Do what is asked: an operation on values and objects of the program."""
        printed = io.StringIO()
        former, sys.stdout = sys.stdout, printed
        try:
            what, values = frame["ask"], [decode(value, self._found) for value in frame["values"]]
            options = {name: decode(value, self._found) for name, value in frame.get("options", {}).items()}
            answer: dict[str, Any] = {
                "value": encode(result := _OPERATIONS[what](*values, **options), self._keep)
            }
            if what == "call":
                with contextlib.suppress(NotData):
                    after = [encode(value, self._keep) for value in values[1:]]
                    if result is None or after != frame["values"][1:]:
                        answer["after"] = after
        except BaseException as error:
            answer = raised(error)
        finally:
            sys.stdout = former
        if text := printed.getvalue()[:MAX_PRINTED]:
            answer["printed"] = text
        return answer

    def _keep(self, thing: Any) -> Any:
        self.kept[id(thing)] = thing
        return ["o", id(thing)]

    def _found(self, handle: tuple[str, Any]) -> Any:
        whose, which = handle
        if whose == "n":
            return self.find(which)
        if whose == "o":
            return self.kept[which]
        return self._callback(which)

    def _callback(self, which: Any) -> Callable[..., Any]:
        """A function of the tests, which stays where it is."""

        def call(*values: Any, **options: Any) -> Any:
            assert self.peer is not None
            answer = self.peer.ask(
                {
                    "ask": "callback",
                    "which": which,
                    "values": [encode(value, self._keep) for value in values],
                    "options": {name: encode(value, self._keep) for name, value in options.items()},
                }
            )
            if "raised" in answer:
                raise RuntimeError(answer.get("text"))
            return decode(answer["value"], self._found)

        return call


def _call(thing: Callable[..., Any], *values: Any, **options: Any) -> Any:
    return thing(*values, **options)


_OPERATIONS: dict[str, Callable[..., Any]] = {
    "call": _call, "get": getattr, "set": setattr, "iter": iter, "next": next, "len": len, "str": str, "repr": repr,
    "bool": bool, "isinstance": isinstance, "int": int, "float": float, "hasattr": hasattr, "list": list,
    **{
        name: getattr(operator, name)
        for name in (*UNARY, *BINARY, "getitem", "setitem", "delitem", "contains")
    },
    "enter": lambda thing: type(thing).__enter__(thing), "exit": lambda thing: type(thing).__exit__(thing, None, None, None),
}  # fmt: skip
