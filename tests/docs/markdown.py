"""Cells of the pages that are written from code."""

from __future__ import annotations

import re

MARKUP = re.compile(r"[\\*<>\[\]{}]|(?<!\w)_|_(?!\w)")
"""Letters that would be markup; an underscore within a word is none."""


def cell(text: str) -> str:
    """Text in a table's cell: one line; outside code spans nothing is markup."""
    parts = re.split(r"(`[^`]*`|```.*?```)", " ".join(text.split()))
    plain = (part if part.startswith("`") else MARKUP.sub(r"\\\g<0>", part) for part in parts)
    return "".join(plain).replace("|", "\\|")


def code(text: str) -> str:
    """A code span in a table's cell; nothing for nothing."""
    shown = " ".join(text.split()).replace("|", "\\|")
    return f"`` {shown} ``" if "`" in shown else f"`{shown}`" if shown else ""
