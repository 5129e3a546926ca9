"""Python functions to be written: the problems of `programs.jsonl`, each with a solution, tests and typical mistakes.

A line holds `problem`, `says` (the idea in a sentence), `solution`, `tests` ([call, result] as Python text) and `wrong`
programs, each with the idea behind it and `fails`, the number of the first test that it does not pass. All were written
for this repository.
"""

from __future__ import annotations

import json
import random
from functools import cache
from importlib import resources
from typing import Any

from factory.sources.families.family import Family, Options, Params
from factory.sources.families.scratch import Scratch
from schemas import AnswerKind, Level


@cache
def programs() -> dict[str, dict[str, Any]]:
    """Every problem by the name of its function."""
    text = resources.files("factory.sources.families").joinpath("programs.jsonl").read_text("utf-8")
    return {row["name"]: row for row in map(json.loads, text.splitlines())}


def _draw(rng: random.Random, level: Level, options: Options) -> Params:
    return {"name": rng.choice([name for name, row in programs().items() if row["level"] == level])}


def _tell(rng: random.Random, params: Params, terse: bool) -> str:
    row = programs()[params["name"]]
    call, result = row["tests"][0]
    return f"{row['problem']} For example, `{call}` gives `{result}`."


def _answer(params: Params) -> str:
    return str(programs()[params["name"]]["solution"])


def _columns(params: Params) -> dict[str, Any]:
    """Tests of half the functions are a list of asserts as MBPP has them, of the others a `check` as in HumanEval."""
    name, tests = params["name"], programs()[params["name"]]["tests"]
    lines = [f"assert {call} == {result}" for call, result in tests]
    check = "def check(candidate):\n" + "\n".join(
        f"    assert candidate{call.removeprefix(name)} == {result}" for call, result in tests
    )
    as_list = list(programs()).index(name) % 2 == 0
    facts = {"test_list": lines} if as_list else {"test": check, "entry_point": name}
    return {"answer": None, "answer_source": None, "solution": _answer(params), "metadata": facts}


def _solve(params: Params, pad: Scratch) -> str:
    row = programs()[params["name"]]
    call, result = pad.rng.choice(row["tests"])
    pad.plan(f"One thing it must do: `{call}` is `{result}`.")
    at = pad.take([row["says"], *(wrong["says"] for wrong in row["wrong"])])
    call, result = row["tests"][row["wrong"][at - 1]["fails"]] if at else pad.rng.choice(row["tests"])
    pad.check(f"`{call}` has to give `{result}`.", at == 0, call)
    return str(row["wrong"][at - 1]["program"] if at else row["solution"])


PROGRAMS = Family(
    "programs",
    "programming",
    (Level.MIDDLE, Level.HIGH_SCHOOL, Level.COLLEGE),
    _draw,
    _tell,
    _answer,
    _solve,
    kind=AnswerKind.CODE,
    columns=_columns,
    closings=(
        "Now I can write the function down.",
        "With that I write the program.",
        "This is all it needs, so I write it down.",
        "Let me put that into code.",
    ),
    answers=(
        "```python\nANSWER\n```",
        "Here is the function:\n\n```python\nANSWER\n```",
        "```python\nANSWER\n```\n\nIt follows the idea above.",
        "**Program**\n\n```python\nANSWER\n```",
        "```\nANSWER\n```",
    ),
)
