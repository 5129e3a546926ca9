"""Measure one benchmark: `python -m benchmarks.run NAME [--print] [ARGS]`; without NAME, list them.

Figures go to `benchmarks/results/NAME.json`. With `--print` (first of the words after NAME) they are printed and
nothing is kept: for a part of a benchmark, or a trial.
"""

from __future__ import annotations

import ast
import importlib
import json
import sys
from pathlib import Path

from benchmarks.result import head, here, save


def names() -> dict[str, str]:
    """Benchmarks by name, with what they measure."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        own = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        if {"measure", "render"} <= own:
            found[path.stem] = (ast.get_docstring(tree) or "").partition("\n")[0]
    return found


def main(words: list[str]) -> int:
    """Measure and keep. Returns the exit code."""
    known = names()
    if not words or words[0] not in known:
        print("\n".join(f"{name:<16} {what}" for name, what in known.items()))
        if words:
            print(f"there is no benchmark {words[0]}", file=sys.stderr)
        return 2 if words else 0
    name, *args = words
    only_print = args[:1] == ["--print"]
    args = args[only_print:]
    commit = head()
    figures = importlib.import_module(f"benchmarks.{name}").measure(args)
    print(json.dumps(figures, indent=1, ensure_ascii=False))
    if not only_print:
        path = save(here(name, figures, args, commit=commit))
        print(f"kept in {path}; python -m benchmarks.render writes the pages", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
