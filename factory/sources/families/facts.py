"""General knowledge of science as tables, and questions on them: `facts.json`.

Atomic masses are the abridged standard atomic weights (IUPAC 2021); the rest stands in any schoolbook.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any


@cache
def facts() -> tuple[dict[str, list[dict[str, str]]], list[dict[str, Any]]]:
    """Rows of every table by its name, and the questions."""
    read = json.loads(resources.files("factory.sources.families").joinpath("facts.json").read_text("utf-8"))
    tables = {
        name: [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]
        for name, table in read["tables"].items()
    }
    return tables, read["questions"]


def column(name: str) -> list[str]:
    """`TABLE.COLUMN` as a list."""
    table, _, field = name.partition(".")
    return [row[field] for row in facts()[0][table]]
