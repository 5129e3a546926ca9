"""Lengths, areas and volumes with exact answers."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from fractions import Fraction

from factory.sources.families.family import NAMES, Family, Options, Params, pick
from factory.sources.families.scratch import Scratch, show
from schemas import Level

TRIPLES = ((3, 4, 5), (5, 12, 13), (8, 15, 17), (7, 24, 25), (20, 21, 29), (9, 40, 41))
KINDS = {
    Level.ELEMENTARY: ("rectangle",),
    Level.MIDDLE: ("corner", "box", "hypotenuse"),
    Level.HIGH_SCHOOL: ("polygon", "hypotenuse", "circles"),
}


def _draw_geometry(rng: random.Random, level: Level, options: Options) -> Params:
    kind = rng.choice(KINDS[level])
    if kind == "rectangle":
        return {"kind": kind, "a": rng.randint(3, 40), "b": rng.randint(3, 40), "area": rng.random() < 0.5}
    if kind == "corner":
        a, b = rng.randint(6, 30), rng.randint(6, 30)
        return {"kind": kind, "a": a, "b": b, "c": rng.randint(2, a - 2), "d": rng.randint(2, b - 2)}
    if kind == "box":
        return {"kind": kind, "sides": [rng.randint(2, 15) for _ in range(3)], "surface": rng.random() < 0.6}
    if kind == "hypotenuse":
        triple, scale = rng.choice(TRIPLES), rng.randint(1, 6)
        return {"kind": kind, "sides": [scale * side for side in triple], "leg": rng.random() < 0.4}
    if kind == "circles":
        return {"kind": kind, "r": rng.randint(2, 15), "gap": rng.randint(1, 9)}
    while True:
        points = [[rng.randint(-8, 9), rng.randint(-8, 9)] for _ in range(3)]
        if _shoelace(points):
            return {"kind": kind, "points": points}


def _shoelace(points: list[list[int]]) -> Fraction:
    (a, b), (c, d), (e, f) = points
    return Fraction(abs((c - a) * (f - b) - (e - a) * (d - b)), 2)


def _tell_geometry(rng: random.Random, params: Params, terse: bool) -> str:
    p, kind, who = params, params["kind"], rng.choice(NAMES)
    long: tuple[str, ...]
    if kind == "rectangle":
        wanted = "area" if p["area"] else "perimeter"
        use = "lay turf on it (in square metres)" if p["area"] else "put a fence all around it (in metres)"
        short = f"{wanted} of {p['a']}x{p['b']}"
        long = (
            f"A rectangle is {p['a']} cm long and {p['b']} cm wide. What is its {wanted}?",
            f"{who}'s garden is a rectangle of {p['a']} m by {p['b']} m. How much is needed to {use}?",
            f"Find the {wanted} of a rectangle whose sides measure {p['a']} and {p['b']}.",
        )
    elif kind == "corner":
        short = f"area {p['a']}x{p['b']} minus {p['c']}x{p['d']}"
        long = (
            f"From a rectangle of {p['a']} by {p['b']} a smaller rectangle of {p['c']} by {p['d']} is cut out at one corner. What "
            "is the area of the L-shaped piece that remains?",
            f"{who}'s floor is L-shaped: a rectangle {p['a']} m long and {p['b']} m wide in which a corner of {p['c']} m by "
            f"{p['d']} m is missing. How many square metres is it?",
        )
    elif kind == "box":
        wanted = "surface area" if p["surface"] else "volume"
        a, b, c = p["sides"]
        short = f"{wanted} of {a}x{b}x{c}"
        long = (
            f"A box has edges of {a}, {b} and {c}. What is its {wanted}?",
            f"{who} builds a closed wooden crate {a} dm long, {b} dm wide and {c} dm high. Compute its {wanted}, in "
            f"{'square' if p['surface'] else 'cubic'} decimetres.",
        )
    elif kind == "hypotenuse":
        a, b, c = p["sides"]
        if p["leg"]:
            short = f"right triangle leg {a} hyp {c}: leg"
            long = (
                f"In a right triangle the hypotenuse is {c} and one leg is {a}. How long is the other leg?",
                f"A ladder of length {c} leans against a wall; its foot stands {a} away from the wall. How high does it reach?",
            )
        else:
            short = f"right triangle legs {a},{b}: hyp"
            long = (
                f"The legs of a right triangle measure {a} and {b}. How long is the hypotenuse?",
                f"{who} walks {a} km east and then {b} km north. How far from the start is {who} now, in km?",
            )
    elif kind == "circles":
        short = f"ring area/pi r={p['r']} R={p['r'] + p['gap']}"
        long = (
            f"Two circles have the same centre and radii {p['r']} and {p['r'] + p['gap']}. The area of the ring between them is "
            "k times pi. What is k?",
            f"A round pond of radius {p['r']} has a path of width {p['gap']} around it. The path covers an area of k*pi. Find k.",
        )
    else:
        told = ", ".join(f"({x}, {y})" for x, y in p["points"])
        short = f"area of triangle {told}"
        long = (
            f"What is the area of the triangle with the corners {told}?",
            f"{who} marks the points {told} on squared paper and joins them. How large is the triangle, in squares?",
        )
    return short if terse else pick(rng, *long)


def _answer_geometry(params: Params) -> int | Fraction:
    p, kind = params, params["kind"]
    if kind == "rectangle":
        return int(p["a"] * p["b"] if p["area"] else 2 * (p["a"] + p["b"]))
    if kind == "corner":
        return int(p["a"] * p["b"] - p["c"] * p["d"])
    if kind == "box":
        a, b, c = p["sides"]
        return int(2 * (a * b + b * c + a * c) if p["surface"] else a * b * c)
    if kind == "hypotenuse":
        return int(p["sides"][1] if p["leg"] else p["sides"][2])
    if kind == "circles":
        return int(p["gap"] * (2 * p["r"] + p["gap"]))
    return _shoelace(p["points"])


def _solve_geometry(params: Params, pad: Scratch) -> int | Fraction:
    solvers: dict[str, Callable[[Params, Scratch], int | Fraction]] = {
        "rectangle": _rectangle, "corner": _corner, "box": _box, "hypotenuse": _hypotenuse,
        "circles": _circles, "polygon": _polygon,
    }  # fmt: skip
    value = solvers[params["kind"]](params, pad)
    true = _answer_geometry(params)
    pad.check(
        f"Estimating from a sketch and computing it the other way round gives {show(true)}; I found {show(value)}.",
        value == true,
        terse=show(value),
    )
    return value


def _rectangle(p: Params, pad: Scratch) -> int:
    if p["area"]:
        pad.plan("The area is length times width.")
        tens, ones = divmod(p["b"], 10)
        one = pad.calc(f"{p['a']} * {tens * 10}", p["a"] * tens * 10)
        two = pad.calc(f"{p['a']} * {ones}", p["a"] * ones)
        return pad.calc(f"{one} + {two}", one + two)
    pad.plan("The perimeter is twice the sum of length and width.")
    half = pad.calc(f"{p['a']} + {p['b']}", p["a"] + p["b"])
    return pad.calc(f"2 * {half}", 2 * half)


def _corner(p: Params, pad: Scratch) -> int:
    pad.plan("Whole rectangle minus the missing corner.")
    whole = pad.calc(f"{p['a']} * {p['b']}", p["a"] * p["b"])
    gone = pad.calc(f"{p['c']} * {p['d']}", p["c"] * p["d"])
    return pad.calc(f"{whole} - {gone}", whole - gone)


def _box(p: Params, pad: Scratch) -> int:
    a, b, c = p["sides"]
    if not p["surface"]:
        base = pad.calc(f"{a} * {b}", a * b, lead="Base:")
        return pad.calc(f"{base} * {c}", base * c, lead="Volume:")
    pad.plan("There are three pairs of equal faces.")
    faces = [pad.calc(f"{x} * {y}", x * y, lead="Face:") for x, y in ((a, b), (b, c), (a, c))]
    half = pad.calc(" + ".join(map(str, faces)), sum(faces))
    return pad.calc(f"2 * {half}", 2 * half)


def _hypotenuse(p: Params, pad: Scratch) -> int:
    a, b, c = p["sides"]
    pad.plan("By Pythagoras, the squares of the legs add up to the square of the hypotenuse.")
    known = (c, a) if p["leg"] else (a, b)
    one, two = (pad.calc(f"{side}^2", side * side) for side in known)
    sign = "-" if p["leg"] else "+"
    square = pad.calc(f"{one} {sign} {two}", one - two if p["leg"] else one + two)
    root = math.isqrt(max(square, 0))
    if root * root != square:
        root += square - root * root > root
    return pad.calc(f"sqrt({square})", root)


def _circles(p: Params, pad: Scratch) -> int:
    r, big = p["r"], p["r"] + p["gap"]
    pad.plan("The area of the ring is pi times the difference of the squared radii.")
    one, two = pad.calc(f"{big}^2", big * big), pad.calc(f"{r}^2", r * r)
    return pad.calc(f"{one} - {two}", one - two)


def _polygon(p: Params, pad: Scratch) -> Fraction:
    (a, b), (c, d), (e, f) = p["points"]
    pad.plan("I move the first corner to the origin and take half of the determinant of the other two.")
    u, v = pad.calc(f"{c} - ({a})", c - a), pad.calc(f"{d} - ({b})", d - b)
    s, t = pad.calc(f"{e} - ({a})", e - a), pad.calc(f"{f} - ({b})", f - b)
    det = pad.calc(f"({u}) * ({t}) - ({s}) * ({v})", u * t - s * v)
    return pad.calc(f"|{det}| / 2", Fraction(abs(det), 2))


GEOMETRY = Family(
    "geometry",
    "geometry",
    (Level.ELEMENTARY, Level.MIDDLE, Level.HIGH_SCHOOL),
    _draw_geometry,
    _tell_geometry,
    _answer_geometry,
    _solve_geometry,
)
