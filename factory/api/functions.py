"""Functions that are handed over as such: written to a file with what they use, so that worker processes and keys find them.

A function of a module's file stays where it is. One of a notebook, of the main script or of an interpreter is written out
with the functions, classes, imports and plain values of its surroundings that it uses.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import re
import sys
import sysconfig
import textwrap
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

from factory.atomic import digest
from factory.errors import UsageError
from factory.functions.source import files_digest

PLAIN = (str, bytes, int, float, complex, bool, type(None))


def referenced(settings: dict[str, Any], cache: Path) -> dict[str, Any]:
    """Settings with every function as `FILE.py:FUNCTION`.

    Raises:
        UsageError: a function has no source, or uses what cannot be written down; says what to do.
    """
    return {name: reference(each, cache) if callable(each) else each for name, each in settings.items()}


def named(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings with every function by its name: the folder of a call is that of the same call with an edited function."""
    return {
        name: getattr(each, "__name__", str(each)) if callable(each) else each
        for name, each in settings.items()
    }


def reference(function: Callable[..., Any], cache: Path) -> str:
    """Where a function is found: in its own file, or in one below `cache` that is named after what it holds.

    Raises:
        UsageError: see `referenced`.
    """
    name = getattr(function, "__name__", "")
    if not inspect.isfunction(inspect.unwrap(function)):
        raise UsageError(f"{function!r} is not a function", do="give one that is written with def")
    if name == "<lambda>":
        raise UsageError("a lambda has no name and no source of its own", do="write it with def")
    home = _home(function)
    file = getattr(home, "__file__", None)
    if (
        home is not None and file and "." not in home.__name__
    ):  # a file of a package is loaded with its package
        return f"{file}:{name}"
    text = _Written(name).of(function)
    folder = cache / "functions"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}_{digest(text)[:16]}.py"
    if not path.exists():
        path.write_text(text, "utf-8")
    return f"{path}:{name}"


class _Written:
    """A function and what it uses, as the text of a file."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: dict[str, str] = {}
        """What each name is bound by, in the order in which it has to stand."""
        self.values: dict[str, Any] = {}

    def of(self, function: Any) -> str:
        """The text of the file."""
        self.add(self.name, function)
        return "\n\n".join(["from __future__ import annotations", *self.lines.values()]) + "\n"

    def add(self, name: str, value: Any) -> None:
        """Bind a name; what it uses is bound before it."""
        if name in self.values and self.values[name] is not value:
            raise UsageError(
                f"{self.name} uses two different {name}",
                do=f"rename one of them, or give FILE.py:{self.name}",
            )
        if name not in self.values:
            self.values[name] = value
            self.lines[name] = self.line(name, value)

    def line(self, name: str, value: Any) -> str:
        if isinstance(value, types.ModuleType):
            return f"import {value.__name__} as {name}{_mark(value)}"
        if (home := _home(value)) is not None:
            return f"from {home.__name__} import {value.__name__} as {name}{_mark(home)}"
        bare = inspect.unwrap(value) if callable(value) else value
        if inspect.isfunction(bare) or inspect.isclass(bare):
            return self.source(name, bare)
        if isinstance(value, re.Pattern):
            return f'{name} = __import__("re").compile({value.pattern!r}, {int(value.flags)})'
        if _is_plain(value):
            return f"{name} = {value!r}"
        raise UsageError(
            f"{self.name} uses {name}, which is a {type(value).__name__} of its surroundings",
            do=f"make it inside the function, or write the function to a file and give FILE.py:{self.name}",
        )

    def source(self, name: str, value: Any) -> str:
        """The source of a function or class, with what it uses bound before it."""
        try:
            text = textwrap.dedent(inspect.getsource(value))
            tree = ast.parse(text)
        except (OSError, TypeError, SyntaxError):
            raise UsageError(
                f"the source of {name} cannot be read", do=f"write it to a file and give FILE.py:{name}"
            ) from None
        body = tree.body[0]
        if getattr(body, "name", None) != value.__name__:
            raise UsageError(f"{name} is not written with def", do="write it with def")
        seen = dict(getattr(value, "__globals__", None) or vars(sys.modules.get(value.__module__, builtins)))
        if inspect.isfunction(value):
            seen |= inspect.getclosurevars(value).nonlocals
        for used in _used(body):
            if used in seen and used != value.__name__:
                self.add(used, seen[used])
        alias = f"\n\n{name} = {value.__name__}" if name != value.__name__ else ""
        return text.rstrip() + alias


def _home(value: Any) -> types.ModuleType | None:
    """The module that a function or class is imported from by its own name; none for those of the main script."""
    place = getattr(value, "__module__", None)
    module = sys.modules.get(place) if isinstance(place, str) and place != "__main__" else None
    return module if getattr(module, getattr(value, "__name__", ""), None) is value else None


def _mark(module: types.ModuleType) -> str:
    """A remark that changes with a module of the user's own, so that an edit of it is one of the function."""
    file = Path(getattr(module, "__file__", None) or "")
    installed = bool({"site-packages", "dist-packages"} & {*file.parts}) or file.suffix != ".py"
    if installed or file.is_relative_to(sysconfig.get_path("stdlib")):
        return ""
    return f"  # {digest(files_digest(file))[:16]}"


def _is_plain(value: Any) -> bool:
    """Whether `repr` writes the value down."""
    if isinstance(value, dict):
        return type(value) is dict and all(map(_is_plain, [*value.keys(), *value.values()]))
    if type(value) in (list, tuple, set, frozenset):
        return all(map(_is_plain, value))
    return type(value) in PLAIN


def _used(body: ast.AST) -> list[str]:
    """Names that a definition reads, not those in its annotations; in order."""
    found: dict[str, None] = {}

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.Name):
            found.setdefault(node.id)
        for name, each in ast.iter_fields(node):
            if name in ("annotation", "returns"):
                continue
            for inner in each if isinstance(each, list) else [each]:
                if isinstance(inner, ast.AST):
                    visit(inner)

    visit(body)
    return list(found)
