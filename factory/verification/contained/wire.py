"""What two processes say to each other: frames of JSON that hold plain data only.

A program under test and its tests never share a process. Values cross as data of built-in types: a subclass arrives as
its base type, so no `__eq__` of the program takes part in a comparison. What is no data stays where it is and crosses
as a numbered handle. `Peer` is one side of the conversation; the names that test texts use and define are read here, too.
"""

from __future__ import annotations

import ast
import importlib
import json
import os
import sys
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

MAX_FRAME = 8 * 2**20
"""Longest frame in bytes; the reader gives up on a longer one."""
MAX_DEPTH = 60
SAFE_INT = 2**53


class Broken(Exception):
    """The other side has gone, or what it sent is no frame."""


class NotData(Exception):
    """A value that cannot cross: it is no plain data, or nested too deeply."""


def write(fd: int, value: Any) -> None:
    """Send one frame.

    Raises:
        Broken: nobody reads any more, or the frame is too long.
    """
    body = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode("ascii")
    if len(body) > MAX_FRAME:
        raise Broken("the data is too long")
    view = memoryview(len(body).to_bytes(4, "big") + body)
    try:
        while view:
            view = view[os.write(fd, view) :]
    except OSError as error:
        raise Broken(str(error)) from None


def read(fd: int) -> Any:
    """The next frame, decoded.

    Raises:
        Broken: the other side has gone, or sent what is no frame.
    """
    return loads(_exactly(fd, _length(_exactly(fd, 4))))


def loads(body: bytes) -> Any:
    """The JSON of a frame.

    Raises:
        Broken: it is no JSON.
    """
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Broken(f"no JSON: {error}") from None


def _length(head: bytes) -> int:
    size = int.from_bytes(head, "big")
    if size > MAX_FRAME:
        raise Broken("the data is too long")
    return size


def _exactly(fd: int, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        chunk = os.read(fd, min(size - len(parts), 1 << 16))
        if not chunk:
            raise Broken("the other side has gone")
        parts += chunk
    return bytes(parts)


_LISTS: dict[Any, str] = {list: "l", tuple: "t", set: "s", frozenset: "z", deque: "k"}
_DICTS: tuple[tuple[Any, str], ...] = ((Counter, "C"), (OrderedDict, "O"), (dict, "d"))
_RARE = {
    "m": ("decimal", "Decimal"), "T": ("datetime", "datetime"), "D": ("datetime", "date"), "H": ("datetime", "time"),
    "e": ("datetime", "timedelta"), "q": ("fractions", "Fraction"),
}  # fmt: skip
"""Types of modules that are looked at only where they are loaded: loading them takes longer than most programs."""
_MAKE: dict[str, Callable[[Any], Any]] = {
    "l": list, "t": tuple, "s": set, "z": frozenset, "k": deque, "C": Counter, "O": OrderedDict, "d": dict,
}  # fmt: skip


def encode(value: Any, keep: Callable[[Any], Any] | None = None, depth: int = 0) -> Any:
    """A value as JSON. `keep` gives the handle of what is no data.

    Raises:
        NotData: it is no data and there is no `keep`, or it is nested too deeply.
    """
    if depth > MAX_DEPTH:
        raise NotData("nested too deeply")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        number = int.__int__(value)
        return number if abs(number) < SAFE_INT else ["i", hex(number)]
    if isinstance(value, float):
        number_ = float.__float__(value)
        return number_ if number_ - number_ == 0 else ["f", float.__repr__(number_)]
    if isinstance(value, str):
        return str.__str__(value)
    return _encode_other(value, keep, depth)


def _encode_other(value: Any, keep: Callable[[Any], Any] | None, depth: int) -> Any:
    for kind, tag in _LISTS.items():
        if isinstance(value, kind):
            return [tag, [encode(item, keep, depth + 1) for item in kind.__iter__(value)]]
    for kind, tag in _DICTS:
        if isinstance(value, kind):
            pairs = dict.items(value)
            return [tag, [[encode(k, keep, depth + 1), encode(v, keep, depth + 1)] for k, v in pairs]]
    if type(value) is complex:
        return ["x", [encode(value.real), encode(value.imag)]]
    if type(value) is range:
        return ["r", [encode(value.start), encode(value.stop), encode(value.step)]]
    if type(value) in (bytes, bytearray):
        return ["b", value.hex()]
    for tag, (module, name) in _RARE.items():
        if type(value) is getattr(sys.modules.get(module), name, None):
            return [tag, _rare(tag, value)]
    if keep is None:
        raise NotData(f"{type(value).__name__} is no plain data")
    return keep(value)


def _rare(tag: str, value: Any) -> Any:
    if tag == "e":
        return [value.days, value.seconds, value.microseconds]
    return str(value) if tag in ("m", "q") else value.isoformat()


def decode(value: Any, find: Callable[[Any], Any] | None = None) -> Any:
    """The value that `encode` wrote. `find` gives what a handle stands for.

    Raises:
        Broken: nothing that `encode` writes.
    """
    if not isinstance(value, list):
        if isinstance(value, dict):
            raise Broken("an object where data is expected")
        return value
    try:
        tag, body = value
        return _decode_tagged(tag, body, find)
    except (TypeError, ValueError, KeyError, ArithmeticError) as error:
        raise Broken(f"no data: {error}") from None


def _decode_tagged(tag: str, body: Any, find: Callable[[Any], Any] | None) -> Any:
    if tag in ("d", "C", "O"):
        return _MAKE[tag]({decode(k, find): decode(v, find) for k, v in body})
    if tag in ("l", "t", "s", "z", "k"):
        return _MAKE[tag](decode(item, find) for item in body)
    if tag in _RARE:
        kind = getattr(import_module(_RARE[tag][0]), _RARE[tag][1])
        return kind(*body) if tag == "e" else kind(body) if tag in ("m", "q") else kind.fromisoformat(body)
    if tag == "i":
        return int(body, 16)
    if tag == "f":
        return float(body)
    if tag == "b":
        return bytes.fromhex(body)
    if tag in ("x", "r"):
        return {"x": complex, "r": range}[tag](*(decode(part) for part in body))
    if find is None:
        raise Broken("a handle where data is expected")
    return find(value_of(tag, body))


def value_of(tag: str, body: Any) -> tuple[str, Any]:
    """A handle as (whose, which)."""
    if not isinstance(tag, str) or not isinstance(body, int | str):
        raise ValueError("no handle")
    return tag, body


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


_HELPERS = (
    "collections", "math", "typing", "itertools", "functools", "copy", "fractions", "decimal", "datetime", "string",
)  # fmt: skip
"""Modules whose names a test may use without importing them; they are never taken from the program."""

UNARY = ("neg", "pos", "abs", "invert")
BINARY = (
    "add",
    "sub",
    "mul",
    "truediv",
    "floordiv",
    "mod",
    "pow",
    "and_",
    "or_",
    "xor",
    "matmul",
    "lshift",
    "rshift",
)
"""Operators that tests may use on objects of the program, by their names in `operator`; comparisons are not among them."""


def free_names(texts: list[str]) -> set[str]:
    """Names that test texts use and do not define.

    Raises:
        SyntaxError: a text is no Python.
    """
    used: set[str] = set()
    stored: set[str] = set()
    for text in texts:
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Name):
                (used if isinstance(node.ctx, ast.Load) else stored).add(node.id)
            elif isinstance(node, ast.arg):
                stored.add(node.arg)
            elif isinstance(node, ast.FunctionDef | ast.ClassDef):
                stored.add(node.name)
            elif isinstance(node, ast.Import | ast.ImportFrom):
                stored.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
    return used - stored


def called_names(texts: list[str]) -> set[str]:
    """Names that test texts call: `math` in `math.sqrt(2)` is none of them."""
    calls = (node for text in texts for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call))
    return {node.func.id for node in calls if isinstance(node.func, ast.Name)}


def helper(name: str, called: set[str]) -> Any:
    """What a name means that a test uses without importing it: a module or a function of the standard library."""
    if name.startswith("_"):
        return None
    if name in sys.stdlib_module_names and name in sys.modules and name not in called:
        return sys.modules[name]
    for module in _HELPERS:
        found = getattr(importlib.import_module(module), name, None)
        if found is not None and not isinstance(found, ModuleType):
            return found
    return None
