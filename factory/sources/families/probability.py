"""Probabilities as exact fractions, and expected waiting times."""

from __future__ import annotations

import math
import random
from fractions import Fraction

from factory.sources.families.family import NAMES, Family, Options, Params, pick
from factory.sources.families.scratch import Scratch, show
from schemas import Level

KINDS = {
    Level.MIDDLE: ("dice",),
    Level.HIGH_SCHOOL: ("urn", "coins"),
    Level.COLLEGE: ("bayes", "coins"),
}


def _draw_probability(rng: random.Random, level: Level, options: Options) -> Params:
    kind = rng.choice(KINDS[level])
    if kind == "dice":
        sides = [rng.choice((4, 6, 8, 10, 12)) for _ in range(2)]
        return {"kind": kind, "sides": sides, "total": rng.randint(3, sum(sides) - 1)}
    if kind == "urn":
        return {
            "kind": kind,
            "red": rng.randint(3, 12),
            "blue": rng.randint(3, 12),
            "draws": rng.randint(2, 3),
            "same": rng.random() < 0.5,
        }
    if kind == "coins":
        n = rng.randint(4, 8)
        top, bottom = (
            (1, 2) if level == Level.HIGH_SCHOOL else rng.choice(((1, 3), (2, 3), (1, 4), (3, 4), (2, 5)))
        )
        return {"kind": kind, "n": n, "k": rng.randint(1, n - 1), "p": [top, bottom]}
    return {
        "kind": kind,
        "prior": rng.choice((2, 4, 5, 10, 20, 25)),
        "hit": rng.choice((80, 85, 90, 95, 98)),
        "false": rng.choice((2, 4, 5, 10, 15, 20)),
    }


def _tell_probability(rng: random.Random, params: Params, terse: bool) -> str:
    p, kind, who = params, params["kind"], rng.choice(NAMES)
    if kind == "dice":
        a, b = p["sides"]
        short = f"P(d{a}+d{b}={p['total']})"
        long = (
            f"A fair die with {a} sides (1 to {a}) and a fair die with {b} sides (1 to {b}) are rolled. What is the probability "
            f"that the numbers add up to {p['total']}?",
            f"{who} spins two wheels with equally likely numbers 1 to {a} and 1 to {b}. Find the probability of the sum "
            f"{p['total']}, as a fraction.",
        )
    elif kind == "urn":
        word = "all of the same colour" if p["same"] else "all red"
        short = f"urn {p['red']}r {p['blue']}b, draw {p['draws']}, P({'same' if p['same'] else 'red'})"
        long = (
            f"An urn holds {p['red']} red and {p['blue']} blue balls. {p['draws']} balls are drawn without putting any back. What "
            f"is the probability that they are {word}?",
            f"{who} takes {p['draws']} socks at random from a drawer with {p['red']} red and {p['blue']} blue socks. With what "
            f"probability are they {word}?",
        )
    elif kind == "coins":
        top, bottom = p["p"]
        short = f"P({p['k']} of {p['n']}), p={top}/{bottom}"
        long = (
            f"A coin shows heads with probability {top}/{bottom}. It is thrown {p['n']} times. What is the probability of exactly "
            f"{p['k']} heads?",
            f"Each of {p['n']} seeds sprouts with probability {top}/{bottom}, independently. Find the probability that exactly "
            f"{p['k']} of them sprout.",
        )
    else:
        short = f"prior {p['prior']}%, hit {p['hit']}%, false {p['false']}%: posterior"
        long = (
            f"{p['prior']}% of the parts from a factory are faulty. A test flags {p['hit']}% of the faulty parts and {p['false']}% "
            "of the good ones. A part is flagged. What is the probability that it is faulty, as an exact fraction?",
            f"A condition affects {p['prior']} in 100 people. Its test is positive for {p['hit']}% of those who have it and for "
            f"{p['false']}% of those who do not. {who} tests positive. What is the exact probability that {who} has it?",
        )
    return short if terse else pick(rng, *long)


def _answer_probability(params: Params) -> Fraction:
    p, kind = params, params["kind"]
    if kind == "dice":
        a, b = p["sides"]
        hits = sum(i + j == p["total"] for i in range(1, a + 1) for j in range(1, b + 1))
        return Fraction(hits, a * b)
    if kind == "urn":
        total = math.comb(p["red"] + p["blue"], p["draws"])
        good = math.comb(p["red"], p["draws"]) + (math.comb(p["blue"], p["draws"]) if p["same"] else 0)
        return Fraction(good, total)
    if kind == "coins":
        chance = Fraction(*p["p"])
        return math.comb(p["n"], p["k"]) * chance ** p["k"] * (1 - chance) ** (p["n"] - p["k"])
    ill = Fraction(p["prior"] * p["hit"])
    return ill / (ill + (100 - p["prior"]) * p["false"])


def _solve_probability(params: Params, pad: Scratch) -> Fraction:
    value = {"dice": _dice, "urn": _urn, "coins": _coins, "bayes": _bayes}[params["kind"]](params, pad)
    true = _answer_probability(params)
    pad.check(
        f"The value {show(value)} is about {float(value):.4f}; counting cases gives about {float(true):.4f}.",
        value == true,
        terse=show(value),
    )
    return value


def _dice(p: Params, pad: Scratch) -> Fraction:
    a, b = p["sides"]
    pad.plan(f"I list the first die's values that leave a possible value, 1 to {b}, for the second.")
    low, high = max(1, p["total"] - b), min(a, p["total"] - 1)
    pad.note(f"The first die can show {low} to {high}.", f"{low}..{high}")
    hits = pad.calc(f"{high} - {low} + 1", high - low + 1, lead="Favourable cases:")
    cases = pad.calc(f"{a} * {b}", a * b, lead="All cases:")
    return pad.calc(f"{hits} / {cases}", Fraction(hits, cases))


def _run(pad: Scratch, good: int, total: int, draws: int) -> Fraction:
    value = Fraction(good, total)
    for taken in range(1, draws):
        factor = Fraction(good - taken, total - taken)
        value = pad.calc(f"{show(value)} * {good - taken}/{total - taken}", value * factor, lead="Next draw:")
    return value


def _urn(p: Params, pad: Scratch) -> Fraction:
    total = p["red"] + p["blue"]
    pad.plan(f"There are {total} in all. I multiply the chances of one draw after another.")
    red = _run(pad, p["red"], total, p["draws"])
    if not p["same"]:
        return red
    blue = _run(pad, p["blue"], total, p["draws"])
    return pad.calc(f"{show(red)} + {show(blue)}", red + blue, lead="All red or all blue:")


def _coins(p: Params, pad: Scratch) -> Fraction:
    n, k, chance = p["n"], p["k"], Fraction(*p["p"])
    pad.plan("Binomial distribution: number of arrangements times the chance of one arrangement.")
    ways = pad.calc(f"C({n},{k})", math.comb(n, k))
    win = pad.calc(f"({show(chance)})^{k}", chance**k)
    lose = pad.calc(f"({show(1 - chance)})^{n - k}", (1 - chance) ** (n - k))
    one = pad.calc(f"{show(win)} * {show(lose)}", win * lose)
    return pad.calc(f"{ways} * {show(one)}", ways * one)


def _bayes(p: Params, pad: Scratch) -> Fraction:
    pad.plan("I imagine 10,000 cases and count who tests positive.")
    ill = pad.calc(f"{p['prior']} * {p['hit']}", p["prior"] * p["hit"], lead="Rightly flagged:")
    rest = pad.calc(f"100 - {p['prior']}", 100 - p["prior"])
    wrong = pad.calc(f"{rest} * {p['false']}", rest * p["false"], lead="Wrongly flagged:")
    flagged = pad.calc(f"{ill} + {wrong}", ill + wrong, lead="Flagged in all:")
    return pad.calc(f"{ill} / {flagged}", Fraction(ill, flagged))


PROBABILITY = Family(
    "probability",
    "probability",
    (Level.MIDDLE, Level.HIGH_SCHOOL, Level.COLLEGE),
    _draw_probability,
    _tell_probability,
    _answer_probability,
    _solve_probability,
)


def _draw_waiting(rng: random.Random, level: Level, options: Options) -> Params:
    bottom = rng.randint(2, 8)
    return {"p": [rng.randint(1, bottom - 1), bottom], "run": options.count(rng, 2, 4)}


def _tell_waiting(rng: random.Random, params: Params, terse: bool) -> str:
    (top, bottom), run, who = params["p"], params["run"], rng.choice(NAMES)
    if terse:
        return f"E[trials to {run} in a row], p={top}/{bottom}"
    return pick(
        rng,
        f"An experiment succeeds with probability {top}/{bottom}, independently each time. What is the expected number of "
        f"trials until {run} successes in a row have been seen?",
        f"{who} hits the target with probability {top}/{bottom} and stops after {run} hits in a row. How many shots are "
        "expected?",
        f"A Markov chain on 0, 1, ..., {run} goes up by one with probability {top}/{bottom} and otherwise falls back to 0. "
        f"Starting from 0, what is the expected time until it first reaches {run}?",
        f"A coin with P(heads) = {top}/{bottom} is tossed until {run} consecutive heads appear. Find the expected number of "
        "tosses as an exact fraction.",
    )


def _answer_waiting(params: Params) -> Fraction:
    chance = Fraction(*params["p"])
    return sum((1 / chance**k for k in range(1, params["run"] + 1)), Fraction(0))


def _solve_waiting(params: Params, pad: Scratch) -> Fraction:
    chance, run = Fraction(*params["p"]), params["run"]
    pad.plan(
        "Let E(k) be the expected time to k in a row. From k - 1 in a row one more trial either finishes or sends back to "
        f"the start, so E(k) = (E(k-1) + 1) / p with p = {show(chance)}."
    )
    value = Fraction(0)
    for k in range(1, run + 1):
        more = pad.calc(f"{show(value)} + 1", value + 1)
        value = pad.calc(f"{show(more)} / ({show(chance)})", more / chance, lead=f"E({k}) =")
    true = (1 - chance**run) / ((1 - chance) * chance**run)
    pad.check(
        f"The closed form (1 - p^{run}) / ((1 - p) p^{run}) gives {show(true)}; the recursion gave {show(value)}.",
        value == true,
        terse=show(value),
    )
    return value


WAITING_TIME = Family(
    "waiting_time",
    "probability",
    (Level.GRADUATE,),
    _draw_waiting,
    _tell_waiting,
    _answer_waiting,
    _solve_waiting,
    frozenset({"steps"}),
)
