"""Sequences (arithmetic, geometric, quadratic, recurrent) and base conversion."""

from __future__ import annotations

import itertools
import random

from factory.sources.families.family import NAMES, Family, Options, Params, nonzero, pick
from factory.sources.families.scratch import Scratch
from schemas import Level


def _draw_sequence(rng: random.Random, level: Level, options: Options) -> Params:
    if level == Level.MIDDLE:
        first, step = rng.randint(-20, 40), nonzero(rng, -9, 12)
        return {
            "kind": "arithmetic",
            "first": first,
            "step": step,
            "n": rng.randint(12, 80),
            "sum": rng.random() < 0.4,
        }
    if level == Level.HIGH_SCHOOL and rng.random() < 0.5:
        return {
            "kind": "geometric",
            "first": rng.randint(1, 6),
            "step": rng.choice((2, 3, 4)),
            "n": rng.randint(5, 8),
            "sum": rng.random() < 0.5,
        }
    if level == Level.HIGH_SCHOOL:
        return {
            "kind": "quadratic",
            "first": rng.randint(-9, 9),
            "step": rng.randint(-5, 9),
            "second": nonzero(rng, -3, 5),
            "n": rng.randint(8, 15),
            "sum": False,
        }
    return {
        "kind": "recurrent",
        "first": rng.randint(0, 4),
        "step": rng.randint(1, 5),
        "p": rng.randint(1, 3),
        "q": nonzero(rng, -2, 2),
        "n": options.count(rng, 6, 9),
        "sum": False,
    }


def terms_of(params: Params, count: int) -> list[int]:
    """The first `count` terms."""
    a, d, kind = params["first"], params["step"], params["kind"]
    if kind == "arithmetic":
        return [a + d * i for i in range(count)]
    if kind == "geometric":
        return [a * d**i for i in range(count)]
    if kind == "quadratic":
        return [a + d * i + params["second"] * i * (i - 1) // 2 for i in range(count)]
    terms = [a, d]
    while len(terms) < count:
        terms.append(params["p"] * terms[-1] + params["q"] * terms[-2])
    return terms[:count]


def _tell_sequence(rng: random.Random, params: Params, terse: bool) -> str:
    n, who = params["n"], rng.choice(NAMES)
    wanted = f"the sum of the first {n} terms" if params["sum"] else f"term number {n}"
    if params["kind"] == "recurrent":
        rule = f"a_1 = {params['first']}, a_2 = {params['step']} and a_n = {params['p']} a_(n-1) {'+' if params['q'] > 0 else '-'} {abs(params['q'])} a_(n-2)"
        if terse:
            return f"{rule}; a_{n}=?"
        return pick(
            rng,
            f"A sequence is defined by {rule} for n > 2. What is a_{n}?",
            f"Given {rule} for every n from 3 on, compute the term a_{n}.",
            f"{who} studies the recurrence {rule}. Find a_{n}.",
        )
    shown = ", ".join(map(str, terms_of(params, 5 if params["kind"] == "quadratic" else 4)))
    if terse:
        return f"{shown}, ...; {'sum of ' if params['sum'] else 'term '}{n}"
    name = {"arithmetic": "an arithmetic", "geometric": "a geometric", "quadratic": "a quadratic"}[
        params["kind"]
    ]
    return pick(
        rng,
        f"The numbers {shown}, ... form {name} sequence. Find {wanted}.",
        f"{who} writes down {name} sequence that begins {shown}. What is {wanted}?",
        f"Consider {name} sequence with the first terms {shown}. Determine {wanted}.",
        f"Continue the pattern {shown}, ... ({name} sequence). What is {wanted}?",
    )


def _answer_sequence(params: Params) -> int:
    terms = terms_of(params, params["n"])
    return sum(terms) if params["sum"] else terms[-1]


def _solve_sequence(params: Params, pad: Scratch) -> int:
    value = {
        "arithmetic": _arithmetic,
        "geometric": _geometric,
        "quadratic": _quadratic,
        "recurrent": _recurrent,
    }[params["kind"]](params, pad)
    true = _answer_sequence(params)
    how = "Adding up" if params["sum"] else "Writing out"
    pad.check(
        f"{how} all {params['n']} terms one after another gives {true}; the formula gave {value}.",
        value == true,
        terse=f"n={params['n']} {value}",
    )
    return value


def _arithmetic(params: Params, pad: Scratch) -> int:
    a, n = params["first"], params["n"]
    second = terms_of(params, 2)[1]
    pad.plan("The difference of neighbours is constant, so term n is first + (n - 1) * difference.")
    step = pad.calc(f"{second} - ({a})", second - a, lead="The difference is")
    jump = pad.calc(f"{n - 1} * ({step})", (n - 1) * step)
    last = pad.calc(f"{a} + ({jump})", a + jump, lead=f"Term {n} is")
    if not params["sum"]:
        return last
    ends = pad.calc(f"{a} + ({last})", a + last, lead="First plus last term:")
    double = pad.calc(f"{n} * ({ends})", n * ends)
    return pad.calc(f"{double} / 2", double // 2, lead="Half of it is the sum:")


def _geometric(params: Params, pad: Scratch) -> int:
    a, n = params["first"], params["n"]
    second = terms_of(params, 2)[1]
    pad.plan("Neighbours have a constant ratio, so I multiply on.")
    ratio = pad.calc(f"{second} / {a}", second // a, lead="The ratio is")
    term, total = a, a
    for number in range(2, n + 1):
        term = pad.calc(f"{term} * {ratio}", term * ratio, lead=f"Term {number}:")
        if params["sum"]:
            total = pad.calc(f"{total} + {term}", total + term, lead="Sum so far:")
    return total if params["sum"] else term


def _quadratic(params: Params, pad: Scratch) -> int:
    shown = terms_of(params, 5)
    first = [b - a for a, b in itertools.pairwise(shown)]
    pad.plan(f"The differences are {', '.join(map(str, first))}; they change by a constant amount.")
    second = pad.calc(f"{first[1]} - ({first[0]})", first[1] - first[0], lead="Second difference:")
    term, gap = shown[-1], first[-1]
    for number in range(6, params["n"] + 1):
        gap = pad.calc(f"{gap} + ({second})", gap + second, lead="Next difference:")
        term = pad.calc(f"{term} + ({gap})", term + gap, lead=f"Term {number}:")
    return term


def _recurrent(params: Params, pad: Scratch) -> int:
    p, q = params["p"], params["q"]
    before, now = params["first"], params["step"]
    pad.plan("I compute one term after another from the two before it.")
    for number in range(3, params["n"] + 1):
        value = p * now + q * before
        before, now = now, pad.calc(f"{p} * ({now}) + ({q}) * ({before})", value, lead=f"a_{number} =")
    return now


SEQUENCE = Family(
    "sequence",
    "algebra",
    (Level.MIDDLE, Level.HIGH_SCHOOL, Level.COLLEGE),
    _draw_sequence,
    _tell_sequence,
    _answer_sequence,
    _solve_sequence,
    frozenset({"steps"}),
)


def _draw_base(rng: random.Random, level: Level, options: Options) -> Params:
    number = rng.randint(10, 200) if level == Level.MIDDLE else rng.randint(100, 3000)
    source, target = rng.sample(range(2, 10), 2)
    if level == Level.MIDDLE:
        source, target = rng.choice(((10, target), (source, 10)))
    return {"number": number, "source": source, "target": target}


def in_base(number: int, base: int) -> int:
    """The digits of a number in a base up to 10, read as a decimal numeral: 5 in base 2 is 101."""
    digits = ""
    while True:
        number, digit = divmod(number, base)
        digits = str(digit) + digits
        if number == 0:
            return int(digits)


def _tell_base(rng: random.Random, params: Params, terse: bool) -> str:
    source, target = params["source"], params["target"]
    digits, who = in_base(params["number"], source), rng.choice(NAMES)
    if terse:
        return f"{digits} base {source} to base {target}"
    return pick(
        rng,
        f"Convert {digits} from base {source} to base {target}.",
        f"In base {source} a number is written {digits}. How is it written in base {target}?",
        f"{who} writes numbers in base {target}, a friend in base {source}. The friend writes {digits}. What does {who} "
        "write for the same number?",
        f"Find the base-{target} representation of the base-{source} numeral {digits}.",
    )


def _solve_base(params: Params, pad: Scratch) -> int:
    source, target, number = params["source"], params["target"], params["number"]
    digits = in_base(number, source)
    pad.plan("First the value in base 10, then the digits in the new base by repeated division.")
    value = digits
    if source != 10:
        value = int(str(digits)[0])
        for digit in str(digits)[1:]:
            value = pad.calc(
                f"{value} * {source} + {digit}", value * source + int(digit), lead="Horner step:"
            )
        pad.note(f"So the number is {value} in base 10.", f"{value}")
    result = value if target == 10 else _divide(pad, value, target)
    back = sum(int(d) * target**i for i, d in enumerate(reversed(str(result)))) if target != 10 else result
    pad.check(
        f"Read back, {result} in base {target} is {back}, and {digits} in base {source} is {number}.",
        back == number,
        terse=f"{result}",
    )
    return result


def _divide(pad: Scratch, value: int, base: int) -> int:
    digits = ""
    while value > 0:
        digit = pad.calc(
            f"{value} mod {base}", value % base, lead="Remainder:", terse=f"{value}%{base}", within=base
        )
        digits = f"{digit}{digits}"
        value = pad.calc(f"{value} // {base}", value // base, lead="Quotient:")
    pad.note(f"From the last remainder to the first: {digits}.", digits)
    return int(digits)


BASE_CONVERSION = Family(
    "base_conversion",
    "number_theory",
    (Level.MIDDLE, Level.HIGH_SCHOOL),
    _draw_base,
    _tell_base,
    lambda params: in_base(params["number"], params["target"]),
    _solve_base,
)
