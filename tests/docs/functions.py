"""docs/functions.md from the docstrings of `import factory`: `python -m tests.docs.functions` writes it."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import factory.api
from tests.docs.api_stub import SECTIONS
from tests.docs.markdown import cell, code

PAGE = Path(__file__).parents[2] / "docs" / "functions.md"
HEADS = ("Args", "Returns", "Raises", "Attributes", "Yields")
SUMMARIES = {
    "import_": "imports.Imported",
    "generate": "generate.Generated",
    "verify": "verify.Verified",
    "dedup": "deduplicate.Deduplicated",
    "decontaminate": "decontaminate.Decontaminated",
    "difficulty": "difficulty.Measured",
    "pairs": "preference.Paired",
    "select": "select.Selected",
}
"""The class of `.summary` of what a function returns, below factory/steps."""
ITEM = re.compile(r"^(\*{0,2}[\w., ]+): (.*)$")


def page() -> str:
    """The page."""
    found = {name: getattr(factory.api, name) for name in factory.api.__all__}
    functions = {name: each for name, each in found.items() if inspect.isfunction(each)}
    classes = {name: each for name, each in found.items() if inspect.isclass(each)}
    parts = [
        "# Python functions",
        "Written by `python -m tests.docs.functions` from the docstrings in `factory/api/`; a test compares. [In Python](api.md) "
        "shows how they are used together.",
        "## Functions",
        *(function(name, each) for name, each in functions.items()),
        "## What they return",
        *(class_part(name, each) for name, each in classes.items()),
        "## Summaries",
        "What `.summary` of a result holds, by the function that made it.",
        *(summary(name, where) for name, where in SUMMARIES.items()),
    ]
    return "\n\n".join(parts) + "\n"


def summary(name: str, where: str) -> str:
    """The fields of a step's summary; a string below a field is its doc."""
    module, _, kind = where.partition(".")
    found = getattr(importlib.import_module(f"factory.steps.{module}"), kind)
    body = ast.parse(inspect.cleandoc(inspect.getsource(found))).body[0].body
    docs = {
        one.target.id: two.value.value
        for one, two in pairwise(body)
        if isinstance(one, ast.AnnAssign)
        and isinstance(two, ast.Expr)
        and isinstance(two.value, ast.Constant)
    }
    rows = [
        f"| `{field.name}` | {code(str(field.type))} | {cell(docs.get(field.name, ''))} |"
        for field in dataclasses.fields(found)
    ]
    return "\n".join(
        [
            f"### {name} gives {kind}\n",
            docstring(found),
            "",
            "| field | type | holds |",
            "|---|---|---|",
            *rows,
        ]
    )


def function(name: str, each: Any, level: str = "###", prefix: str = "f.") -> str:
    """A function with its signature and docstring."""
    found = inspect.signature(each)
    words = [_word(p) for p in found.parameters.values() if p.name != "self"]
    star = next((n for n, p in enumerate(found.parameters.values()) if p.kind is p.KEYWORD_ONLY), None)
    if star is not None:
        words.insert(star, "*")
    call = f"{prefix}{name}({', '.join(words)})"
    if len(call) > 76:
        call = f"{prefix}{name}(\n    {(',' + chr(10) + '    ').join(words)},\n)"
    returns = found.return_annotation
    arrow = "" if returns is inspect.Signature.empty else f" -> {returns}"
    parts = [f"{level} {name}", f"```python\n{call}{arrow}\n```", docstring(each)]
    if section := SECTIONS.get(name):
        key = next((each.name for each in found.parameters.values() if each.kind is each.VAR_KEYWORD), "")
        keys = ", ".join(f"`{field}`" for field in section.model_fields if field not in found.parameters)
        said = f"commands.md#factory-{name}" if name == "compare" else "recipe-keys.md"
        parts.append(f"Keys of `**{key}`: {keys} ([what they do]({said})).")
    return "\n\n".join(parts)


def _word(each: inspect.Parameter) -> str:
    star = "**" if each.kind is each.VAR_KEYWORD else ""
    default = "" if each.default is each.empty else f" = {each.default!r}"
    return f"{star}{each.name}: {each.annotation}{default}"


def class_part(name: str, each: type) -> str:
    """A class with its public properties and methods."""
    parts = [f"### {name}", docstring(each)]
    rows = []
    for key, member in vars(each).items():
        if key.startswith("_") or not (isinstance(member, property) or inspect.isfunction(member)):
            continue
        doc = inspect.getdoc(member) or ""
        words = ""
        if inspect.isfunction(member):
            given = [p.name for p in inspect.signature(member).parameters.values()][1:]
            words = f"({', '.join(given)})"
        rows.append(f"| `.{key}{words}` | {cell(doc.split(chr(10) + chr(10))[0])} |")
    if rows:
        parts.append("\n".join(["| member | what it gives |", "|---|---|", *rows]))
    return "\n\n".join(parts)


def docstring(each: Any) -> str:
    """A Google docstring as Markdown: prose, then a list below each head."""
    parts: list[str] = []
    for block in (inspect.getdoc(each) or "").split("\n\n"):
        head, *lines = block.split("\n")
        if head.rstrip(":") in HEADS and head.endswith(":"):
            parts.append("\n".join([f"**{head}**", "", *_items(lines)]))
        else:
            parts.append(cell(block))
    return "\n\n".join(parts)


def _items(lines: list[str]) -> list[str]:
    text = inspect.cleandoc("\n".join(["", *lines])).split("\n")
    joined: list[str] = []
    for line in text:
        if line.startswith(" ") and joined:
            joined[-1] += " " + line.strip()
        else:
            joined.append(line)
    found = [ITEM.match(line) for line in joined]
    return [
        f"- `{match[1]}`: {cell(match[2])}" if match else f"- {cell(line)}"
        for line, match in zip(joined, found, strict=True)
    ]


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
