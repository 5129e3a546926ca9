"""Counting: arrangements, committees, lattice paths, inclusion and exclusion."""

from __future__ import annotations

import math
import random
from collections import Counter

from factory.sources.families.family import NAMES, Family, Options, Params, pick
from factory.sources.families.scratch import Scratch
from schemas import Level

WORDS = (
    "BANANA", "LEVEL", "PEPPER", "COFFEE", "BALLOON", "SUCCESS", "LETTER", "KOALA", "TOTEM", "CANADA", "HANNAH",
    "ALFALFA", "COCOA", "MAMMAL", "ESSENCE", "PAPAYA", "TATTOO", "VOODOO", "REFEREE", "SESSION", "DIVIDED", "PUPPET",
    "KAYAK", "ROTOR", "SALSA", "LLAMA", "CICADA", "INDIGO", "GIGGLE", "NOON", "TEETH", "MELEE",
)  # fmt: skip
KINDS = {
    Level.MIDDLE: ("divisible", "paths"),
    Level.HIGH_SCHOOL: ("divisible", "committee", "letters", "paths"),
    Level.COLLEGE: ("apart", "onto", "derange"),
}


def _draw_counting(rng: random.Random, level: Level, options: Options) -> Params:
    kind = rng.choice(KINDS[level])
    if kind == "divisible":
        a, b = rng.sample(range(2, 16), 2)
        return {"kind": kind, "n": rng.randint(50, 900), "a": a, "b": b}
    if kind == "committee":
        women, men = rng.randint(4, 10), rng.randint(4, 10)
        return {"kind": kind, "women": women, "men": men, "w": rng.randint(1, 3), "m": rng.randint(1, 3)}
    if kind == "letters":
        return {"kind": kind, "word": rng.choice(WORDS), "extra": rng.choice(("", "S", "X", "Q", "U", "Y"))}
    if kind == "paths":
        return {
            "kind": kind,
            "x": [rng.randint(1, 5), rng.randint(1, 5)],
            "y": [rng.randint(1, 5), rng.randint(1, 5)],
        }
    if kind == "apart":
        return {"kind": kind, "n": rng.randint(5, 9), "names": rng.sample(NAMES, 2)}
    if kind == "onto":
        n = rng.randint(4, 8)
        return {"kind": kind, "n": n, "k": rng.randint(2, min(4, n - 1))}
    return {"kind": kind, "n": rng.randint(4, 9)}


def _tell_counting(rng: random.Random, params: Params, terse: bool) -> str:
    p, kind, who = params, params["kind"], rng.choice(NAMES)
    if kind == "divisible":
        a, b, n = p["a"], p["b"], p["n"]
        short = f"count 1..{n} divisible by {a} or {b}"
        long = (
            f"How many of the whole numbers from 1 to {n} are divisible by {a} or by {b} (or by both)?",
            f"{who} crosses out every multiple of {a} and every multiple of {b} in the list 1, 2, ..., {n}. How many numbers "
            "are crossed out?",
        )
    elif kind == "committee":
        short = f"choose {p['w']} of {p['women']} and {p['m']} of {p['men']}"
        long = (
            f"A committee of {p['w']} women and {p['m']} men is to be chosen from {p['women']} women and {p['men']} men. In how "
            "many ways can this be done?",
            f"{who} owns {p['women']} novels and {p['men']} cookbooks and packs {p['w']} of the novels and {p['m']} of the "
            "cookbooks. How many different selections are possible?",
        )
    elif kind == "letters":
        word = p["word"] + p["extra"]
        short = f"arrangements of {word}"
        long = (
            f"In how many different ways can the letters of {word} be arranged?",
            f"{who} has letter tiles that spell {word}. How many different words (with or without meaning) can be laid with "
            "all of them?",
        )
    elif kind == "paths":
        (x1, x2), (y1, y2) = p["x"], p["y"]
        end = (x1 + x2, y1 + y2)
        short = f"paths (0,0) via ({x1},{y1}) to ({end[0]},{end[1]})"
        long = (
            f"A path on a grid goes from (0, 0) to {end} by unit steps to the right or up and has to pass through "
            f"({x1}, {y1}). How many such paths are there?",
            f"{who} walks {end[0]} blocks east and {end[1]} blocks north and wants to meet a friend on the way, {x1} blocks "
            f"east and {y1} blocks north of the start. How many shortest routes lead past the friend?",
        )
    elif kind == "apart":
        one, two = p["names"]
        short = f"{p['n']} in a row, {one},{two} apart"
        long = (
            f"{p['n']} people, among them {one} and {two}, stand in a row. In how many orders are {one} and {two} not next to "
            "each other?",
            f"A row of {p['n']} seats is filled by {p['n']} guests. {one} refuses to sit beside {two}. How many seatings are "
            "possible?",
        )
    elif kind == "onto":
        short = f"onto maps {p['n']} to {p['k']}"
        long = (
            f"How many surjective functions are there from a set with {p['n']} elements to a set with {p['k']} elements?",
            f"{p['n']} different tasks are given to {p['k']} workers so that every worker gets at least one task. In how many "
            "ways is that possible?",
        )
    else:
        short = f"derangements of {p['n']}"
        long = (
            f"How many permutations of {p['n']} objects leave no object in its place?",
            f"{p['n']} guests leave their umbrellas at the door. In how many ways can the umbrellas be handed back so that "
            "nobody gets the right one?",
        )
    return short if terse else pick(rng, *long)


def _answer_counting(params: Params) -> int:
    p, kind = params, params["kind"]
    if kind == "divisible":
        return sum(n % p["a"] == 0 or n % p["b"] == 0 for n in range(1, p["n"] + 1))
    if kind == "committee":
        return math.comb(p["women"], p["w"]) * math.comb(p["men"], p["m"])
    if kind == "letters":
        word = p["word"] + p["extra"]
        return math.factorial(len(word)) // math.prod(math.factorial(c) for c in Counter(word).values())
    if kind == "paths":
        return math.prod(math.comb(x + y, x) for x, y in zip(p["x"], p["y"], strict=True))
    if kind == "apart":
        return math.factorial(p["n"]) - 2 * math.factorial(p["n"] - 1)
    if kind == "onto":
        n, k = p["n"], p["k"]
        return sum((-1) ** j * math.comb(k, j) * (k - j) ** n for j in range(k + 1))
    before, now = 1, 0
    for n in range(2, p["n"] + 1):
        before, now = now, (n - 1) * (now + before)
    return now


def _solve_counting(params: Params, pad: Scratch) -> int:
    value = {
        "divisible": _divisible, "committee": _committee, "letters": _letters, "paths": _paths,
        "apart": _apart, "onto": _onto, "derange": _derange,
    }[params["kind"]](params, pad)  # fmt: skip
    true = _answer_counting(params)
    pad.check(f"Counting in another way leads to {true}; I found {value}.", value == true, terse=f"n={value}")
    return value


def _divisible(p: Params, pad: Scratch) -> int:
    a, b, n = p["a"], p["b"], p["n"]
    both = math.lcm(a, b)
    pad.plan(
        f"Inclusion and exclusion: multiples of {a}, plus multiples of {b}, minus multiples of both, i.e. of {both}."
    )
    one = pad.calc(f"{n} // {a}", n // a, lead=f"Multiples of {a}:")
    two = pad.calc(f"{n} // {b}", n // b, lead=f"Multiples of {b}:")
    common = pad.calc(f"{n} // {both}", n // both, lead=f"Multiples of {both}:")
    return pad.calc(f"{one} + {two} - {common}", one + two - common)


def _choose(pad: Scratch, n: int, k: int) -> int:
    top, bottom = math.perm(n, k), math.factorial(k)
    above = pad.calc(" * ".join(str(n - i) for i in range(k)), top, lead=f"For C({n},{k}), the numerator is")
    return pad.calc(f"{above} / {bottom}", above // bottom, lead=f"so C({n},{k}) is")


def _committee(p: Params, pad: Scratch) -> int:
    pad.plan("The two choices are independent, so I multiply two binomial coefficients.")
    one, two = _choose(pad, p["women"], p["w"]), _choose(pad, p["men"], p["m"])
    return pad.calc(f"{one} * {two}", one * two)


def _paths(p: Params, pad: Scratch) -> int:
    pad.plan("I count the paths to the point in between and from there on, and multiply.")
    (x1, x2), (y1, y2) = p["x"], p["y"]
    one, two = _choose(pad, x1 + y1, x1), _choose(pad, x2 + y2, x2)
    return pad.calc(f"{one} * {two}", one * two)


def _letters(p: Params, pad: Scratch) -> int:
    word = p["word"] + p["extra"]
    counts = Counter(word)
    pad.plan(
        f"{word} has {len(word)} letters; repeated ones are {', '.join(f'{k} ({v} times)' for k, v in counts.items() if v > 1) or 'none'}."
    )
    value = pad.calc(f"{len(word)}!", math.factorial(len(word)))
    for letter, count in counts.items():
        if count > 1:
            value = pad.calc(
                f"{value} / {math.factorial(count)}",
                value // math.factorial(count),
                lead=f"Divide by {count}! for {letter}:",
            )
    return value


def _apart(p: Params, pad: Scratch) -> int:
    n = p["n"]
    pad.plan(
        "All orders minus those in which the two stand together; a pair counts as one person, in 2 orders."
    )
    total = pad.calc(f"{n}!", math.factorial(n), lead="All orders:")
    glued = pad.calc(f"{n - 1}!", math.factorial(n - 1), lead="Orders of the pair and the others:")
    together = pad.calc(f"2 * {glued}", 2 * glued, lead="Together:")
    return pad.calc(f"{total} - {together}", total - together)


def _onto(p: Params, pad: Scratch) -> int:
    n, k = p["n"], p["k"]
    pad.plan(f"Inclusion and exclusion over the elements of the {k} that are missed.")
    value = 0
    for j in range(k):
        power = pad.calc(f"{k - j}^{n}", (k - j) ** n)
        part = pad.calc(
            f"C({k},{j}) * {power} = {math.comb(k, j)} * {power}",
            math.comb(k, j) * power,
            terse=f"{math.comb(k, j)}*{power}",
        )
        sign = "-" if j % 2 else "+"
        value = pad.calc(
            f"{value} {sign} {part}", value - part if j % 2 else value + part, lead="Running total:"
        )
    return value


def _derange(p: Params, pad: Scratch) -> int:
    pad.plan("Derangements satisfy D(n) = (n - 1) * (D(n-1) + D(n-2)) with D(0) = 1 and D(1) = 0.")
    before, now = 1, 0
    for n in range(2, p["n"] + 1):
        both = pad.calc(f"{now} + {before}", now + before)
        before, now = now, pad.calc(f"{n - 1} * {both}", (n - 1) * both, lead=f"D({n}) =")
    return now


COUNTING = Family(
    "counting",
    "combinatorics",
    (Level.MIDDLE, Level.HIGH_SCHOOL, Level.COLLEGE),
    _draw_counting,
    _tell_counting,
    _answer_counting,
    _solve_counting,
)
