"""Write every measured block of README.md and docs/ from the kept figures: `python -m benchmarks.render [--check]`.

`--check` writes nothing and ends with exit code 1 when a page or a file differs.
"""

from __future__ import annotations

import difflib
import importlib
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from benchmarks.result import RESULTS, ROOT, load

MARK = re.compile(r"<!-- (measured|end): (\S+) -->\n?")


def blocks() -> dict[str, str]:
    """The text of every block and every file, by name.

    Raises:
        ValueError: two benchmarks write one block.
    """
    found: dict[str, str] = {}
    for path in sorted(RESULTS.glob("*.json")):
        result = load(path.stem)
        made = importlib.import_module(f"benchmarks.{path.stem}").render(result)
        if twice := sorted(found.keys() & made.keys()):
            raise ValueError(f"{path.stem} writes what another benchmark writes too: {', '.join(twice)}")
        below = [f"Note: {result.note}"] if result.note else []
        for name, text in made.items():
            found[name] = text if "/" in name else "\n\n".join([text, *below, result.stamp()]) + "\n"
            below = []  # a note stands below the first block
    return found


def fill(page: str, texts: dict[str, str], where: str) -> str:
    """A page with its measured blocks replaced.

    Raises:
        ValueError: marks do not come in pairs, or name a block that no benchmark writes.
    """
    marks = list(MARK.finditer(page))
    pieces, at = [], 0
    for begin, end in zip(marks[::2], [*marks[1::2], None], strict=False):
        name = begin.group(2)
        if end is None or (begin.group(1), end.group(1), end.group(2)) != ("measured", "end", name):
            raise ValueError(f"{where}: the marks of {name} are not a pair")
        if name not in texts:
            raise ValueError(f"{where}: no benchmark writes the block {name}")
        pieces += [page[at : begin.end()], texts[name], end.group()]
        at = end.end()
    return "".join([*pieces, page[at:]])


def rendered(pages: Iterable[Path]) -> dict[Path, str]:
    """What every page and every written file should be.

    Raises:
        ValueError: a block stands in no page, or marks are wrong.
    """
    texts = blocks()
    made = {path: fill(path.read_text("utf-8"), texts, path.name) for path in pages}
    shown = {match.group(2) for text in made.values() for match in MARK.finditer(text)}
    if lost := sorted(name for name in texts if "/" not in name and name not in shown):
        raise ValueError(f"no page has marks for {', '.join(lost)}")
    return made | {ROOT / name: text for name, text in texts.items() if "/" in name}


def pages() -> list[Path]:
    """README.md and the pages of docs/."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def differences() -> dict[Path, str]:
    """The diff of every page and file that is not what its figures make it."""
    found = {}
    for path, text in rendered(pages()).items():
        now = path.read_text("utf-8") if path.exists() else ""
        if now != text:
            lines = (now.splitlines(), text.splitlines(), str(path), "rendered")
            found[path] = "\n".join(difflib.unified_diff(*lines, lineterm="", n=0))
    return found


def main(words: list[str]) -> int:
    """Write or compare. Returns the exit code."""
    if words == ["--check"]:
        found = differences()
        print("\n".join(found.values()) or "every page is what its figures make it")
        return int(bool(found))
    if words:
        print(__doc__, file=sys.stderr)
        return 2
    for path, text in rendered(pages()).items():
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except ValueError as error:
        sys.exit(str(error))
