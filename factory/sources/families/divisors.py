"""Greatest common divisors and systems of congruences."""

from __future__ import annotations

import math
import random

from factory.sources.families.family import NAMES, Family, Options, Params, pick
from factory.sources.families.scratch import Scratch, one_of
from schemas import Level


def _draw_gcd(rng: random.Random, level: Level, options: Options) -> Params:
    common, reach = (rng.randint(2, 15), 15) if level == Level.MIDDLE else (rng.randint(3, 40), 60)
    while True:
        a, b = (common * rng.randint(2, reach) for _ in range(2))
        if a != b and a % b and b % a:
            return {
                "a": max(a, b),
                "b": min(a, b),
                "asked": rng.choice(("gcd", "lcm")),
                "what": rng.randrange(3),
            }


def _tell_gcd(rng: random.Random, params: Params, terse: bool) -> str:
    a, b, who = params["a"], params["b"], rng.choice(NAMES)
    if rng.random() < 0.5:
        a, b = b, a
    if terse:
        return f"{params['asked']}({a},{b})"
    if params["asked"] == "gcd":
        return pick(
            rng,
            f"What is the greatest common divisor of {a} and {b}?",
            f"{who} has a sheet of {a} by {b} millimetres and cuts it into equal squares without waste. What is the "
            "largest possible side of a square, in millimetres?",
            f"Find the largest whole number that divides both {a} and {b}.",
            f"{a} roses and {b} tulips are to be made into identical bunches, as many as possible, with no flower left "
            "over. How many bunches are there?",
        )
    return pick(
        rng,
        f"Find the least common multiple of {a} and {b}.",
        f"One lamp flashes every {a} seconds, another every {b} seconds; just now they flashed together. After how many "
        "seconds does that happen again for the first time?",
        f"What is the smallest positive number that is divisible by both {a} and {b}?",
        f"Two gear wheels with {a} and {b} teeth turn against each other. {who} marks the teeth that touch. How many teeth "
        "pass before the marks meet again?",
    )


def _answer_gcd(params: Params) -> int:
    return (
        math.gcd(params["a"], params["b"]) if params["asked"] == "gcd" else math.lcm(params["a"], params["b"])
    )


def _solve_gcd(params: Params, pad: Scratch) -> int:
    a, b = params["a"], params["b"]
    pad.plan(f"I use Euclid's algorithm on {a} and {b}: divide with remainder until nothing is left.")
    common = euclid(pad, a, b)
    if params["asked"] == "gcd":
        pad.check(
            f"{a} leaves {a % common} and {b} leaves {b % common} on division by {common}, and the quotients "
            f"{a // common} and {b // common} have greatest common divisor {math.gcd(a // common, b // common)}.",
            common == math.gcd(a, b),
            terse=f"{a}%{common}={a % common}",
        )
        return common
    part = pad.calc(f"{b} / {common}", b // common, lead="For the least common multiple I first divide:")
    value = pad.calc(f"{a} * {part}", a * part, lead="and multiply:")
    pad.check(
        f"{value} leaves {value % a} on division by {a} and {value % b} on division by {b}.",
        value == math.lcm(a, b),
        terse=f"{value}%{b}={value % b}",
    )
    return value


def euclid(pad: Scratch, a: int, b: int) -> int:
    """Euclid's algorithm on paper: one line a division."""
    while b:
        rest = pad.calc(f"{a} mod {b}", a % b, terse=f"{a}%{b}", within=b)
        a, b = b, rest
    pad.note(f"The last divisor is {a}, so the greatest common divisor is {a}.", f"gcd={a}")
    return a


GCD_LCM = Family(
    "gcd_lcm",
    "number_theory",
    (Level.MIDDLE, Level.HIGH_SCHOOL),
    _draw_gcd,
    _tell_gcd,
    _answer_gcd,
    _solve_gcd,
)


def _draw_congruences(rng: random.Random, level: Level, options: Options) -> Params:
    primes = (3, 4, 5, 7) if level == Level.HIGH_SCHOOL else (5, 7, 8, 9, 11, 13)
    count = 2 if level == Level.HIGH_SCHOOL else 3
    moduli = rng.sample(primes, count)
    return {"moduli": moduli, "rests": [rng.randrange(1, m) for m in moduli]}


def _tell_congruences(rng: random.Random, params: Params, terse: bool) -> str:
    pairs = list(zip(params["moduli"], params["rests"], strict=True))
    who = rng.choice(NAMES)
    if terse:
        return "smallest x>=0: " + ", ".join(f"x%{m}={r}" for m, r in pairs)
    rows = " and ".join(f"remainder {r} on division by {m}" for m, r in pairs)
    return pick(
        rng,
        f"Find the smallest non-negative integer that leaves {rows}.",
        "What is the least x >= 0 with " + ", ".join(f"x = {r} (mod {m})" for m, r in pairs) + "?",
        f"{who} counts a heap of nuts: "
        + "; ".join(f"in groups of {m} there {'is' if r == 1 else 'are'} {r} left over" for m, r in pairs)
        + ". What is the smallest number of nuts that the heap can have?",
        "A secret number x satisfies "
        + ", ".join(f"x mod {m} = {r}" for m, r in pairs)
        + f". It is as small as possible and not negative. Tell {who} what x is.",
    )


def _answer_congruences(params: Params) -> int:
    pairs = list(zip(params["moduli"], params["rests"], strict=True))
    return next(x for x in range(math.prod(params["moduli"])) if all(x % m == r for m, r in pairs))


def _solve_congruences(params: Params, pad: Scratch) -> int:
    moduli, rests = params["moduli"], params["rests"]
    pad.plan(
        "I sieve: take numbers that fit the first condition and step until the next condition fits as well."
    )
    value, step = rests[0], moduli[0]
    for modulus, rest in zip(moduli[1:], rests[1:], strict=True):
        tries = 0
        while value % modulus != rest and tries < modulus:
            pad.note(
                f"{value} mod {modulus} = {value % modulus}, not {rest}; so add {step}.",
                f"{value}%{modulus}={value % modulus}",
            )
            value = pad.calc(
                f"{value} + {step}",
                value + step,
                lead="Next candidate:",
                wrong=one_of([value + step - 1, value + step + 1]),
            )
            tries += 1
        if value % modulus == rest:
            pad.note(f"{value} mod {modulus} = {rest}, as wanted.", f"{value}%{modulus}={rest}")
        step = pad.calc(
            f"{step} * {modulus}",
            step * modulus,
            lead="From here on I step by",
            wrong=one_of([step * (modulus - 1), step * (modulus + 1)]),
        )
    value = pad.calc(
        f"{value} mod {step}", value % step, lead="Reduced to the smallest:", terse=f"{value}%{step}"
    )
    found = ", ".join(f"{value} mod {m} = {value % m}" for m in moduli)
    pad.check(
        f"{found}; the remainders should be {', '.join(map(str, rests))}.",
        value == _answer_congruences(params),
        terse=f"{value}%{moduli[-1]}={value % moduli[-1]}",
    )
    return value


CONGRUENCES = Family(
    "congruences",
    "number_theory",
    (Level.HIGH_SCHOOL, Level.COLLEGE),
    _draw_congruences,
    _tell_congruences,
    _answer_congruences,
    _solve_congruences,
)
