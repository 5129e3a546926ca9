"""Choice questions on facts and small calculations; the options are made by rule, so the right one is known.

- Facts: a row of a table in `facts.json` is asked for one column; the other options are what other rows have there.
- Calculations (`calculations.py`): the other options are what typical mistakes give.

The parameters hold the question, its options, which is right, and for every option the sentence that leads to it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial
from typing import Any

from factory.sources.families.calculations import CALCULATIONS, Calculation
from factory.sources.families.facts import column, facts
from factory.sources.families.family import Family, Options, Params
from factory.sources.families.scratch import Scratch
from schemas import AnswerKind, Level

COUNTS = (3, 4, 4, 5)
"""How many options a question has; drawn."""


def choice_params(rng: random.Random, ask: str, options: Sequence[str], says: Sequence[str]) -> Params:
    """Parameters of a question whose first option is right; the options are shuffled."""
    order = rng.sample(range(len(options)), len(options))
    return {
        "ask": ask,
        "options": [options[at] for at in order],
        "says": [says[at] for at in order],
        "right": order.index(0),
    }


def _draw(domain: str, rng: random.Random, level: Level, options: Options) -> Params:
    asked: list[Any] = [q for q in facts()[1] if (q["domain"], q["level"]) == (domain, level)]
    drawn = rng.choice(asked + [c for c in CALCULATIONS if (c.domain, c.level) == (domain, level)])
    count = rng.choice(COUNTS)
    return _calculate(rng, drawn, count) if isinstance(drawn, Calculation) else _look_up(rng, drawn, count)


def _look_up(rng: random.Random, question: dict[str, Any], count: int) -> Params:
    rows, given, asked = facts()[0][question["table"]], question["given"], question["asked"]
    row = rng.choice(rows)
    right = {other[asked] for other in rows if other[given] == row[given]}
    wrong = sorted({other[asked] for other in rows} - right)
    options = [row[asked], *rng.sample(wrong, min(count - 1, len(wrong)))]
    says = [question["say"].format(**{**row, asked: option}) for option in options]
    return choice_params(rng, rng.choice(question["ask"]).format(**row), options, says)


def _calculate(rng: random.Random, made: Calculation, count: int) -> Params:
    values = {
        name: rng.choice(column(among) if isinstance(among, str) else among)
        for name, among in made.values.items()
    }
    ways: dict[str, str] = {}
    for rule, compute in made.ways:
        ways.setdefault(made.show(compute(values)), rule.format(**values))
    right, *wrong = ways
    options = [right, *rng.sample(wrong, min(count - 1, len(wrong)))]
    says = [f"{ways[option]}: {option}." for option in options]
    return choice_params(rng, made.ask.format(**values), options, says)


def _tell(rng: random.Random, params: Params, terse: bool) -> str:
    return str(params["ask"])


def _answer(params: Params) -> str:
    return letter(params["right"])


def letter(at: int) -> str:
    """The letter of an option, A for 0."""
    return chr(ord("A") + at)


def _columns(params: Params) -> dict[str, Any]:
    return {"choices": params["options"]}


def _solve(params: Params, pad: Scratch) -> str:
    options, right = params["options"], params["right"]
    pad.plan(pad.rng.choice(PLANS))
    at = pad.take(params["says"], right)
    other = pad.rng.choice([place for place in range(len(options)) if place != at])
    if pad.rng.random() < 0.5:
        pad.note(f"Option {letter(other)}, {options[other]}, is something else.")
    pad.note(f"That is option {letter(at)}.", f"option {letter(at)}")
    pad.check(f"{params['says'][right]} I took {options[at]}.", at == right, options[at])
    return letter(at)


PLANS = (
    "I answer the question first and look at the options afterwards.",
    "Let me recall what belongs to this.",
    "The options are close to each other, so I work it out before I choose.",
    "Only one of the options can be right.",
)


def _family(name: str, domain: str, *levels: Level) -> Family:
    return Family(
        name,
        domain,
        levels,
        partial(_draw, name),
        _tell,
        _answer,
        _solve,
        kind=AnswerKind.CHOICE,
        columns=_columns,
        closings=(
            "So the answer is option {}.",
            "Therefore I choose {}.",
            "Hence it must be option {}.",
            "That leaves {}.",
        ),
        answers=(
            "\\boxed{ANSWER}",
            "The answer is \\boxed{ANSWER}.",
            "**Answer:** \\boxed{ANSWER}",
            "The right option is \\boxed{\\text{ANSWER}}.",
            "The correct option is (ANSWER).",
        ),
    )


CHOICES = (
    *(
        _family(name, name, Level.MIDDLE, Level.HIGH_SCHOOL)
        for name in ("chemistry", "physics", "biology", "astronomy")
    ),
    _family("puzzles", "logic", Level.ELEMENTARY, Level.MIDDLE),
)
"""Families of choice questions. `puzzles` also solves reasoning-gym entries that were made into choices."""
