"""The worked journeys of the docs: `python -m tests.docs.journeys` runs their commands and writes what they print.

A journey is a block of the page between `<!-- journey: NAME -->` and the next `<!-- end -->`. Its lines that begin with `$` are
run in an empty folder that holds its input; what stands below each is replaced by what the command printed. Measured times
differ from day to day: a page stays as it is where nothing else does.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from factory.sources.problems import read_problems
from tests.docs import own_files
from tests.docs.small_model import PROBLEMS, replies
from tests.servers.running import servers

ROOT = Path(__file__).parents[2]
PAGES = tuple(
    ROOT / "docs" / f"{name}.md" for name in ("tutorial", "start-from-your-data", "own-functions", "export")
)
BLOCK = re.compile(r"(<!-- journey: (\w+) -->\n```console\n)(.*?)(```\n<!-- end -->)", re.S)
TIMES = re.compile(r"\b\d[\d,.]*[ /](?=(ms|s|min|h)\b)")
ENDPOINT = "http://localhost:8000/v1"
"""The user's server on the page."""
LEAKED = (
    "What is the smallest positive perfect cube that can be written as the sum of three consecutive integers?"
)
"""A problem of MATH-500."""


def endpoint(folder: Path) -> None:
    """JSON Lines of problems with answers."""
    rows = [json.dumps({"problem": text, "answer": answer}) for text, (answer, _) in PROBLEMS.items()]
    (folder / "problems.jsonl").write_text("\n".join(rows) + "\n")


def traces(folder: Path) -> None:
    """A file in the shape of OpenR1-Math-220k: two to four generations per problem, some of them wrong or cut."""
    drawn = read_problems("procedural:all?count=60&seed=11").rows
    drawn = drawn.filter(pl.col("answer").str.contains(r"^\d+$")).head(30)
    rows = []
    for number, (text, gold) in enumerate(zip(drawn["problem"], drawn["answer"], strict=True)):
        count = 2 + number % 3
        answers = [
            gold if (number + n) % 4 in (0, 3 - number % 2) else str(int(gold) + 1) for n in range(count)
        ]
        rows.append(
            {
                "problem": text,
                "answer": gold,
                "uuid": f"u-{number}",
                "generations": [_chain(number, n, answer) for n, answer in enumerate(answers)],
                "is_reasoning_complete": [True] * count,
            }
        )
    rows[5]["generations"][1] = "<think>\nLet us see"
    rows[5]["is_reasoning_complete"][1] = False
    pl.DataFrame(rows, strict=False).write_parquet(folder / "openr1.parquet")


def chats(folder: Path) -> None:
    """Chats of one turn and of two; one asks a benchmark's problem, two are the same."""
    asked = [f"Explain step {n} of baking bread with {n + 3} grams of salt." for n in range(18)]
    asked[7] = f"Please help me. {LEAKED}"
    asked[11] = asked[3]
    rows = [
        [
            {"role": "user", "content": text},
            {"role": "assistant", "content": f"First take flour. {_words(n, 30)}"},
        ]
        for n, text in enumerate(asked)
    ]
    rows[11][1] = rows[3][1]
    rows[2] += [{"role": "user", "content": "And then?"}, {"role": "assistant", "content": "Then wait."}]
    pl.DataFrame({"messages": rows, "rating": list(range(18))}).write_parquet(folder / "chats.parquet")


def _chain(number: int, place: int, answer: str) -> str:
    return f"<think>\nWay {place} for case {number}: {_words(number * 7 + place, 40)}\n</think>\nIt is \\boxed{{{answer}}}."


def _words(number: int, count: int) -> str:
    return " ".join(f"w{number * 7919 + n * n * 31}" for n in range(count)) + "."


def own(folder: Path) -> None:
    """Five-line files with functions, and the rows that they are for."""
    for name, text in own_files.FILES.items():
        (folder / name).write_text(text)
    for name, rows in own_files.ROWS.items():
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))


def nothing(folder: Path) -> None:
    """A journey that needs no file."""


INPUTS: dict[str, Callable[[Path], None]] = {
    "first": nothing,
    "endpoint": endpoint,
    "traces": traces,
    "chats": chats,
    **dict.fromkeys(("checker", "messages", "prompt", "labels", "elsewhere"), own),
    "trainer": traces,
}


@contextmanager
def server() -> Iterator[str]:
    with servers() as serve:
        yield serve(replies=replies(), text="It is \\boxed{12}.", tokens=12, model="my-model").url


def walked(name: str, block: str) -> str:
    """A journey's block with what its commands print now.

    Raises:
        RuntimeError: a command failed.
    """
    commands = [line[2:] for line in block.splitlines() if line.startswith("$ ")]
    pieces = []
    with TemporaryDirectory() as folder, server() as url:
        INPUTS[name](Path(folder))
        for command in commands:
            words = shlex.split(command.replace(ENDPOINT, url))
            words[:1] = [sys.executable, "-m", "factory.cli.main"] if words[0] == "factory" else words[:1]
            env = {
                **os.environ,
                "FACTORY_PROGRESS": "off",
                "PYTHONPATH": str(ROOT),
                "FACTORY_STORE": "",
            }
            done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(f"{command}: exit {done.returncode}: {done.stderr}")
            pieces.append(f"$ {command}\n{_shown(done.stdout.replace(url, ENDPOINT))}")
    return "\n".join(pieces)


def _shown(output: str) -> str:
    """What was printed; rows of a table in columns, as a terminal has them."""
    lines, table = [], []
    for line in [*output.splitlines(), ""]:
        if "\t" in line:
            table.append(line.split("\t"))
            continue
        widths = [max(map(len, column)) for column in zip(*table, strict=True)] if table else []
        lines += [
            "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in table
        ]
        table = []
        lines.append(line)
    return "\n".join(lines).rstrip("\n") + "\n"


def without_times(text: str) -> str:
    """A text without the times that were measured."""
    return TIMES.sub("", text)


def page(text: str) -> str:
    """The page with every journey walked again."""

    def again(found: re.Match[str]) -> str:
        now = walked(found[2], found[3])
        same = without_times(now) == without_times(found[3])
        return found[1] + (found[3] if same else now) + found[4]

    return BLOCK.sub(again, text)


if __name__ == "__main__":
    for each in PAGES:
        each.write_text(page(each.read_text("utf-8")), "utf-8")
