"""Quadratic equations with whole roots."""

from __future__ import annotations

import random

from factory.sources.families.equations import bracketed, signed, term
from factory.sources.families.family import Family, Options, Params, pick
from factory.sources.families.scratch import Scratch, one_of
from schemas import Level


def _draw_quadratic(rng: random.Random, level: Level, options: Options) -> Params:
    roots = sorted(rng.sample([n for n in range(-12, 13) if n], 2))
    return {
        "roots": roots,
        "scale": rng.choice((1, 1, 1, 2, 3)),
        "asked": rng.choice(("larger", "smaller", "gap", "squares")),
    }


def _tell_quadratic(rng: random.Random, params: Params, terse: bool) -> str:
    (r, s), scale = params["roots"], params["scale"]
    left = _polynomial(scale, -scale * (r + s), scale * r * s)
    asked = {
        "larger": ("the larger root", "x max"),
        "smaller": ("the smaller root", "x min"),
        "gap": ("the distance between the two roots", "x max - x min"),
        "squares": ("the sum of the squares of the two roots", "x1^2+x2^2"),
    }[params["asked"]]
    if terse:
        return f"{left} = 0, {asked[1]}=?"
    return pick(
        rng,
        f"Consider the equation {left} = 0. Find {asked[0]}.",
        f"The polynomial ${left}$ has two real zeros. What is {asked[0]} of the polynomial?",
        f"A parabola y = {left} crosses the x-axis twice. Treating the crossing points as roots, determine {asked[0]}.",
        f"What is {asked[0]} of {left} = 0?",
    )


def _polynomial(a: int, b: int, c: int) -> str:
    middle = f" {'-' if b < 0 else '+'} {term(abs(b), 'x')}" if b else ""
    return f"{term(a, 'x^2')}{middle}{signed(c)}"


def _answer_quadratic(params: Params) -> int:
    r, s = params["roots"]
    return int({"larger": s, "smaller": r, "gap": s - r, "squares": r * r + s * s}[params["asked"]])


def _solve_quadratic(params: Params, pad: Scratch) -> int:
    (r, s), scale = params["roots"], params["scale"]
    total, product = r + s, r * s
    if scale > 1:
        pad.note(
            f"All coefficients are divisible by {scale}, so I divide: {_polynomial(1, -total, product)} = 0."
        )
    pad.plan(f"I factor: I need two numbers with product {product} and sum {total}; they are the roots.")
    for first in _divisors(product):
        for one in (first, -first):
            other = product // one
            found = one + other == total
            if abs(one) <= abs(other) or found:
                pad.note(
                    f"Try {one} and {other}: the sum is {one + other}{', which is right!' if found else ', no.'}"
                )
            if found:
                break
        else:
            continue
        break
    pad.note(f"So it is (x{signed(-r)})(x{signed(-s)}) = 0, and the roots are {r} and {s}.", f"x={r},{s}")
    value = _of_roots(params["asked"], r, s, pad)
    true = _answer_quadratic(params)
    pad.check(
        f"With sum {total} and product {product} of the roots, Vieta's formulas lead to {true}; I have {value}.",
        value == true,
        terse=f"{r}+{bracketed(s)}={total}",
    )
    return value


def _of_roots(asked: str, small: int, large: int, pad: Scratch) -> int:
    if asked in ("larger", "smaller"):
        right, other = (large, small) if asked == "larger" else (small, large)
        name = "max" if asked == "larger" else "min"
        return pad.calc(f"{name}({small}, {large})", right, wrong=one_of([other, -right, -other]))
    if asked == "gap":
        return pad.calc(f"{large} - {bracketed(small)}", large - small)
    first = pad.calc(f"{bracketed(small)}^2", small * small)
    second = pad.calc(f"{bracketed(large)}^2", large * large)
    return pad.calc(f"{first} + {second}", first + second)


def _divisors(number: int) -> list[int]:
    return [n for n in range(1, abs(number) + 1) if number % n == 0]


QUADRATIC = Family(
    "quadratic",
    "algebra",
    (Level.HIGH_SCHOOL,),
    _draw_quadratic,
    _tell_quadratic,
    _answer_quadratic,
    _solve_quadratic,
)
