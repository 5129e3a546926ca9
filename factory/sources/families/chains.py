"""Chains of small operations: modular chains and chains of assignments. Short enough for a very small model."""

from __future__ import annotations

import random

from factory.sources.families.family import Family, Options, Params, pick
from factory.sources.families.scratch import Scratch
from schemas import Level

VERBS = {"+": ("add", "plus"), "-": ("subtract", "minus"), "*": ("multiply by", "times")}


def _draw_modular(rng: random.Random, level: Level, options: Options) -> Params:
    low, high, modulus = {
        Level.ELEMENTARY: (2, 3, 10),
        Level.MIDDLE: (3, 5, 10),
        Level.HIGH_SCHOOL: (5, 8, rng.choice((7, 11, 13, 17, 23, 97))),
    }[level]
    modulus = options.modulus or modulus
    steps = options.count(rng, low, high)
    return {
        "modulus": modulus,
        "start": rng.randrange(modulus),
        "ops": [[rng.choice("+-*"), rng.randint(1 if modulus < 4 else 2, modulus - 1)] for _ in range(steps)],
    }


def _tell_modular(rng: random.Random, params: Params, terse: bool) -> str:
    modulus, start = params["modulus"], params["start"]
    if terse:
        chain = " ".join(f"{op}{n}" for op, n in params["ops"])
        return pick(
            rng,
            f"mod {modulus}: {start} {chain}",
            f"start {start}, do {chain}, mod {modulus}",
            f"{start} {chain} in mod {modulus}",
        )
    told = [f"{pick(rng, *VERBS[op][:1])} {n}" for op, n in params["ops"]]
    joined = pick(rng, ", then ", "; next ", ", and after that ").join(told)
    return pick(
        rng,
        f"Start with {start}. Working modulo {modulus}, {joined}. What number do you end up with?",
        f"A counter shows {start} and wraps around after {modulus - 1}, so that it always shows a remainder modulo "
        f"{modulus}. The following is done to it, in order: {joined}. What does the counter show at the end?",
        f"All arithmetic here is modulo {modulus}. Take {start}, then {joined}. Find the result, a number from 0 to "
        f"{modulus - 1}.",
        f"{pick(rng, 'A puzzle box', 'A toy robot', 'A small machine')} holds the number {start}. It is told to "
        f"{joined}, keeping only the remainder after division by {modulus} each time. Which number does it hold now?",
    )


def apply(op: str, left: int, right: int) -> int:
    """One of + - * on integers."""
    return left + right if op == "+" else left - right if op == "-" else left * right


def _answer_modular(params: Params) -> int:
    value = params["start"]
    for op, n in params["ops"]:
        value = apply(op, value, n)
    return value % params["modulus"]


def _solve_modular(params: Params, pad: Scratch) -> int:
    modulus, value, last = params["modulus"], params["start"], ""
    pad.plan(
        f"I apply the operations one at a time to {value} and reduce modulo {modulus} after each of them."
    )
    for op, n in params["ops"]:
        raw = apply(op, value, n)
        last = f"{value} {op} {n}"
        shown = last if 0 <= raw < modulus else f"{last} = {raw}, and {raw} mod {modulus}"
        value = pad.calc(shown, raw % modulus, terse=last.replace(" ", ""), within=modulus)
    true = _answer_modular(params)
    exact = params["start"]
    for op, n in params["ops"]:
        exact = apply(op, exact, n)
    pad.check(
        f"Without reducing in between, the chain gives {exact}, and {exact} mod {modulus} = {true}; I found {value}.",
        value == true,
        terse=f"{last.replace(' ', '')}={value}",
    )
    return value


MODULAR_CHAIN = Family(
    "modular_chain",
    "number_theory",
    (Level.ELEMENTARY, Level.MIDDLE, Level.HIGH_SCHOOL),
    _draw_modular,
    _tell_modular,
    _answer_modular,
    _solve_modular,
    frozenset({"steps", "modulus"}),
)


def _draw_assignments(rng: random.Random, level: Level, options: Options) -> Params:
    low, high, largest = (2, 3, 9) if level == Level.ELEMENTARY else (4, 6, 20)
    steps = options.count(rng, low, high)
    letters = rng.sample("abcdefghkmnpqrstuvwxyz", steps + 1)
    values, rows = [rng.randint(1, largest)], []
    for number in range(steps):
        source = rng.randrange(number + 1) if number and rng.random() < 0.3 else number
        op, n = rng.choice("++-*"), rng.randint(2, largest)
        if op == "*" and abs(values[source]) * n > 200:
            op = "+"
        if op == "-" and values[source] < n:
            n = rng.randint(0, max(values[source], 0))
        rows.append([letters[number + 1], letters[source], op, n])
        values.append(apply(op, values[source], n))
    shuffled = rng.sample(rows, len(rows)) if level == Level.MIDDLE else rows
    return {"first": [letters[0], values[0]], "rows": shuffled, "asked": letters[steps]}


def _tell_assignments(rng: random.Random, params: Params, terse: bool) -> str:
    first, value = params["first"]
    asked = params["asked"]
    if terse:
        rows = "; ".join(f"{new}={old}{op}{n}" for new, old, op, n in params["rows"])
        return f"{first}={value}; {rows}; {asked}=?"
    told = [f"{first} = {value}"] + [
        pick(rng, f"{new} = {old} {op} {n}", f"{new} equals {old} {VERBS[op][1]} {n}")
        for new, old, op, n in params["rows"]
    ]
    joined = pick(rng, ", ", "; ", "\n").join(told)
    return pick(
        rng,
        f"Suppose {joined}. What is the value of {asked}?",
        f"A short program sets its variables as follows (not always in a helpful order): {joined}. "
        f"Which value does {asked} get?",
        f"The letters stand for numbers with {joined}. Determine {asked}.",
        f"Given that {joined}, find {asked}.",
    )


def _answer_assignments(params: Params) -> int:
    rows = {new: (old, op, n) for new, old, op, n in params["rows"]}

    def value(name: str) -> int:
        if name == params["first"][0]:
            return int(params["first"][1])
        old, op, n = rows[name]
        return apply(op, value(old), n)

    return value(params["asked"])


def _solve_assignments(params: Params, pad: Scratch) -> int:
    rows = {new: (old, op, n) for new, old, op, n in params["rows"]}
    name, needed = params["asked"], []
    while name != params["first"][0]:
        needed.append(name)
        name = rows[name][0]
    value = int(params["first"][1])
    path = " -> ".join([params["first"][0], *reversed(needed)])
    pad.plan(
        f"To get {params['asked']} I trace back what it depends on: {path}. The other letters do not matter."
    )
    for name in reversed(needed):
        old, op, n = rows[name]
        left = value
        value = pad.calc(
            f"{name} = {old} {op} {n} = {left} {op} {n}", apply(op, left, n), terse=f"{name}={left}{op}{n}"
        )
    true = _answer_assignments(params)
    name = params["asked"]
    old, op, n = rows[name]
    pad.check(
        f"Substituting everything at once into {name} = {old} {op} {n} gives {true}; I found {value}.",
        value == true,
        terse=f"{name}={value}",
    )
    return value


ASSIGNMENTS = Family(
    "assignments",
    "arithmetic",
    (Level.ELEMENTARY, Level.MIDDLE),
    _draw_assignments,
    _tell_assignments,
    _answer_assignments,
    _solve_assignments,
    frozenset({"steps"}),
)
