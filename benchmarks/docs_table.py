"""Generated blocks in the docs: what stands between two marks is written by a benchmark, never by hand."""

from __future__ import annotations

from pathlib import Path


def renew(page: Path, name: str, text: str) -> None:
    """Replace what stands between `<!-- measured: NAME -->` and `<!-- end: NAME -->`; append both when absent."""
    begin, end = f"<!-- measured: {name} -->", f"<!-- end: {name} -->"
    before = page.read_text("utf-8") if page.exists() else ""
    if begin not in before:
        before = f"{before.rstrip()}\n\n{begin}\n{end}\n"
    head, rest = before.split(begin, 1)
    tail = rest.split(end, 1)[1]
    page.write_text(f"{head}{begin}\n{text}\n{end}{tail}", "utf-8")
