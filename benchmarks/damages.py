"""A run and its store damaged 1,000 times, each damage met by three commands: 125 for each of eight seeds."""

from __future__ import annotations

from typing import Any

from benchmarks.chaos import pieces, total
from benchmarks.markdown import table
from benchmarks.result import Result

TEST = "tests/chaos/test_damage_sweep.py::test_a_thousand_damages_none_silent"
VERBS = {
    "check": "`factory status --check`",
    "again": "`factory run` again",
    "next_verb": "the command that reads the file next",
}


def measure(args: list[str]) -> dict[str, Any]:
    """What the test counted, by seed."""
    return pieces("damages", TEST, range(300, 308), args)


def render(result: Result) -> dict[str, str]:
    """The block of docs/guarantees.md."""
    ends = {name: total(each[name] for each in result.figures.values()) for name in VERBS}
    count = sum(sum(each["files"].values()) for each in result.figures.values())
    heads = [f"{count:,} damages, met by", "named", "refused", "not read, or the same result", "silent"]
    names = ("named", "refused", "as before", "silent")
    rows = [(VERBS[verb], *(ends[verb].get(name, 0) for name in names)) for verb in VERBS]
    below = "\n\n".join(
        f"{said}: {', '.join(f'{each} {n}' for each, n in total(f[key] for f in result.figures.values()).items())}."
        for said, key in (("What was damaged", "files"), ("How", "kinds"))
    )
    return {"damages": f"{table(heads, rows, numbers=(1, 2, 3, 4))}\n\n{below}"}
