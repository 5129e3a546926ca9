"""College and graduate level: polynomials in calculus, determinants, orders of permutations."""

from __future__ import annotations

import math
import random
from fractions import Fraction

from factory.sources.families.family import NAMES, Family, Options, Params, nonzero, pick
from factory.sources.families.scratch import Scratch, one_of, show
from schemas import Level


def _draw_calculus(rng: random.Random, level: Level, options: Options) -> Params:
    degree = rng.randint(2, 3) if level == Level.HIGH_SCHOOL else rng.randint(2, 4)
    coefficients = [rng.randint(-7, 7) for _ in range(degree)] + [nonzero(rng, -6, 6)]
    if level == Level.HIGH_SCHOOL:
        return {"coefficients": coefficients, "kind": "derivative", "at": nonzero(rng, -4, 5)}
    low = rng.randint(-2, 2)
    return {"coefficients": coefficients, "kind": "integral", "low": low, "high": low + rng.randint(1, 4)}


def polynomial(coefficients: list[int], name: str = "x") -> str:
    """`3x^2 - x + 4`, from the constant term upwards."""
    parts: list[str] = []
    for power, c in reversed(list(enumerate(coefficients))):
        if c:
            body = "" if power == 0 else name if power == 1 else f"{name}^{power}"
            size = "" if abs(c) == 1 and body else str(abs(c))
            parts.append((("- " if c < 0 else "+ ") if parts else ("-" if c < 0 else "")) + size + body)
    return " ".join(parts) or "0"


def _tell_calculus(rng: random.Random, params: Params, terse: bool) -> str:
    f, who = polynomial(params["coefficients"]), rng.choice(NAMES)
    if params["kind"] == "derivative":
        at = params["at"]
        if terse:
            return f"d/dx {f} at {at}"
        return pick(
            rng,
            f"Let f(x) = {f}. What is f'({at})?",
            f"What is the slope of the graph of y = {f} at the point with x = {at}?",
            f"A point moves along a line; at time x its position is {f}. What is its velocity at time {at}?",
            f"{who} differentiates {f} and puts in x = {at}. Which number should come out?",
        )
    low, high = params["low"], params["high"]
    if terse:
        return f"integral {low}..{high} of {f}"
    return pick(
        rng,
        f"Evaluate the definite integral of {f} from x = {low} to x = {high}.",
        f"Compute $\\int_{{{low}}}^{{{high}}} ({f})\\,dx$ exactly.",
        f"The rate of flow into a tank is {f} at time x (outflow when negative). By how much does the content change between "
        f"x = {low} and x = {high}?",
        f"Let F be an antiderivative of {f}. What is F({high}) - F({low})?",
    )


def _answer_calculus(params: Params) -> int | Fraction:
    terms = list(enumerate(params["coefficients"]))
    if params["kind"] == "derivative":
        return int(sum(c * k * params["at"] ** (k - 1) for k, c in terms if k))
    low, high = params["low"], params["high"]
    return sum((Fraction(c, k + 1) * (high ** (k + 1) - low ** (k + 1)) for k, c in terms), Fraction(0))


def _solve_calculus(params: Params, pad: Scratch) -> int | Fraction:
    if params["kind"] == "derivative":
        return _derivative(params, pad)
    low, high = params["low"], params["high"]
    pad.plan("I integrate term by term: x^k becomes x^(k+1)/(k+1), and then take upper minus lower limit.")
    value = Fraction(0)
    for power, c in enumerate(params["coefficients"]):
        if not c:
            continue
        gap = pad.calc(
            f"{_p(high)}^{power + 1} - {_p(low)}^{power + 1}", high ** (power + 1) - low ** (power + 1)
        )
        part = pad.calc(
            f"{c}/{power + 1} * {_p(gap)}",
            Fraction(c, power + 1) * gap,
            lead=f"The term with x^{power} gives",
        )
        value = pad.calc(f"{show(value)} + {_p(part)}", value + part, lead="Total so far:")
    middle = Fraction(low + high, 2)
    true = _answer_calculus(params)
    pad.check(
        f"The function is about {float(sum(c * middle**k for k, c in enumerate(params['coefficients']))):.2f} in the middle of "
        f"the interval; by Simpson's rule, done finely, the integral is {float(true):.4f}, and {show(value)} is {float(value):.4f}.",
        value == true,
        terse=show(value),
    )
    return value


def _derivative(params: Params, pad: Scratch) -> int:
    at, coefficients = params["at"], params["coefficients"]
    slopes = [k * c for k, c in enumerate(coefficients)][1:]
    pad.plan(f"By the power rule, f'(x) = {polynomial(slopes)}. I put in x = {at}.")
    pad.note("", polynomial(slopes).replace(" ", ""))
    value = 0
    for power, slope in enumerate(slopes):
        if not slope:
            continue
        part = slope
        if power:
            factor = pad.calc(f"{_p(at)}^{power}", at**power)
            part = pad.calc(f"{_p(slope)} * {_p(factor)}", slope * factor)
        value = pad.calc(f"{value} + {_p(part)}", value + part, lead="Total so far:")
    step = Fraction(1, 1000)
    f = lambda x: sum((c * x**k for k, c in enumerate(coefficients)), Fraction(0))  # noqa: E731
    slope = (f(at + step) - f(at - step)) / (2 * step)
    pad.check(
        f"The slope between x = {at} - 0.001 and {at} + 0.001 is {float(slope):.3f}, close to the right value; I found {value}.",
        value == _answer_calculus(params),
        terse=f"{value}",
    )
    return value


def _p(number: int | Fraction) -> str:
    return (
        f"({show(number)})"
        if number < 0 or (isinstance(number, Fraction) and number.denominator != 1)
        else show(number)
    )


CALCULUS = Family(
    "polynomial_calculus",
    "calculus",
    (Level.HIGH_SCHOOL, Level.COLLEGE),
    _draw_calculus,
    _tell_calculus,
    _answer_calculus,
    _solve_calculus,
)


def _draw_determinant(rng: random.Random, level: Level, options: Options) -> Params:
    size, reach = (2, 12) if level == Level.HIGH_SCHOOL else (3, 6)
    return {"rows": [[rng.randint(-reach, reach) for _ in range(size)] for _ in range(size)]}


def _tell_determinant(rng: random.Random, params: Params, terse: bool) -> str:
    rows = params["rows"]
    told = "[" + ", ".join(str(row) for row in rows) + "]"
    if terse:
        return "det " + "; ".join(" ".join(map(str, row)) for row in rows)
    names = ("row", "first row", "second row", "third row")
    listed = ", ".join(f"{names[i + 1]} ({', '.join(map(str, row))})" for i, row in enumerate(rows))
    return pick(
        rng,
        f"Compute the determinant of the matrix {told}.",
        f"A square matrix has the {listed}. What is its determinant?",
        f"By which signed factor does the linear map with the matrix {told} multiply {'areas' if len(rows) == 2 else 'volumes'}?",
        f"Find det(A) for A = {told} (rows in brackets).",
    )


def _minor(rows: list[list[int]], column: int) -> list[list[int]]:
    return [row[:column] + row[column + 1 :] for row in rows[1:]]


def _determinant(rows: list[list[int]]) -> int:
    if len(rows) == 1:
        return rows[0][0]
    return sum((-1) ** j * rows[0][j] * _determinant(_minor(rows, j)) for j in range(len(rows)))


def _solve_determinant(params: Params, pad: Scratch) -> int:
    rows = params["rows"]
    if len(rows) == 2:
        value = _two(pad, rows)
    else:
        pad.plan(
            "I expand along the first row: each entry times the determinant of what is left, with signs + - +."
        )
        value = 0
        for j, entry in enumerate(rows[0]):
            small = _two(pad, _minor(rows, j))
            sign = "-" if j % 2 else "+"
            part = entry * small * (-1 if j % 2 else 1)
            value = pad.calc(f"{value} {sign} {_p(entry)} * {_p(small)}", value + part, lead="Total so far:")
    other = _determinant([list(column) for column in zip(*rows, strict=True)])
    pad.check(
        f"Expanding the transposed matrix instead gives {other}; I found {value}.",
        value == other,
        terse=f"{value}",
    )
    return value


def _two(pad: Scratch, rows: list[list[int]]) -> int:
    (a, b), (c, d) = rows
    one, two = pad.calc(f"{_p(a)} * {_p(d)}", a * d), pad.calc(f"{_p(b)} * {_p(c)}", b * c)
    return pad.calc(f"{one} - {_p(two)}", one - two, lead="Its 2 by 2 determinant:")


DETERMINANT = Family(
    "determinant",
    "linear_algebra",
    (Level.HIGH_SCHOOL, Level.COLLEGE),
    _draw_determinant,
    _tell_determinant,
    lambda params: _determinant(params["rows"]),
    _solve_determinant,
)


def _draw_permutation(rng: random.Random, level: Level, options: Options) -> Params:
    size = rng.randint(6, 11)
    return {"images": rng.sample(range(1, size + 1), size)}


def cycles_of(images: list[int]) -> list[list[int]]:
    """The cycles of a permutation of 1 ... n, fixed points included."""
    left, cycles = set(range(1, len(images) + 1)), []
    while left:
        cycle, point = [], min(left)
        while point in left:
            left.remove(point)
            cycle.append(point)
            point = images[point - 1]
        cycles.append(cycle)
    return cycles


def _tell_permutation(rng: random.Random, params: Params, terse: bool) -> str:
    images = params["images"]
    n, told, who = len(images), ", ".join(map(str, images)), rng.choice(NAMES)
    if terse:
        return f"order of ({told})"
    return pick(
        rng,
        f"What is the order of the permutation of 1, ..., {n} whose values are {told}, as an element of the symmetric group "
        f"S_{n}?",
        f"The permutation s sends 1, 2, ..., {n} to {told}, in this order. Find the smallest k > 0 for which s^k is the "
        "identity.",
        f"{who} shuffles {n} cards always in the same way: position 1, ..., {n} goes to position {told}. After how many "
        "shuffles is the old order back for the first time?",
        f"Determine the size of the cyclic group that the permutation ({told}) of {n} points, in one-line notation, "
        "generates.",
    )


def _answer_permutation(params: Params) -> int:
    images = params["images"]
    identity = now = list(range(1, len(images) + 1))
    count = 0
    while True:
        now, count = [images[x - 1] for x in now], count + 1
        if now == identity:
            return count


def _solve_permutation(params: Params, pad: Scratch) -> int:
    cycles = cycles_of(params["images"])
    pad.plan("I split the permutation into cycles; the order is the least common multiple of their lengths.")
    value = 1
    for cycle in cycles:
        walk = " -> ".join(map(str, [*cycle, cycle[0]]))
        pad.note(f"Cycle: {walk}.")
        length = pad.calc(
            f"|({' '.join(map(str, cycle))})|",
            len(cycle),
            lead="Its length is",
            terse="len " + ",".join(map(str, cycle)),
            wrong=one_of([len(cycle) + 1, len(cycle) - 1 or 3]),
        )
        if length > 1:
            value = pad.calc(f"lcm({value}, {length})", math.lcm(value, length))
    true = _answer_permutation(params)
    pad.check(
        f"Applying the permutation again and again, everything is back in place after {true} rounds; I found {value}.",
        value == true,
        terse=f"{value}",
    )
    return value


PERMUTATION_ORDER = Family(
    "permutation_order",
    "abstract_algebra",
    (Level.GRADUATE,),
    _draw_permutation,
    _tell_permutation,
    _answer_permutation,
    _solve_permutation,
)
