"""What the tests see of a program in another process: proxies that pass operations on and never compare.

A comparison with an object of the program would be decided by the program (`__eq__` that is always true), so it ends
the tests: against plain data the program is wrong, against another of its own objects nobody can tell.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable
from typing import Any

from wire import BINARY, UNARY, Peer, decode, encode


class Stop(BaseException):
    """The end of the tests, whatever a test catches. `verdict` is `incorrect` or `unverifiable`."""

    def __init__(self, verdict: str, reason: str) -> None:
        super().__init__(reason)
        self.verdict, self.reason = verdict, reason


class ProgramError(Exception):
    """An exception of the program that is none of Python's own."""


_NEVER_RAISED = frozenset(["AssertionError", "StopAsyncIteration"])


class Bridge:
    """The tests' side of the conversation with the program."""

    def __init__(self, source: int, sink: int, stop: Callable[[Stop], None]) -> None:
        self.peer = Peer(source, sink, self._callback)
        self.stop = stop
        self.handed: list[Any] = []
        self.exceptions: dict[str, type[BaseException]] = {}
        self.calls = 0
        self.given: dict[int, Any] = {}

    def fail(self, verdict: str, reason: str) -> Stop:
        """End the tests: what is raised may be swallowed by a test, what is noted is not."""
        stop = Stop(verdict, reason)
        self.stop(stop)
        return stop

    def do(self, what: str, *values: Any, **options: Any) -> Any:
        """Run an operation in the program.

        Raises:
            Stop: a value cannot be sent.
            Exception: what the program raised.
        """
        self.calls += what == "call"
        question = {
            "ask": what,
            "values": [self._encode(value) for value in values],
            "options": {name: self._encode(value) for name, value in options.items()},
        }
        answer = self.peer.ask(question)
        if isinstance(printed := answer.get("printed"), str):
            sys.stdout.write(printed)
        if "raised" in answer:
            raise self._exception(answer)
        result = decode(answer.get("value"), self._handle)
        if what == "call":
            for value, after in zip(values[1:], answer.get("after", ()), strict=False):
                _update(value, decode(after, self._handle))
        return result

    def _encode(self, value: Any) -> Any:
        try:
            return encode(value, self._keep)
        except (Stop, KeyboardInterrupt):
            raise
        except BaseException as error:
            raise self.fail("unverifiable", f"a test's value cannot be sent: {error}") from None

    def _keep(self, value: Any) -> Any:
        if type(value) is Remote:
            return object.__getattribute__(value, "_handle")
        if callable(value):
            self.handed.append(value)
            return ["c", len(self.handed) - 1]
        raise self.fail("unverifiable", f"a test passes an object of its own ({type(value).__name__})")

    def _handle(self, handle: tuple[str, Any]) -> Any:
        whose, which = handle
        if whose == "c" and isinstance(which, int) and 0 <= which < len(self.handed):
            return self.handed[which]
        return Remote(self, [whose, which])

    def _callback(self, frame: dict[str, Any]) -> dict[str, Any]:
        """The program calls a function that a test gave it; nothing else of the tests can be reached."""
        try:
            which = frame["which"]
            if frame["ask"] != "callback" or not isinstance(which, int) or which < 0:
                raise ValueError("no such function")
            values = [decode(value, self._handle) for value in frame["values"]]
            options = {str(name): decode(value, self._handle) for name, value in frame["options"].items()}
            return {"value": encode(self.handed[which](*values, **options), self._keep)}
        except Exception as error:
            return {"raised": ["Exception"], "text": str(error)[:200]}

    def _exception(self, answer: dict[str, Any]) -> BaseException:
        names = [str(name) for name in answer["raised"]][:20] if isinstance(answer["raised"], list) else []
        text = str(answer.get("text"))[:500]
        for name in names:
            kind = self.exceptions.get(name) or getattr(builtins, name, None)
            if isinstance(kind, type) and issubclass(kind, Exception) and name not in _NEVER_RAISED:
                break
        else:
            kind = ProgramError
        try:
            error = kind(text)
        except Exception:
            error = ProgramError(text)
        error.of_program = f"{names[0] if names else 'error'}: {text}"  # type: ignore[attr-defined]
        error.missing = answer.get("missing")  # type: ignore[attr-defined]
        return error


def _update(value: Any, after: Any) -> None:
    """Give a test's list, dictionary or set the content that the program left in it."""
    if type(value) is not type(after) or not isinstance(value, list | dict | set):
        return
    if isinstance(value, list):
        value[:] = after
    else:
        value.clear()
        value.update(after)


class Remote:
    """A function, class or object of the program."""

    __slots__ = ("_bridge", "_handle")

    def __init__(self, bridge: Bridge, handle: Any) -> None:
        object.__setattr__(self, "_bridge", bridge)
        object.__setattr__(self, "_handle", handle)

    def __call__(self, *values: Any, **options: Any) -> Any:
        """What the program's function or class gives."""
        return self._bridge.do("call", self, *values, **options)

    def __getattr__(self, name: str) -> Any:
        return self._bridge.do("get", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._bridge.do("set", self, name, value)

    def __iter__(self) -> Any:
        return self._bridge.do("iter", self)

    def __next__(self) -> Any:
        return self._bridge.do("next", self)

    def __contains__(self, value: Any) -> bool:
        return self._bridge.do("contains", self, value) is True

    def __bool__(self) -> bool:
        return self._bridge.do("bool", self) is True

    def __instancecheck__(self, thing: Any) -> bool:
        return type(thing) is Remote and self._bridge.do("isinstance", thing, self) is True

    def __enter__(self) -> Any:
        return self._bridge.do("enter", self)

    def __exit__(self, *_: object) -> None:
        self._bridge.do("exit", self)

    def _compared(self, other: Any) -> Any:
        if type(other) is Remote:
            raise self._bridge.fail("unverifiable", "a test compares two objects of the program")
        raise self._bridge.fail("incorrect", f"the program gave an object that is no data for {other!r:.80}")

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _compared

    def __hash__(self) -> int:
        raise self._bridge.fail("unverifiable", "a test hashes an object of the program")


def _forward(name: str) -> Callable[..., Any]:
    def method(self: Remote, *values: Any) -> Any:
        return self._bridge.do(name, self, *values)

    return method


def _reflected(name: str) -> Callable[..., Any]:
    def method(self: Remote, value: Any) -> Any:
        return self._bridge.do(name, value, self)

    return method


def _checked(name: str, kind: type) -> Callable[..., Any]:
    def method(self: Remote) -> Any:
        result = self._bridge.do(name, self)
        if type(result) is not kind:
            raise TypeError(f"{name} gave no {kind.__name__}")
        return result

    return method


for _name in (*UNARY, "getitem", "setitem", "delitem"):
    setattr(Remote, f"__{_name}__", _forward(_name))
for _name in BINARY:
    setattr(Remote, f"__{_name.rstrip('_')}__", _forward(_name))
    setattr(Remote, f"__r{_name.rstrip('_')}__", _reflected(_name))
for _name, _kind in (("len", int), ("str", str), ("repr", str), ("int", int), ("float", float)):
    setattr(Remote, f"__{_name}__", _checked(_name, _kind))
