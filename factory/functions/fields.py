"""The fields of a row, as prompts and functions of the user's own name them: its columns, and what its source said beyond them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

METADATA = "metadata"
"""The column that holds a source's other fields as JSON (schemas/problem.py)."""


def fields_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Columns by name (not those that begin with `_`, which are the factory's), and the keys of `metadata` beside them."""
    try:
        more = json.loads(row.get(METADATA) or "{}")
    except (json.JSONDecodeError, RecursionError, TypeError):
        more = {}
    own = {name: value for name, value in row.items() if not name.startswith("_")}
    return {**(more if isinstance(more, dict) else {}), **own}
