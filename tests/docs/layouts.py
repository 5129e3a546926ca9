"""The table of layouts in docs/start-from-your-data.md: `python -m tests.docs.layouts` writes it."""

from __future__ import annotations

import re
from pathlib import Path

from factory.sources.layouts import LAYOUTS

PAGE = Path(__file__).parents[2] / "docs" / "start-from-your-data.md"
HEAD = "| layout | told by |\n|---|---|\n"


def table() -> str:
    """One row per layout."""
    rows = []
    for layout in LAYOUTS:
        told = ", ".join(f"`{path}`" for path in layout.needs.split()).replace("|", "\\|")
        rows.append(f"| `{layout.name}` | {told or 'the usual names of columns'} |")
    return HEAD + "\n".join(rows) + "\n"


def page(text: str) -> str:
    """The page with its table as it should be."""
    return re.sub(re.escape(HEAD) + r"(?:.*\n)*?(?=\n)", lambda _: table(), text)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
