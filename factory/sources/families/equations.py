"""Linear equations, and systems of two of them."""

from __future__ import annotations

import random
from fractions import Fraction

from factory.sources.families.family import NAMES, Family, Options, Params, nonzero, pick
from factory.sources.families.scratch import Scratch, show
from schemas import Level


def term(coefficient: int, name: str) -> str:
    """`3x`, `-x`, `x`."""
    return f"{'-' if coefficient < 0 else ''}{'' if abs(coefficient) == 1 else abs(coefficient)}{name}"


def signed(number: int) -> str:
    """` + 3` or ` - 3`; empty for 0."""
    return "" if number == 0 else f" {'-' if number < 0 else '+'} {abs(number)}"


def _draw_equation(rng: random.Random, level: Level, options: Options) -> Params:
    name = rng.choice("xyztnm")
    if level == Level.ELEMENTARY:
        return {"name": name, "a": 1, "p": 0, "b": rng.randint(-20, 20) or 7, "c": 0, "d": rng.randint(5, 60)}
    if level == Level.MIDDLE:
        a, x, b = rng.randint(2, 9), rng.randint(-9, 12), nonzero(rng, -15, 15)
        return {"name": name, "a": a, "p": 0, "b": b, "c": 0, "d": a * x + b}
    a, c = rng.randint(2, 9), rng.randint(-7, 8)
    c = c if c != a else c - 1
    return {
        "name": name,
        "a": a,
        "p": nonzero(rng, -6, 6),
        "b": rng.randint(-15, 15),
        "c": c or 1 + (a == 1),
        "d": rng.randint(-30, 30),
    }


def _sides(params: Params) -> tuple[str, str]:
    a, p, b, c, d, x = (params[key] for key in ("a", "p", "b", "c", "d", "name"))
    head = f"{'' if a == 1 else a}({x}{signed(p)})" if p else term(a, x)
    right = (term(c, x) + signed(d)) if c else str(d)
    return head + signed(b), right


def _tell_equation(rng: random.Random, params: Params, terse: bool) -> str:
    left, right = _sides(params)
    x, who = params["name"], rng.choice(NAMES)
    if terse:
        return f"{left} = {right}, {x}=?"
    return pick(
        rng,
        f"Solve for {x}: {left} = {right}.",
        f"Which value of {x} makes the equation {left} = {right} true?",
        f"{who} wants to find {x} from {left} = {right}. What is {x}?",
        f"Determine the number {x} with ${left} = {right}$.",
        f"The two sides {left} and {right} are equal. Find {x}.",
    )


def _answer_equation(params: Params) -> Fraction:
    a, p, b, c, d = (params[key] for key in "apbcd")
    return Fraction(d - b - a * p, a - c)


def _solve_equation(params: Params, pad: Scratch) -> Fraction:
    a, p, b, c, d, x = (params[key] for key in ("a", "p", "b", "c", "d", "name"))
    left, right = _sides(params)
    pad.plan(f"I bring everything with {x} to one side of {left} = {right} and the numbers to the other.")
    constant, coefficient = b, a
    if p:
        product = pad.calc(
            f"{a} * {bracketed(p)}", a * p, lead="Multiplying out the bracket, the constant part is"
        )
        constant = pad.calc(
            f"{bracketed(product)}{signed(b)}" if b else f"{product} + 0",
            product + b,
            lead="All constants on the left:",
        )
        pad.note(f"So the equation is {term(a, x)}{signed(constant)} = {right}.")
    if c:
        coefficient = pad.calc(
            f"{a} - {bracketed(c)}",
            a - c,
            lead=f"Subtracting {term(c, x)} from both sides, the coefficient of {x} is",
        )
    rest = pad.calc(f"{d} - {bracketed(constant)}", d - constant, lead="On the right side")
    value = Fraction(rest, coefficient)
    if coefficient != 1:
        pad.note(f"Now {term(coefficient, x)} = {rest}.")
        value = pad.calc(
            f"{rest} / {bracketed(coefficient)}",
            value,
            lead=f"Dividing, {x} =",
            terse=f"{x}={rest}/{bracketed(coefficient)}",
        )
    one, two = a * (value + p) + b, c * value + d
    pad.check(
        f"For {x} = {show(value)} the left side is {show(one)} and the right side is {show(two)}.",
        one == two,
        terse=f"{x}={show(value)}",
    )
    return value


def bracketed(number: int | Fraction) -> str:
    """A number inside an expression: brackets around a negative one."""
    return f"({number})" if number < 0 else str(number)


LINEAR_EQUATION = Family(
    "linear_equation",
    "algebra",
    (Level.ELEMENTARY, Level.MIDDLE, Level.HIGH_SCHOOL),
    _draw_equation,
    _tell_equation,
    _answer_equation,
    _solve_equation,
)


def _draw_system(rng: random.Random, level: Level, options: Options) -> Params:
    reach = 5 if level == Level.MIDDLE else 9
    while True:
        a, b, c, d = (nonzero(rng, -reach, reach) for _ in range(4))
        if a * d != b * c:
            break
    x, y = rng.randint(-9, 9), rng.randint(-9, 9)
    return {
        "rows": [[a, b, a * x + b * y], [c, d, c * x + d * y]],
        "names": rng.choice((["x", "y"], ["a", "b"], ["p", "q"], ["u", "v"])),
        "asked": rng.choice(("sum", "product", "first", "second")),
    }


def _row(row: list[int], names: list[str]) -> str:
    second = f" {'-' if row[1] < 0 else '+'} {term(abs(row[1]), names[1])}"
    return f"{term(row[0], names[0])}{second} = {row[2]}"


def _tell_system(rng: random.Random, params: Params, terse: bool) -> str:
    names = params["names"]
    x, y = names
    first, second = (_row(row, names) for row in params["rows"])
    wanted = {"sum": f"{x} + {y}", "product": f"{x} * {y}", "first": x, "second": y}[params["asked"]]
    if terse:
        return f"{first}; {second}; {wanted}=?"
    return pick(
        rng,
        f"The numbers {x} and {y} satisfy {first} and {second}. What is {wanted}?",
        f"Solve the system of equations\n{first}\n{second}\nand give the value of {wanted}.",
        f"Find {wanted} if {first} and, at the same time, {second}.",
        f"Two lines in the plane have the equations {first} and {second}. They meet in one point ({x}, {y}). "
        f"Compute {wanted} for that point.",
    )


def _unknowns(rows: list[list[int]]) -> tuple[Fraction, Fraction]:
    (a, b, e), (c, d, f) = rows
    det = a * d - b * c
    return Fraction(e * d - b * f, det), Fraction(a * f - e * c, det)


def _asked(asked: str, x: Fraction, y: Fraction) -> Fraction:
    return {"sum": x + y, "product": x * y, "first": x, "second": y}[asked]


def _answer_system(params: Params) -> Fraction:
    return _asked(params["asked"], *_unknowns(params["rows"]))


def _solve_system(params: Params, pad: Scratch) -> Fraction:
    (a, b, e), (c, d, f) = params["rows"]
    n1, n2 = params["names"]
    pad.plan(f"I eliminate {n2}: multiply the first equation by {d}, the second by {b}, and subtract.")
    det = pad.calc(
        f"{a} * {bracketed(d)} - {bracketed(c)} * {bracketed(b)}", a * d - c * b, lead=f"Coefficient of {n1}:"
    )
    rest = pad.calc(
        f"{e} * {bracketed(d)} - {bracketed(f)} * {bracketed(b)}", e * d - f * b, lead="Right side:"
    )
    x = pad.calc(
        f"{rest} / {bracketed(det)}",
        Fraction(rest, det),
        lead=f"Hence {n1} =",
        terse=f"{n1}={rest}/{bracketed(det)}",
    )
    part = pad.calc(
        f"{e} - {bracketed(a)} * {bracketed(x)}",
        e - a * x,
        lead=f"Putting this into the first equation, {term(b, n2)} =",
    )
    y = pad.calc(
        f"{bracketed(part)} / {bracketed(b)}",
        part / b,
        lead=f"so {n2} =",
        terse=f"{n2}={bracketed(part)}/{bracketed(b)}",
    )
    value = wanted = _asked(params["asked"], x, y)
    if params["asked"] in ("sum", "product"):
        sign = "+" if params["asked"] == "sum" else "*"
        value = pad.calc(f"{show(x)} {sign} {bracketed(y)}", wanted, lead="What is asked for:")
    left = c * x + d * y
    again = "" if value == wanted else f", and the last step should give {show(wanted)}"
    pad.check(
        f"In the second equation: {c} * {bracketed(x)} + {bracketed(d)} * {bracketed(y)} = {show(left)}, and it should be {f}{again}.",
        left == f and a * x + b * y == e and value == wanted,
        terse=f"{c}*{bracketed(x)}+{bracketed(d)}*{bracketed(y)}={f}",
    )
    return value


LINEAR_SYSTEM = Family(
    "linear_system",
    "algebra",
    (Level.MIDDLE, Level.HIGH_SCHOOL),
    _draw_system,
    _tell_system,
    _answer_system,
    _solve_system,
)
