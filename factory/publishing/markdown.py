"""Values as Markdown. Names and labels come from data, so they are escaped: hostile text stays text."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import polars as pl


def cell(value: Any) -> str:
    """Text in one table cell: one line, no markup, no link, no HTML, at most 300 characters."""
    text = " ".join(str(value).split())
    text = text if len(text) <= 300 else text[:299] + "…"
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|~!{}])", r"\\\1", text)


def number(value: Any) -> str:
    """A number for people: thousands separated, at most four significant digits after the point; `-` for none."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    value = float(value)
    if value != value:
        return "-"
    if value.is_integer() and abs(value) < 2**53:
        return f"{int(value):,}"
    return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.1f}"


def table(rows: pl.DataFrame) -> str:
    """A frame as a Markdown table, numbers to the right. Columns `value` and `text` are shown as one."""
    columns = [name for name in rows.columns if name != "text" or "value" not in rows.columns]
    align = {name: "---:" if rows[name].dtype.is_numeric() else "---" for name in columns}
    lines = ["| " + " | ".join(name.replace("_", " ") for name in columns) + " |"]
    lines.append("|" + "|".join(align[name] for name in columns) + "|")
    for row in rows.iter_rows(named=True):
        if "value" in columns and row["value"] is None:
            row["value"] = row.get("text")
        lines.append("| " + " | ".join(_shown(row[name]) for name in columns) + " |")
    return "\n".join(lines)


def fence_for(text: str) -> str:
    """A code fence longer than any run of backticks in the text."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    return "`" * max(3, longest + 1)


def _shown(value: Any) -> str:
    if value is None or isinstance(value, int | float | Decimal):
        return number(value)
    return cell(value)
