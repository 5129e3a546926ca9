r"""Texts with places for the fields of a row: `{problem}`, `{hint}`. All other braces stay what they are.

Which braces are places:
- `{name}` is one, unless LaTeX has it: after a command (`\boxed{answer}`, `\frac{a}{b}`), after `^` or `_` (`x^{n}`).
  `{problem}` always is.
- `{{...}}` stands for `{...}`, where both braces that open are closed by both that close: `\boxed{{}}` is `\boxed{}`, and
  `\boxed{\frac{1}{2}}` stays.
- Everything else is text: `{}`, `{"a": 1}`, `\\{1, 2\\}`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

PROBLEM = "problem"
_NAME = re.compile(r"\{([^\W\d]\w*)\}")
_COMMAND = re.compile(r"\\(?![nrt](?![A-Za-z]))[A-Za-z]+\*?$")
"""The end of a text at which a command of LaTeX takes its argument; `\\n` and the like are slips for a line break."""
_INDEX = re.compile(r"[\w)\]}'|][\^_]$")
"""Where an index or a power begins; `_{word}_` is emphasis."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a field goes."""

    name: str


@lru_cache(maxsize=256)
def pieces(template: str) -> tuple[str | Place, ...]:
    """The texts and places of a template, in order."""
    closing = _closing(template)
    doubled = _doubled(template, closing)
    found: list[str | Place] = []
    text: list[str] = []
    at = 0
    while at < len(template):
        name = _NAME.match(template, at) if at not in doubled else None
        if at in doubled:
            text.append(template[at])
            at += 2
        elif name and (name[1] == PROBLEM or not _in_latex(template, at, closing)):
            found += ["".join(text), Place(name[1])]
            text = []
            at = name.end()
        else:
            text.append(template[at])
            at += 1
    return tuple(each for each in (*found, "".join(text)) if each != "")


def names_in(template: str) -> list[str]:
    """The fields that a template has places for."""
    return list(dict.fromkeys(each.name for each in pieces(template) if isinstance(each, Place)))


def fill(template: str, fields: Mapping[str, str]) -> str:
    """The template with every place filled; what stands in a field is never read as a template.

    Raises:
        KeyError: a field is missing.
    """
    return "".join(fields[each.name] if isinstance(each, Place) else each for each in pieces(template))


def _closing(template: str) -> dict[int, int]:
    """Where each brace that opens is closed."""
    found: dict[int, int] = {}
    opened: list[int] = []
    for at, sign in enumerate(template):
        if sign == "{":
            opened.append(at)
        elif sign == "}" and opened:
            found[opened.pop()] = at
    return found


def _doubled(template: str, closing: Mapping[int, int]) -> set[int]:
    """Where a doubled brace begins that stands for one; braces that nothing closes or opens are doubled by themselves."""
    found: set[int] = set()
    closed = set(closing.values())
    at = 0
    while at + 1 < len(template):
        pair = template[at : at + 2]
        if pair == "{{" and not {at, at + 1} & closing.keys():
            found.add(at)
        elif pair == "{{" and closing.get(at, 0) == closing.get(at + 1, -9) + 1:
            found |= {at, closing[at + 1]}
        elif pair == "}}" and at not in found and not {at, at + 1} <= closed:
            found.add(at)
        at += 2 if at in found else 1
    return found


def _in_latex(template: str, at: int, closing: Mapping[int, int]) -> bool:
    """Whether a brace opens the argument of a command, or an index."""
    before = template[:at]
    while before.endswith(("}", "]")):
        start = next((o for o, c in closing.items() if c == len(before) - 1), -1)
        start = start if before.endswith("}") else before.rfind("[")
        if start < 0:
            return False
        before = before[:start]
    return bool(_COMMAND.search(before) or (before == template[:at] and _INDEX.search(before)))
