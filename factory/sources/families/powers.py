"""Powers and orders modulo n."""

from __future__ import annotations

import math
import random

from factory.sources.families.family import Family, Options, Params, pick
from factory.sources.families.scratch import Scratch, one_of
from schemas import Level


def _draw_power(rng: random.Random, level: Level, options: Options) -> Params:
    modulus = options.modulus or rng.choice((7, 11, 13, 17, 19, 23, 29, 31))
    return {"base": rng.randint(2, max(2, modulus - 1)), "exponent": rng.randint(10, 200), "modulus": modulus}


def _tell_power(rng: random.Random, params: Params, terse: bool) -> str:
    a, e, m = params["base"], params["exponent"], params["modulus"]
    if terse:
        return f"{a}^{e} mod {m}"
    return pick(
        rng,
        f"What is the remainder when {a}^{e} is divided by {m}?",
        f"Compute ${a}^{{{e}}} \\bmod {m}$.",
        f"The number {a} is multiplied by itself so that {e} equal factors stand there. Which remainder does the product "
        f"leave on division by {m}?",
        f"In the ring of integers modulo {m}, evaluate {a} to the power {e}, as a number from 0 to {m - 1}.",
    )


def _solve_power(params: Params, pad: Scratch) -> int:
    base, exponent, modulus = params["base"], params["exponent"], params["modulus"]
    bits = bin(exponent)[2:]
    pad.plan(f"I square repeatedly. In binary, {exponent} is {bits}; I read it from the left.")
    value = base % modulus
    for bit in bits[1:]:
        value = pad.calc(
            f"{value}^2 mod {modulus}", value * value % modulus, terse=f"{value}^2", within=modulus
        )
        if bit == "1":
            value = pad.calc(
                f"{value} * {base} mod {modulus}",
                value * base % modulus,
                terse=f"{value}*{base}",
                within=modulus,
            )
    other = 1
    for _ in range(exponent):
        other = other * base % modulus
    pad.check(
        f"Multiplying {base} by itself one factor at a time, modulo {modulus}, ends at {other}; I have {value}.",
        other == value,
        terse=f"{value}<{modulus}",
    )
    return value


POWER_MOD = Family(
    "power_mod",
    "number_theory",
    (Level.COLLEGE,),
    _draw_power,
    _tell_power,
    lambda params: pow(params["base"], params["exponent"], params["modulus"]),
    _solve_power,
    frozenset({"modulus"}),
)


def _draw_order(rng: random.Random, level: Level, options: Options) -> Params:
    while True:
        modulus = rng.randint(7, 40)
        base = rng.randint(2, modulus - 2)
        if math.gcd(base, modulus) == 1 and 2 < _order(base, modulus) <= 18:
            return {"base": base, "modulus": modulus}


def _order(base: int, modulus: int) -> int:
    value, count = base % modulus, 1
    while value != 1:
        value, count = value * base % modulus, count + 1
    return count


def _tell_order(rng: random.Random, params: Params, terse: bool) -> str:
    a, n = params["base"], params["modulus"]
    if terse:
        return f"order of {a} mod {n}"
    return pick(
        rng,
        f"What is the order of {a} in the group of units modulo {n}?",
        f"Find the smallest positive k with {a}^k = 1 (mod {n}).",
        f"Let G be the multiplicative group (Z/{n}Z)^*. Determine the order of the cyclic subgroup that {a} generates.",
        f"The powers of {a} modulo {n} repeat with a certain period. How long is the period?",
    )


def _solve_order(params: Params, pad: Scratch) -> int:
    base, modulus = params["base"], params["modulus"]
    units = sum(math.gcd(n, modulus) == 1 for n in range(1, modulus))
    powers = [pow(base, k, modulus) for k in range(_order(base, modulus))]
    pad.plan(
        f"The group has {units} elements, so by Lagrange the order divides {units}. I multiply by {base} until 1 appears."
    )
    value, count = base, 1
    while value != 1 and count <= units:
        count += 1
        value = pad.calc(
            f"{base}^{count} = {value} * {base} mod {modulus}",
            value * base % modulus,
            terse=f"{value}*{base}",
            wrong=one_of([p for p in powers if p != value * base % modulus]),
        )
    pad.note(f"So the first power that is 1 has exponent {count}.", f"k={count}")
    true = pow(base, count, modulus)
    smaller = [k for k in range(1, count) if pow(base, k, modulus) == 1]
    pad.check(
        f"{base}^{count} mod {modulus} = {true}, the order must divide {units}, and "
        + (f"already {base}^{smaller[0]} is 1." if smaller else "no smaller power is 1."),
        true == 1 and not smaller,
        terse=f"{base}^{count}={true}",
    )
    return count


UNIT_ORDER = Family(
    "unit_order",
    "abstract_algebra",
    (Level.GRADUATE,),
    _draw_order,
    _tell_order,
    lambda params: _order(params["base"], params["modulus"]),
    _solve_order,
)
