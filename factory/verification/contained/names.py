"""Which names a test text uses, and which of them are the standard library's."""

from __future__ import annotations

import ast
import importlib
import sys
from types import ModuleType
from typing import Any

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
