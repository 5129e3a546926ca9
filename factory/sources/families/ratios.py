"""Sums and products of fractions; percentages one after another."""

from __future__ import annotations

import math
import random
from fractions import Fraction

from factory.sources.families.family import NAMES, Family, Options, Params, pick
from factory.sources.families.scratch import Scratch, show
from schemas import Level


def _draw_fractions(rng: random.Random, level: Level, options: Options) -> Params:
    reach, count = (8, 2) if level == Level.ELEMENTARY else (12, options.count(rng, 2, 3))
    terms = []
    for _ in range(max(2, count)):
        bottom = rng.randint(2, reach)
        terms.append([rng.randint(1, bottom + 2), bottom])
    signs = [rng.choice("+-" if level == Level.ELEMENTARY else "+-*/") for _ in terms[1:]]
    return {"terms": terms, "signs": signs}


def _told(params: Params) -> str:
    text = "{}/{}".format(*params["terms"][0])
    for number, (sign, (top, bottom)) in enumerate(zip(params["signs"], params["terms"][1:], strict=True)):
        text = f"({text})" if number and sign in "*/" else text
        text += f" {sign} " + (f"({top}/{bottom})" if sign == "/" else f"{top}/{bottom}")
    return text


def _tell_fractions(rng: random.Random, params: Params, terse: bool) -> str:
    told, who = _told(params), rng.choice(NAMES)
    if terse:
        return told
    return pick(
        rng,
        f"Compute {told} and give the result as a fraction in lowest terms.",
        f"Evaluate ${told}$.",
        f"{who} has to simplify {told} for homework. Which fraction (or whole number) comes out?",
        f"What is {told}, fully reduced?",
        f"Work out {told} exactly.",
    )


def _join(left: Fraction, sign: str, right: Fraction) -> Fraction:
    return {"+": left + right, "-": left - right, "*": left * right, "/": left / right}[sign]


def _answer_fractions(params: Params) -> Fraction:
    value = Fraction(*params["terms"][0])
    for sign, pair in zip(params["signs"], params["terms"][1:], strict=True):
        value = _join(value, sign, Fraction(*pair))
    return value


def _solve_fractions(params: Params, pad: Scratch) -> Fraction:
    top, bottom = params["terms"][0]
    pad.plan(f"I go from left to right through {_told(params)}.")
    for sign, (p, q) in zip(params["signs"], params["terms"][1:], strict=True):
        if sign in "+-":
            common = math.lcm(bottom, q)
            pad.note(f"The denominators {bottom} and {q} have the common multiple {common}.", f"lcm={common}")
            one = pad.calc(f"{top} * {common // bottom}", top * (common // bottom), lead="First numerator:")
            two = pad.calc(f"{p} * {common // q}", p * (common // q), lead="Second numerator:")
            top = pad.calc(f"{one} {sign} {two}", one + two if sign == "+" else one - two, lead="Together:")
            bottom = common
        else:
            if sign == "/":
                pad.note(f"Dividing by {p}/{q} is multiplying by {q}/{p}.")
                p, q = q, p
            above, below = top, bottom
            top = pad.calc(f"{above} * {p}", above * p, lead="Numerators:")
            bottom = pad.calc(f"{below} * {q}", below * q, lead="Denominators:")
        pad.note(f"So far: {top}/{bottom}.", f"{top}/{bottom}")
    value = Fraction(top, bottom)
    shared = math.gcd(top, bottom)
    pad.note(
        f"Numerator and denominator share the factor {shared}, so this is {show(value)}.", f"={show(value)}"
    )
    true = _answer_fractions(params)
    pad.check(
        f"As decimals, the expression is about {float(true):.4f}, and {show(value)} is about {float(value):.4f}.",
        value == true,
        terse=f"{float(value):.2f}",
    )
    return value


FRACTIONS = Family(
    "fraction_arithmetic",
    "arithmetic",
    (Level.ELEMENTARY, Level.MIDDLE),
    _draw_fractions,
    _tell_fractions,
    _answer_fractions,
    _solve_fractions,
    frozenset({"steps"}),
)

WARES = (
    "bicycle",
    "coat",
    "lamp",
    "tent",
    "guitar",
    "camera",
    "desk",
    "pair of boots",
    "rowing boat",
    "telescope",
)


def _draw_percent(rng: random.Random, level: Level, options: Options) -> Params:
    count = options.count(rng, 1, 1) if level == Level.ELEMENTARY else options.count(rng, 2, 3)
    percents = [rng.choice((-50, -40, -30, -25, -20, -10, 10, 20, 25, 30, 40, 50)) for _ in range(count)]
    return {
        "price": 20 * rng.randint(2, 60),
        "percents": percents,
        "ware": rng.choice(WARES),
        "name": rng.choice(NAMES),
    }


def _tell_percent(rng: random.Random, params: Params, terse: bool) -> str:
    price, ware, who = params["price"], params["ware"], params["name"]
    if terse:
        return f"{price} " + " ".join(f"{p:+d}%" for p in params["percents"])
    told = ", then ".join(
        f"{pick(rng, 'rises', 'goes up', 'is raised') if p > 0 else pick(rng, 'falls', 'goes down', 'is cut')} by {abs(p)}%"
        for p in params["percents"]
    )
    return pick(
        rng,
        f"The price of a {ware} is {price} euros. It {told}. What is the price in the end, in euros?",
        f"{who} watches the price of a {ware}: it starts at {price} dollars and {told}. How many dollars must {who} pay now?",
        f"A {ware} costs {price} crowns before its price {told}. Find the new price in crowns.",
        f"A shop sells a {ware} for {price} francs. Over the year the price {told}. What does the {ware} cost afterwards?",
    )


def _answer_percent(params: Params) -> Fraction:
    value = Fraction(params["price"])
    for percent in params["percents"]:
        value *= Fraction(100 + percent, 100)
    return value


def _solve_percent(params: Params, pad: Scratch) -> Fraction:
    value = Fraction(params["price"])
    pad.plan("Each change is taken from the price at that moment, not from the first price.")
    for percent in params["percents"]:
        part = pad.calc(
            f"{show(value)} * {abs(percent)}/100",
            value * abs(percent) / 100,
            lead=f"{abs(percent)}% of {show(value)} is",
        )
        sign = "+" if percent > 0 else "-"
        value = pad.calc(
            f"{show(value)} {sign} {show(part)}",
            value + part if percent > 0 else value - part,
            lead="The price becomes",
        )
    true = _answer_percent(params)
    pad.check(
        f"With growth factors, {params['price']} * "
        + " * ".join(f"{(100 + p) / 100:g}" for p in params["percents"])
        + f" = {show(true)}; above I found {show(value)}.",
        value == true,
        terse=f"{show(value)}",
    )
    return value


PERCENT_CHANGE = Family(
    "percent_change",
    "arithmetic",
    (Level.ELEMENTARY, Level.MIDDLE),
    _draw_percent,
    _tell_percent,
    _answer_percent,
    _solve_percent,
    frozenset({"steps"}),
)
