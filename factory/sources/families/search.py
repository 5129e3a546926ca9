"""Problems that need a search: signs between numbers (countdown), and subsets with a given sum. Traces backtrack."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator

from factory.sources.families.chains import apply
from factory.sources.families.family import NAMES, Family, Options, Params, pick
from factory.sources.families.scratch import Scratch
from schemas import Level

TRAIL = 40
"""Most lines of search that are written out."""


def _run(numbers: list[int], signs: tuple[str, ...]) -> list[int]:
    values = [numbers[0]]
    for sign, number in zip(signs, numbers[1:], strict=True):
        values.append(apply(sign, values[-1], number))
    return values


def _draw_countdown(rng: random.Random, level: Level, options: Options) -> Params:
    low, high = (4, 4) if level == Level.MIDDLE else (5, 5)
    while True:
        numbers = [rng.randint(2, 12) for _ in range(options.count(rng, low - 1, high - 1) + 1)]
        signs = tuple(rng.choice("+-*") for _ in numbers[1:])
        target = _run(numbers, signs)[-1]
        if len(_solutions(numbers, target)) == 1 and abs(target) < 1000:
            return {"numbers": numbers, "target": target}


def _solutions(numbers: list[int], target: int) -> list[tuple[str, ...]]:
    every = itertools.product("+-*", repeat=len(numbers) - 1)
    return [signs for signs in every if _run(numbers, signs)[-1] == target]


def _tell_countdown(rng: random.Random, params: Params, terse: bool) -> str:
    numbers, target, who = params["numbers"], params["target"], rng.choice(NAMES)
    row = " _ ".join(map(str, numbers))
    last = numbers[-1]
    if terse:
        return f"{row} = {target}; value before {last}?"
    return pick(
        rng,
        f"Put +, - or * into each gap of {row} so that the result, worked out strictly from left to right, is {target}. There "
        f"is exactly one way. What is the running value just before the last number, {last}, is used?",
        f"{who} types {numbers[0]} into a simple calculator and then combines it with {', '.join(map(str, numbers[1:]))}, in "
        f"this order, each time with +, - or *. The display ends at {target}. What did it show before the last step? "
        "(The signs are determined uniquely.)",
        f"In the chain {row} = {target} the signs (+, -, *) are missing; there is no precedence, the chain is evaluated from "
        f"left to right, and only one choice of signs works. Find the value that {last} is combined with.",
    )


def _answer_countdown(params: Params) -> int:
    return _run(params["numbers"], _solutions(params["numbers"], params["target"])[0])[-2]


def _solve_countdown(params: Params, pad: Scratch) -> int:
    numbers, target = params["numbers"], params["target"]
    pad.plan(
        f"I work backwards from {target}: for each sign before the last number, what must the value before it have been?"
    )
    order = list("+-*")
    pad.rng.shuffle(order)
    written = 0
    for line in _backwards(numbers, target, order):
        written += 1
        if written <= TRAIL:
            pad.note(line)
    if written > TRAIL:
        pad.note(f"(I try {written - TRAIL} more combinations in the same way.)")
    signs = _solutions(numbers, target)[0]
    pad.note(f"So the signs are {', '.join(signs)}. Now forwards:", "".join(signs))
    value = numbers[0]
    for sign, number in zip(signs[:-1], numbers[1:-1], strict=True):
        value = pad.calc(f"{value} {sign} {number}", apply(sign, value, number))
    final = apply(signs[-1], value, numbers[-1])
    pad.check(
        f"{value} {signs[-1]} {numbers[-1]} = {final}, and the target is {target}.",
        final == target,
        terse=f"{value}{signs[-1]}{numbers[-1]}={target}",
    )
    return value


def _backwards(numbers: list[int], target: int, order: list[str], depth: int = 0) -> Iterator[str]:
    """Lines of a depth-first search from the end; stops at the solution."""
    if len(numbers) == 1:
        yield f"{'  ' * depth}The first number is {numbers[0]}, needed is {target}: {'found it!' if numbers[0] == target else 'dead end, back.'}"
        return
    last, before = numbers[-1], numbers[:-1]
    for sign in order:
        if sign == "*" and target % last:
            yield f"{'  ' * depth}* {last}: {target} is not divisible by {last}, so no."
            continue
        needed = {"+": target - last, "-": target + last, "*": target // last}[sign]
        yield f"{'  ' * depth}{sign} {last}: then the value before must be {needed}."
        yield from _backwards(before, needed, order, depth + 1)
        if _solutions(before, needed):
            return


COUNTDOWN = Family(
    "countdown",
    "search",
    (Level.MIDDLE, Level.HIGH_SCHOOL),
    _draw_countdown,
    _tell_countdown,
    _answer_countdown,
    _solve_countdown,
    frozenset({"steps"}),
)


def _draw_subset(rng: random.Random, level: Level, options: Options) -> Params:
    count, reach = (5, 20) if level == Level.MIDDLE else (7, 45)
    while True:
        numbers = sorted(rng.sample(range(3, reach), count), reverse=True)
        target = sum(rng.sample(numbers, rng.randint(2, 3)))
        if len(_subsets(numbers, target)) == 1:
            return {"numbers": numbers, "target": target}


def _subsets(numbers: list[int], target: int) -> list[tuple[int, ...]]:
    sizes = range(1, len(numbers) + 1)
    return [s for size in sizes for s in itertools.combinations(numbers, size) if sum(s) == target]


def _tell_subset(rng: random.Random, params: Params, terse: bool) -> str:
    numbers, target, who = params["numbers"], params["target"], rng.choice(NAMES)
    told = ", ".join(map(str, rng.sample(numbers, len(numbers))))
    if terse:
        return f"subset of {told} with sum {target}: product?"
    return pick(
        rng,
        f"Some of the numbers {told} add up to exactly {target}, and there is only one way to choose them. What is the product "
        "of the chosen numbers?",
        f"{who} has weights of {told} grams. Exactly one selection of them weighs {target} grams. Multiply the weights of that "
        "selection: what do you get?",
        f"From the set {{{told}}} pick a subset with sum {target} (it is unique). Give the product of its elements.",
    )


def _solve_subset(params: Params, pad: Scratch) -> int:
    numbers, target = params["numbers"], params["target"]
    pad.plan(
        f"I go through the numbers from large to small, {', '.join(map(str, numbers))}, take or leave each, and turn back when the rest cannot work."
    )
    written = 0
    for line in _take_or_leave(numbers, target, ()):
        written += 1
        if written <= TRAIL:
            pad.note(line)
    if written > TRAIL:
        pad.note(f"(I try {written - TRAIL} more branches in the same way.)")
    chosen = _subsets(numbers, target)[0]
    total = " + ".join(map(str, chosen))
    pad.note(
        f"So the numbers are {', '.join(map(str, chosen))}: {total} = {target}.",
        f"{total.replace(' ', '')}={target}",
    )
    value = chosen[0]
    for number in chosen[1:]:
        value = pad.calc(f"{value} * {number}", value * number)
    rest = [str(value // n) if value % n == 0 else f"{value}/{n}" for n in chosen]
    pad.check(
        f"Dividing {value} by each of {', '.join(map(str, chosen))} gives {', '.join(rest)}; the product of all is {math.prod(chosen)}.",
        value == math.prod(chosen),
        terse=total.replace(" ", "") + f"={target}",
    )
    return value


def _take_or_leave(numbers: list[int], target: int, taken: tuple[int, ...]) -> Iterator[str]:
    """Lines of a depth-first search that takes the largest number first; stops at the solution."""
    have = f"With {', '.join(map(str, taken))}" if taken else "With nothing yet"
    if target == 0:
        yield f"{have}: nothing is missing, found it!"
        return
    if sum(numbers) < target:
        yield f"{have}: {target} is missing, the rest adds up to only {sum(numbers)}. Back."
        return
    for index, number in enumerate(numbers):
        if number > target:
            continue
        yield f"{have}: {target} is missing; take {number}."
        yield from _take_or_leave(numbers[index + 1 :], target - number, (*taken, number))
        if _subsets(numbers[index + 1 :], target - number) or number == target:
            return
    yield f"{have}: {target} is missing and no number fits. Back."


SUBSET_SUM = Family(
    "subset_sum",
    "search",
    (Level.MIDDLE, Level.HIGH_SCHOOL),
    _draw_subset,
    _tell_subset,
    lambda params: math.prod(_subsets(params["numbers"], params["target"])[0]),
    _solve_subset,
)
